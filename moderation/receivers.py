"""Who came in, who left, who was kept out: custody events of sessions, by pseudonym alone."""

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from moderation.models import CustodyEvent
from moderation.people import factors, sessions, signing_in


@receiver(user_logged_in)
def note_login(request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    """Record a person who logged in; a session that was made up came by no address."""
    if request is not None and request.resolver_match is not None:
        sessions.begin(request)
        factor = factors.shown_in(request, user)
        after = {"factor": factor} if factor else {}
        if signing_in.did_sign_in(request, user):
            after["at"] = factors.ELSEWHERE
        _note("logged_in", user, by=user, after=after)


@receiver(user_logged_out)
def note_logout(request: HttpRequest | None, user: User | None, **kwargs: Any) -> None:
    if user is not None and request is not None and request.resolver_match is not None:
        _note("logged_out", user, by=user)


@receiver(user_locked_out)
def note_lockout(request: HttpRequest, username: str | None, **kwargs: Any) -> None:
    """Record a lock-out of a login that exists, once: the signal comes with each further try.

    A wrong password alone is no event, and neither is an address (H16).
    """
    person = User.objects.filter(username=username).first() if username else None
    counted = getattr(request, "axes_failures_since_start", None) is not None
    if person is not None and counted:  # what is tried while it is locked is not counted
        everywhere = getattr(request, "locked_everywhere", False)
        _note("locked_out", person, by=None, after={"everywhere": True} if everywhere else None)


def _note(
    action: str, person: User, *, by: User | None, after: dict[str, Any] | None = None
) -> None:
    with transaction.atomic():
        CustodyEvent.objects.append(action, person, by=by, after=after)
