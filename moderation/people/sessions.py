"""Sessions of people: what is said of each, when one locks, and ending them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.dateparse import parse_datetime

from moderation.models import CustodyEvent, Session

# What a browser calls itself, the first that fits: Edge says Chrome too, and Chrome Safari.
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome"}
BROWSERS |= {"Safari": "Safari"}
SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows"}
SYSTEMS |= {"Mac OS": "macOS", "Linux": "Linux"}

NOTED_EVERY = timedelta(seconds=30)  # input is written down no oftener
LATE = timedelta(seconds=60)  # a page says so later than the input came


def begin(request: HttpRequest) -> None:
    """Write into a fresh session when it began, and in which kind of browser; no address (H16)."""
    now = timezone.now().isoformat()
    agent = _words(request.headers.get("User-Agent", ""))
    request.session.update({"started_at": now, "seen_at": now, "agent": agent})


def note_input(request: HttpRequest) -> None:
    """Write down that somebody is at work in this session."""
    seen, now = _seen(request), timezone.now()
    if seen is None or now - seen > NOTED_EVERY:
        request.session["seen_at"] = now.isoformat()


def is_locked(request: HttpRequest) -> bool:
    """Return whether the session waits for its person's password: IDLE_MINUTES without input."""
    seen = _seen(request)
    idle = timedelta(minutes=settings.IDLE_MINUTES) + LATE
    over = seen is not None and timezone.now() - seen > idle
    return bool(request.session.get("locked")) or over


def lock(request: HttpRequest) -> None:
    if not request.session.get("locked"):
        request.session["locked"] = True


def unlock(request: HttpRequest) -> None:
    """Open the session again, for whoever has just shown the password."""
    request.session.pop("locked", None)
    request.session["seen_at"] = timezone.now().isoformat()


def of(person: User) -> list[Any]:
    """Return the person's sessions, the last used first, each with a ``name`` to end it by."""
    alive = Session.objects.filter(user=person, expire_date__gt=timezone.now())
    rows: list[Any] = list(alive.order_by("-seen_at"))
    for row in rows:
        row.name = _name(row.session_key)
    return rows


def at_work(people: Iterable[User]) -> set[int]:
    """Return who of them has a session with input in the last IDLE_MINUTES, by id."""
    since = timezone.now() - timedelta(minutes=settings.IDLE_MINUTES)
    rows = Session.objects.filter(user__in=list(people), seen_at__gt=since)
    return set(rows.filter(expire_date__gt=timezone.now()).values_list("user_id", flat=True))


@transaction.atomic
def end_others(person: User, *, this: str | None, name: str = "") -> int:
    """End one's own session of that name, or all but this one; return how many ended."""
    others = [row for row in of(person) if row.session_key != this]
    chosen = [row.pk for row in others if not name or row.name == name]
    ended = Session.objects.filter(pk__in=chosen).delete()[0]
    if ended:
        CustodyEvent.objects.append("sessions_ended", person, by=person, after={"sessions": ended})
    return ended


def end_all(person: User) -> int:
    """End every session of the person and return how many ended."""
    return Session.objects.filter(user=person).delete()[0]


def _words(agent: str) -> str:
    browser = next((words for mark, words in BROWSERS.items() if mark in agent), "Another browser")
    system = next((words for mark, words in SYSTEMS.items() if mark in agent), "")
    return f"{browser} on {system}" if system else browser


def _seen(request: HttpRequest) -> datetime | None:
    return parse_datetime(request.session.get("seen_at", ""))


def _name(key: str) -> str:
    """What a page may call a session: its key would open it."""
    return salted_hmac("session", key).hexdigest()[:16]
