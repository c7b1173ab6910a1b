"""Signing in at the identity provider: OpenID Connect, the code flow with PKCE, state and nonce.

django-allauth leads there and exchanges the code. What comes back is trusted only as far as this
module checks it: the provider is the one of the settings, its ID token is signed by it, meant for
us, for this attempt, and fresh. No token is kept, and of the claims nothing but the subject.
"""

import logging
import time
from typing import Any

import jwt
import requests
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.stages import AuthenticateStage
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_lockout_response
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import constant_time_compare, get_random_string, salted_hmac
from django.utils.http import url_has_allowed_host_and_scheme

from . import asking, factors, identities

logger = logging.getLogger(__name__)

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
LEEWAY = 30  # seconds that two clocks may differ
KNOWN_FOR = 300  # seconds that what the provider says of itself is kept
DOWN_FOR = 10  # seconds in which a provider that gave no answer is not asked again
STATUS = {"unknown": 403, "switched_off": 403, "no_answer": 502, "wrong_answer": 502}
STATUS |= {"stale": 400, "cancelled": 400}


class WrongAnswer(OAuth2Error):
    """What the provider sent cannot be trusted; the text says which check it failed, no more."""


class ProviderAdapter(OpenIDConnectOAuth2Adapter):
    """What is asked of the provider of the settings, and what its answers must be."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request, settings.OIDC_ISSUER)

    def get_provider(self) -> Any:
        provider = super().get_provider()
        provider.get_oauth2_adapter = ProviderAdapter
        return provider

    @property
    def openid_config(self) -> dict[str, Any]:
        """What the provider says of itself; it must be the one that was asked."""
        key = f"oidc-{salted_hmac('oidc', settings.OIDC_ISSUER).hexdigest()[:16]}"
        known = cache.get(key)
        if known == {}:
            raise requests.ConnectionError("no answer a moment ago")
        if known is None:
            try:
                known = self._ask(self.get_provider().server_url)
            except requests.RequestException:
                cache.set(key, {}, DOWN_FOR)
                raise
            if known.get("issuer") != settings.OIDC_ISSUER:
                raise WrongAnswer("issuer of the configuration")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not _same_scheme(known.get(name)):
                    raise WrongAnswer(f"configuration without {name}")
            cache.set(key, known, KNOWN_FOR)
        return known

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        return request.build_absolute_uri(reverse("signed_in"))

    def get_access_token_data(
        self, request: HttpRequest, app: Any, client: Any, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        """Exchange the code; the answer must hold an ID token."""
        if request.GET.get("iss", settings.OIDC_ISSUER) != settings.OIDC_ISSUER:
            raise WrongAnswer("iss beside the code")
        try:
            said = super().get_access_token_data(request, app, client, pkce_code_verifier)
        except KeyError:
            raise WrongAnswer("token answer without a content type") from None
        if not isinstance(said.get("id_token"), str):
            raise WrongAnswer("no ID token")
        return {"access_token": str(said["access_token"]), "id_token": said["id_token"]}

    def complete_login(
        self, request: HttpRequest, app: Any, token: Any, **more: Any
    ) -> SocialLogin:
        """Check the ID token; the nonce is checked with the state, in ``pre_social_login``."""
        claims = self._claims(more["response"]["id_token"])
        account = SocialAccount(provider=self.provider_id, uid=claims["sub"], extra_data={})
        login = SocialLogin(account=account, provider=self.get_provider())
        login.claims = claims
        return login

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise WrongAnswer("algorithm of the ID token")
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(header),
                algorithms=[header["alg"]],
                audience=settings.OIDC_CLIENT_ID,
                issuer=settings.OIDC_ISSUER,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud", "sub", "nonce", "auth_time"]},
            )
        except jwt.PyJWTError as error:
            raise WrongAnswer(f"ID token: {type(error).__name__}") from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if several and claims.get("azp") != settings.OIDC_CLIENT_ID:
            raise WrongAnswer("ID token: azp")
        since = claims["auth_time"]
        if not isinstance(since, int) or time.time() - since > _longest_ago() + LEEWAY:
            raise WrongAnswer("ID token: auth_time")
        if not 0 < len(claims["sub"]) <= identities.SUBJECT_CHARACTERS:
            raise WrongAnswer("ID token: sub")
        return claims

    def _key(self, header: dict[str, Any]) -> jwt.PyJWK:
        """The provider's key that the token says it is signed with."""
        said = self._ask(self.openid_config["jwks_uri"]).get("keys")
        keys = said if isinstance(said, list) else []
        for each in keys:
            if not isinstance(each, dict) or each.get("use", "sig") != "sig":
                continue
            if each.get("alg", header["alg"]) != header["alg"]:
                continue
            if each.get("kid") == header.get("kid") or ("kid" not in header and len(keys) == 1):
                return jwt.PyJWK.from_dict(each, algorithm=header["alg"])
        raise WrongAnswer("ID token: no such key")

    def _ask(self, address: str) -> dict[str, Any]:
        with get_adapter().get_requests_session() as session:
            answer = session.get(address)
            answer.raise_for_status()
            said = answer.json()
        if not isinstance(said, dict):
            raise WrongAnswer("no JSON object")
        return said


