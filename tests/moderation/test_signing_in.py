"""Signing in at an OpenID provider: who gets in, by which rules, and what gets nobody in."""

import json
import socket
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from allauth.socialaccount.models import SocialAccount, SocialToken
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client

from moderation.models import CustodyEvent, Session
from moderation.people import identities, members
from tests import identity_provider
from tests.conftest import PASSWORD
from tests.factors import code_for, give_app
from tests.identity_provider import STRANGE_KEY, encoded, signed

pytestmark = pytest.mark.django_db
BACK = "/login/provider/back/"


@pytest.fixture(autouse=True)
def fresh_cache():
    cache.clear()


@pytest.fixture(scope="module")
def server():
    with identity_provider.running() as provider:
        yield provider


@pytest.fixture
def provider(server, settings):
    """The provider in a good mood, and in our settings."""
    issuer = server.issuer
    server.__init__()
    server.issuer = issuer
    identity_provider.use(server, settings)
    return server


@pytest.fixture
def known(provider, reviewer):
    """A reviewer whose subject is on record."""
    SocialAccount.objects.create(user=reviewer, provider=provider.issuer, uid=provider.subject)
    return reviewer


def there(client, then="/queue/"):
    """The address at the provider that we lead to."""
    answer = client.get("/login/provider/", {"next": then})
    assert answer.status_code == 302, answer.content.decode()
    return answer.url


def sign_in(client, then="/queue/"):
    back = requests.get(there(client, then), allow_redirects=False, timeout=5).headers["Location"]
    assert back.startswith(f"http://testserver{BACK}")
    return client.get(back.removeprefix("http://testserver"))


def is_in(client):
    return client.get("/account/").status_code == 200


def actions():
    return list(CustodyEvent.objects.order_by("seq").values_list("action", flat=True))


def test_a_known_subject_gets_in_and_it_is_recorded(client, provider, known):
    assert "Sign in with Quay House" in client.get("/login/").content.decode()
    assert sign_in(client).url == "/queue/"
    assert is_in(client)
    event = CustodyEvent.objects.get()
    assert (event.action, event.actor) == ("logged_in", known.person.pseudonym)
    assert event.after == {"at": "identity_provider"}
    session = Session.objects.get(user=known)
    assert session.started_at is not None
    client.post("/logout/")
    assert not is_in(client)
    assert actions() == ["logged_in", "logged_out"]


def test_what_is_asked_of_the_provider(client, provider, known, settings):
    settings.OIDC_SECOND_STEP = ["acr=urn:strong", "amr=mfa"]
    asked = parse_qs(urlsplit(there(client)).query)
    assert set(asked["scope"][0].split()) == {"openid", "email"}
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["max_age"] == ["900"]  # as long as our own lock waits
    assert asked["acr_values"] == ["urn:strong"]
    assert asked["redirect_uri"] == [f"http://testserver{BACK}"]
    assert sign_in(Client()).url == "/queue/"
    paths = [path for path, _ in provider.asked]
    assert paths.count("/.well-known/openid-configuration") == 1  # what it says is kept a while


def test_nothing_of_the_claims_and_no_token_is_kept(client, provider, known):
    provider.claims = {"email": "rhea@example.org", "name": "Rhea of the Quay"}
    sign_in(client)
    assert SocialAccount.objects.get().extra_data == {}
    assert not SocialToken.objects.exists()
    kept = str(Session.objects.get(user=known).get_decoded())
    assert "example.org" not in kept
    assert "opaque" not in kept


