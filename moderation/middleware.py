"""What stands between a browser and the pages: nothing is stored, the log-in was a whole one, and
what is refused is on record."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode

from moderation.evidence import refusing
from moderation.people import attempts, factors, returning, sessions

OPEN = frozenset(
    {
        "login",
        "sign_in",
        "signed_in",
        "choose_password",
        "set_up",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "account_reauthenticate",
        "logout",
        "theme",
    }
)

WHILE_LOCKED = frozenset({"unlock", "lock", "logout", "sign_in", "signed_in"})

GetResponse = Callable[[HttpRequest], HttpResponse]


class NothingStored:
    """What an answer says is of one person and of that moment: no browser or proxy keeps it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class LoggedIn(LoginRequiredMiddleware):
    """After the log-in a page comes back, and nothing that was sent to another address."""

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> HttpResponseRedirect:
        return redirect_to_login(
            returning.page_of(request),
            self.get_login_url(view_func),
            self.get_redirect_field_name(view_func),
        )


class MethodsTold:
    """An address that takes nothing but what pages send says so to whoever opens it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code != 405 or response.streaming or response.content:
            return response
        told = render(request, "405.html", status=405)
        told.headers["Allow"] = response.headers["Allow"]
        return told


class SecondStepRequired:
    """With MFA_REQUIRED a session without a second factor leads to setting one up, nowhere else.

    A session that shows none although its person has one did not come through our log-in: it ends.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        person = request.user
        if not settings.MFA_REQUIRED or not isinstance(person, User):
            return None
        if factors.shown_in(request, person):
            return None
        if factors.has_one(person):
            logout(request)
            return redirect(settings.LOGIN_URL)
        match = request.resolver_match
        return None if match and match.view_name in OPEN else redirect("set_up")


class IdleLock:
    """A session without input for IDLE_MINUTES waits for its person's password, and opens nothing.

    Every request is input, but for those that a page makes by itself: views marked ``by_itself``.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if not isinstance(request.user, User):
            return None
        match = request.resolver_match
        if sessions.is_locked(request):
            sessions.lock(request)
            if match and match.view_name in WHILE_LOCKED:
                return None
            return _to_the_password(request)
        if not getattr(view, "by_itself", False):
            sessions.note_input(request)
        return None


class RefusalsNoted:
    """What a person is refused, and what they ask for that is not there for them, is an event.

    What is not there and what lies outside somebody's grants are one answer, and one event: nobody
    learns from the time it takes which of the two it is.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> None:
        if isinstance(error, PermissionDenied):
            attempts.note(request, because=refusing.NO_PERMISSION)
        elif isinstance(error, Http404) and attempts.names_an_object(request):
            attempts.note(request, because=refusing.NOT_FOUND)


def _to_the_password(request: HttpRequest) -> HttpResponse:
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"locked": True}, status=401)
    return redirect(f"{reverse('unlock')}?{urlencode({'next': returning.page_of(request)})}")