class SignInAdapter(DefaultSocialAccountAdapter):
    """Our rules over django-allauth: nobody signs up, failures are pages of ours."""

    def get_requests_session(self) -> asking.Session:
        return asking.Session()

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """The whole log-in, from claims that were checked: by our rules, as after a password."""
        claims, state = sociallogin.claims, sociallogin.state
        if not constant_time_compare(str(claims["nonce"]), state.get("nonce", "")):
            raise WrongAnswer("ID token: nonce")
        try:
            person = identities.person_of(claims)
        except identities.SignInRefused as refusal:
            raise ImmediateHttpResponse(failed(request, refusal.code)) from None
        raise ImmediateHttpResponse(_log_in(request, person, claims, state.get("next") or ""))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: Any = None,
    ) -> None:
        raise ImmediateHttpResponse(failed(request, _code(error, exception), exception))


class SecondStepStage(AuthenticateStage):
    """Ours is asked for, unless the provider saw one that counts here."""

    def _should_handle(self, request: HttpRequest) -> bool:
        if factors.shown_in(request, self.login.user) == factors.ELSEWHERE:
            return False
        asked: bool = super()._should_handle(request)
        return asked


def begin(request: HttpRequest, *, then: str) -> HttpResponse:
    """Lead to the provider; ``then`` is where the person wants to go afterwards."""
    nonce = get_random_string(32)
    wanted = [each[4:] for each in settings.OIDC_SECOND_STEP if each.startswith("acr=")]
    asked = {"nonce": nonce, "max_age": str(_longest_ago())}
    asked |= {"acr_values": " ".join(wanted)} if wanted else {}
    try:
        provider = ProviderAdapter(request).get_provider()
        answer: HttpResponse = provider.redirect(
            request, "login", next_url=_ours(then), auth_params=asked, nonce=nonce
        )
    except (OAuth2Error, requests.RequestException) as error:
        return failed(request, _code(None, error), error)
    return answer


def failed(request: HttpRequest, code: str, error: Exception | None = None) -> HttpResponse:
    """The page that says why the sign-in opened nothing, and what to do."""
    why = str(error) if isinstance(error, WrongAnswer) else type(error).__name__ if error else ""
    logger.warning("sign-in: %s %s", code, why)
    context = {"code": code, "provider": settings.OIDC_NAME}
    return render(request, "account/sign_in_failed.html", context, status=STATUS[code])


def did_sign_in(request: HttpRequest, person: User) -> bool:
    """Return whether this session was opened at the provider, not with a password."""
    records = get_authentication_records(request, person)
    return any(record.get("method") == "socialaccount" for record in records)


def _log_in(request: HttpRequest, person: User, claims: dict[str, Any], then: str) -> HttpResponse:
    locked_out = {"username": person.get_username()}
    if settings.AXES_ENABLED and not AxesProxyHandler.is_allowed(request, locked_out):
        answer: HttpResponse = get_lockout_response(request, credentials=locked_out)
        return answer
    if request.user.is_authenticated:
        logout(request)  # a session that was locked, or somebody else's
    record_authentication(request, person, "socialaccount", reauthenticated=True)
    if identities.showed_second_step(claims):
        record_authentication(request, person, "mfa", type=factors.ELSEWHERE)
    opened: HttpResponse = perform_login(request, Login(user=person, redirect_url=_ours(then)))
    return opened


def _code(error: Any, exception: Exception | None) -> str:
    if isinstance(exception, requests.RequestException) and not isinstance(
        exception, requests.JSONDecodeError
    ):
        return "no_answer"
    if exception is not None:
        return "wrong_answer"
    return "cancelled" if error == AuthError.CANCELLED else "stale"


def _ours(address: str) -> str:
    safe = url_has_allowed_host_and_scheme(address, allowed_hosts=None)
    return address if safe else reverse("home")


def _longest_ago() -> int:
    """Seconds since the person proved themselves to the provider: as long as our lock waits."""
    return settings.IDLE_MINUTES * 60


def _same_scheme(address: Any) -> bool:
    """Whether it is an address as safe as the provider's own: no https provider leads to http."""
    scheme = settings.OIDC_ISSUER.partition(":")[0]
    return isinstance(address, str) and address.startswith((f"{scheme}://", "https://"))