def test_the_first_sign_in_is_told_by_the_verified_mail_address(client, provider, reviewer):
    User.objects.filter(pk=reviewer.pk).update(email="Rhea@example.org")
    provider.claims = {"email": "rhea@example.org", "email_verified": True}
    assert sign_in(client).url == "/queue/"
    assert identities.subject_of(reviewer) == provider.subject
    first = CustodyEvent.objects.earliest("seq")
    assert (first.action, first.actor) == ("identity_recorded", "system")
    assert first.after == {"told_by": "mail_address"}
    # From now on the subject counts: another one with the address is nobody here.
    provider.subject = "somebody-else"
    assert sign_in(Client()).status_code == 403


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"email": "rhea@example.org"},
        {"email": "rhea@example.org", "email_verified": False},
        {"email": "rhea@example.org", "email_verified": "true"},
        {"email": "someone@example.org", "email_verified": True},
        {"email": "", "email_verified": True},
        {"email": ["rhea@example.org"], "email_verified": True},
    ],
)
def test_a_stranger_is_told_whom_to_ask(client, provider, reviewer, claims):
    User.objects.filter(pk=reviewer.pk).update(email="rhea@example.org")
    provider.claims = claims
    answer = sign_in(client)
    assert answer.status_code == 403
    assert "no login here is yours" in answer.content.decode()
    assert not is_in(client)
    assert not SocialAccount.objects.exists()
    assert User.objects.count() == 1
    assert actions() == []


def test_two_people_with_one_address_are_nobody(client, provider, reviewer, lead):
    User.objects.update(email="both@example.org")
    provider.claims = {"email": "both@example.org", "email_verified": True}
    assert sign_in(client).status_code == 403


def test_somebody_switched_off_gets_no_further(client, provider, known):
    User.objects.filter(pk=known.pk).update(is_active=False)
    answer = sign_in(client)
    assert answer.status_code == 403
    assert "switched off" in answer.content.decode()
    assert not is_in(client)
    event = CustodyEvent.objects.get()
    assert (event.action, event.object_id) == ("sign_in_refused", str(known.pk))


def test_a_lock_out_holds_here_too(client, provider, known, settings):
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 2
    for _ in range(2):
        client.post("/login/", {"username": known.username, "password": "wrong"})
    assert AccessAttempt.objects.exists()
    answer = sign_in(client)
    assert answer.status_code == 429
    assert not is_in(client)


def test_our_second_step_is_asked_for(client, provider, known):
    secret = give_app(known)
    assert sign_in(client).url == "/login/second-step/"
    assert not is_in(client)
    assert client.post("/login/second-step/", {"code": code_for(secret)}).url == "/queue/"
    assert CustodyEvent.objects.get().after == {"factor": "app", "at": "identity_provider"}


@pytest.mark.parametrize(
    ("wanted", "claims", "counts"),
    [
        ([], {"amr": ["pwd", "mfa"], "acr": "urn:strong"}, False),
        (["amr=mfa"], {"amr": ["pwd", "mfa"]}, True),
        (["amr=mfa"], {"amr": ["pwd"]}, False),
        (["amr=mfa"], {}, False),
        (["acr=urn:strong"], {"acr": "urn:strong"}, True),
        (["acr=urn:strong"], {"acr": "urn:weak", "amr": ["mfa"]}, False),
    ],
)
def test_the_providers_second_step_counts_where_the_settings_say_so(
    client, provider, known, settings, wanted, claims, counts
):
    settings.MFA_REQUIRED = True
    settings.OIDC_SECOND_STEP = wanted
    provider.claims = claims
    assert sign_in(client).url == "/queue/"
    page = client.get("/queue/")
    assert page.status_code == (200 if counts else 302)
    if not counts:
        assert page.url == "/account/set-up/"
        return
    after = CustodyEvent.objects.get().after
    assert after == {"factor": "identity_provider", "at": "identity_provider"}
    give_app(known)
    assert sign_in(Client()).url == "/queue/"  # ours is not asked on top


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another-client"},
        {"aud": ["breakwater", "another-client"]},
        {"aud": ["breakwater", "another-client"], "azp": "another-client"},
        {"nonce": "of another attempt"},
        {"nonce": None},
        {"exp": int(time.time()) - 120},
        {"exp": None},
        {"iat": int(time.time()) + 3600},
        {"auth_time": int(time.time()) - 3600},
        {"auth_time": None},
        {"auth_time": "yesterday"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "s" * 300},
    ],
)
def test_a_wrong_claim_opens_nothing(client, provider, known, claims):
    provider.claims = claims
    refused(client, sign_in(client))


