"""One's own sessions: ending them, and the lock that falls where nobody is at work."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import messages
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from moderation.people import identities, sessions

from .people import person_of

View = TypeVar("View", bound=Callable[..., HttpResponse])


def by_itself(view: View) -> View:
    """Mark a view that a page asks by itself: that is no input, and keeps no session open."""
    view.by_itself = True  # type: ignore[attr-defined]
    return view


@require_POST
def end_session(request: HttpRequest) -> HttpResponse:
    """End the session of that name, or every one of mine but this."""
    ended = sessions.end_others(
        person_of(request),
        this=request.session.session_key,
        name=request.POST.get("name", ""),
    )
    messages.success(request, f"Sessions ended: {ended}.")
    return redirect("mfa_index")


@require_POST
def at_work(request: HttpRequest) -> HttpResponse:
    """A page says that there was input; the middleware has written it down."""
    return HttpResponse(status=204)


@require_POST
def lock(request: HttpRequest) -> HttpResponse:
    """Lock this session at once."""
    sessions.lock(request)
    return HttpResponse(status=204)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def unlock(request: HttpRequest) -> HttpResponse:
    """Open a locked session by the password; a page that asks for JSON stays where it is."""
    person, wrong = person_of(request), False
    back = request.POST.get("next") or request.GET.get("next") or "/"
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = "/"
    if request.method == "POST":
        password = request.POST.get("password", "")
        shown: Any = authenticate(request, username=person.get_username(), password=password)
        wrong = shown is None or shown.pk != person.pk
        if not wrong:
            sessions.unlock(request)
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"locked": sessions.is_locked(request)}, status=403 if wrong else 200)
    if not sessions.is_locked(request):
        return HttpResponseRedirect(back)
    return render(
        request,
        "account/locked.html",
        {
            "wrong": wrong,
            "next": back,
            "has_password": person.has_usable_password(),
            "provider": identities.offered(),
        },
    )