def refused(client, answer, words="could not be trusted"):
    assert answer.status_code == 502
    assert words in answer.content.decode()
    assert not is_in(client)
    assert actions() == []


def unsigned(claims):
    head = encoded(json.dumps({"alg": "none"}).encode())
    return f"{head}.{encoded(json.dumps(claims).encode())}."


def by_shared_secret(claims):
    """The old trick: our public key as the secret of a symmetric signature."""
    return signed(claims, alg="HS256")


@pytest.mark.parametrize(
    "make",
    [
        lambda claims: signed(claims, key=STRANGE_KEY),
        lambda claims: signed(claims, kid="another"),
        lambda claims: signed(claims, alg="ES256"),
        lambda claims: signed(claims, alg="RS512"),
        lambda claims: signed(claims)[:-8] + "AAAAAAAA",
        lambda claims: (
            signed(claims | {"sub": "x"}).rpartition(".")[0]
            + "."
            + signed(claims).rpartition(".")[2]
        ),
        unsigned,
        by_shared_secret,
        lambda claims: "not.a.token",
        lambda claims: "",
    ],
)
def test_a_token_that_is_not_its_own_opens_nothing(client, provider, known, make):
    provider.make_token = make
    refused(client, sign_in(client))


@pytest.mark.parametrize(
    "answer",
    [
        (200, "application/json", b"{}"),
        (200, "application/json", b"[1]"),
        (200, "application/json", b"not json"),
        (200, "application/json", b'{"access_token": "a", "id_token": 7}'),
        (200, "text/html", b"<html>"),
        (500, "application/json", b"{}"),
    ],
)
def test_a_token_answer_of_another_kind_opens_nothing(client, provider, known, answer):
    provider.token_answer = answer
    refused(client, sign_in(client))


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://elsewhere.example"},
        {"jwks_uri": None},
        {"token_endpoint": "file:///etc/passwd"},
        {"authorization_endpoint": 7},
    ],
)
def test_a_configuration_that_does_not_fit_leads_nowhere(client, provider, known, configuration):
    provider.configuration = configuration
    refused(client, client.get("/login/provider/"))


def test_a_provider_that_is_down_is_said(client, provider, known, settings):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
        provider.issuer, issuer = nobody, provider.issuer
        identity_provider.use(provider, settings)
        refused(client, client.get("/login/provider/"), "gives no answer just now")
        provider.issuer = issuer


@pytest.mark.parametrize("path", ["/token", "/keys"])
def test_a_provider_that_falls_silent_is_not_waited_for(client, provider, known, settings, path):
    settings.OIDC_SECONDS = 0.3
    address = there(client)
    provider.silent = {path}
    back = requests.get(address, allow_redirects=False, timeout=5).headers["Location"]
    refused(client, client.get(back.removeprefix("http://testserver")), "gives no answer just now")


def test_an_answer_without_end_is_cut_off(client, provider, known):
    provider.token_answer = (200, "application/json", b" " * 1_100_000)
    refused(client, sign_in(client), "gives no answer just now")


def test_the_way_back_works_once_and_for_its_own_browser(client, provider, known):
    back = requests.get(there(client), allow_redirects=False, timeout=5).headers["Location"]
    back = back.removeprefix("http://testserver")
    elsewhere = Client()
    assert elsewhere.get(back).status_code == 400
    assert not is_in(elsewhere)
    assert client.get(back).url == "/queue/"
    again = client.get(back)
    assert again.status_code == 400
    assert "used already" in again.content.decode()


def test_whoever_goes_back_at_the_provider_is_told(client, provider, known):
    state = parse_qs(urlsplit(there(client)).query)["state"][0]
    answer = client.get(f"{BACK}?{urlencode({'error': 'access_denied', 'state': state})}")
    assert answer.status_code == 400
    assert "You did not sign in" in answer.content.decode()


def test_a_code_of_another_issuer_is_not_exchanged(client, provider, known):
    back = requests.get(there(client), allow_redirects=False, timeout=5).headers["Location"]
    more = urlencode({"iss": "https://elsewhere.example"})
    answer = client.get(f"{back.removeprefix('http://testserver')}&{more}")
    refused(client, answer)
    assert "/token" not in [path for path, _ in provider.asked]


def test_nobody_is_led_elsewhere_afterwards(client, provider, known):
    assert sign_in(client, "https://elsewhere.example/").url == "/"


def test_a_locked_session_opens_by_signing_in_again(client, provider, known):
    known.set_unusable_password()
    known.save()
    sign_in(client)
    client.post("/account/lock/")
    page = client.get("/queue/", follow=True).content.decode()
    assert "Sign in again with Quay House" in page
    assert "Your password opens it again" not in page
    assert sign_in(client).url == "/queue/"
    assert is_in(client)


def test_an_operator_records_the_subject(login, provider, operator, reviewer, lead):
    client, path = login(operator), f"/team/{reviewer.pk}/subject/"
    assert client.post(path, {"subject": " subject-of-rhea "}).status_code == 302
    assert identities.subject_of(reviewer) == "subject-of-rhea"
    assert sign_in(Client()).url == "/queue/"
    taken = client.post(f"/team/{lead.pk}/subject/", {"subject": "subject-of-rhea"}, follow=True)
    assert "Somebody else has this subject" in taken.content.decode()
    client.post(path, {"subject": ""})
    assert sign_in(Client()).status_code == 403
    said = [action for action in actions() if action.startswith("identity")]
    assert said == ["identity_recorded", "identity_removed"]
    assert "subject-of-rhea" not in str(CustodyEvent.objects.values_list("before", "after"))
    assert client.post(f"/team/{operator.pk}/subject/", {"subject": "x"}).status_code == 403
    with pytest.raises(members.PersonRefused, match="at most"):
        identities.record_subject(reviewer, "s" * 200, by=operator)


def test_another_provider_starts_without_subjects(client, provider, known, settings):
    SocialAccount.objects.update(provider="https://former.example")
    assert sign_in(client).status_code == 403


def test_without_a_provider_the_addresses_are_not_there(client, login, operator, reviewer):
    assert client.get("/login/provider/").status_code == 404
    assert client.get(BACK).status_code == 404
    assert "Sign in with" not in client.get("/login/").content.decode()
    answer = login(operator).post(f"/team/{reviewer.pk}/subject/", {"subject": "x"})
    assert answer.status_code == 404


def test_the_password_goes_on_working(client, provider, known):
    client.post("/login/", {"username": known.username, "password": PASSWORD})
    assert is_in(client)
    assert CustodyEvent.objects.get().after == {}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"OIDC_ISSUER": "http://id.example", "OIDC_CLIENT_ID": "b", "PRODUCTION": True}, "https"),
        ({"OIDC_ISSUER": "https://id.example"}, "OIDC_CLIENT_ID"),
        ({"OIDC_SECOND_STEP": ["mfa"]}, "amr=VALUE"),
        ({"OIDC_SECOND_STEP": ["email=x"]}, "amr=VALUE"),
    ],
)
def test_settings_that_are_not_whole_stop_the_start(settings, values, why):
    for name, value in values.items():
        setattr(settings, name, value)
    with pytest.raises(SystemCheckError, match=why):
        call_command("check", "--tag", "security")


@pytest.mark.parametrize("length", [151, 255, 256, 100_000])
def test_a_login_longer_than_any_is_nobodys(client, length):
    answer = client.post("/login/", {"username": "x" * length, "password": "calm-water-42"})
    assert answer.status_code == 200
    assert "That name and password do not fit" in answer.content.decode()
    assert not AccessAttempt.objects.exists()
