"""What every page's frame needs: the rail, the environment, the person, the colours."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html_join

from moderation import permissions
from moderation.models import Case, Person
from moderation.models.person import Contrast, TextSize, Theme, pseudonym_of
from moderation.people import identities, returning
from moderation.review import budget, resting

from .people import own_of


@dataclass(frozen=True)
class Item:
    """One line of the rail: shown to whoever holds one of its permissions."""

    label: str
    icon: str
    route: str
    needs: tuple[str, ...]
    key: str = ""  # after g
    state: str = ""  # a part of the queue: the filter that shows it

    @property
    def address(self) -> str:
        return reverse(self.route) + (f"?state={self.state}" if self.state else "")

    def is_current(self, request: HttpRequest) -> bool:
        """Whether the page is this item's, or one below it."""
        if not request.path.startswith(reverse(self.route)):
            return False
        apart = {item.state for item in RAIL if item.route == self.route and item is not self}
        said = request.GET.get("state", "")
        return said == self.state if self.state or said in apart else True


RAIL = (
    Item("Queue", "queue", "moderation:queue", (permissions.CASE_OPEN,), key="q"),
    Item(
        "Second review",
        "second",
        "moderation:queue",
        (permissions.DECIDE_SECOND,),
        key="s",
        state=Case.State.PROPOSED,
    ),
    Item("My cases", "mine", "moderation:my_cases", (permissions.DECIDE,), key="m"),
    Item("Me", "me", "moderation:me", (permissions.CASE_OPEN,)),
    Item(
        "Reports",
        "reports",
        "reports:list",
        (permissions.REPORT_COMPOSE, permissions.REPORT_APPROVE, permissions.REPORT_EXPORT),
        key="r",
    ),
    Item(
        "Manifests",
        "manifests",
        "moderation:manifests",
        (permissions.SCAN_VIEW, permissions.MANIFEST_PUBLISH),
        key="x",
    ),
    Item("Scans", "scans", "moderation:scans", (permissions.SCAN_VIEW,), key="c"),
    Item("Datasets", "datasets", "moderation:datasets", (permissions.SCAN_VIEW,), key="d"),
    Item("Hash lists", "lists", "moderation:hash_lists", (permissions.LIST_VIEW,), key="l"),
    Item(
        "Team",
        "team",
        "moderation:team",
        (permissions.PREVIEW_GRANT, permissions.USER_MANAGE, permissions.IDENTITY_VIEW),
        key="t",
    ),
    Item(
        "Legal basis",
        "basis",
        "moderation:legal_basis",
        (permissions.SETTINGS_MANAGE, permissions.AUDIT_VIEW),
        key="b",
    ),
    Item("Audit", "audit", "moderation:audit", (permissions.AUDIT_VIEW,), key="a"),
)


@dataclass(frozen=True)
class Environment:
    """Where a mistake would land, and whether the data is made up."""

    label: str
    tone: str
    synthetic: bool


def shell(request: HttpRequest) -> dict[str, Any]:
    """The context of base.html; what costs a query is only worked out where a page shows it."""
    return {
        "environment": environment(),
        "rail": SimpleLazyObject(lambda: rail(request)),
        "pseudonym": SimpleLazyObject(lambda: pseudonym(request)),
        "letter_keys": SimpleLazyObject(lambda: letter_keys(request)),
        "roles": SimpleLazyObject(lambda: roles(request)),
        "exposure": SimpleLazyObject(lambda: exposure(request)),
        "break_due": SimpleLazyObject(lambda: break_due(request)),
        "working": SimpleLazyObject(lambda: working(request)),
        "idle_seconds": settings.IDLE_MINUTES * 60,
        "provider": identities.offered(),
        "look": SimpleLazyObject(lambda: look(request)),
        "page_address": returning.page_of(request),
    }


@dataclass(frozen=True)
class Look:
    """How a page looks to the person, wherever they log in; for nobody as the device is set."""

    theme: str = Theme.AUTO
    contrast: str = Contrast.AUTO
    text_size: str = TextSize.USUAL

    @property
    def attributes(self) -> str:
        """What the page's root element says, ready to stand in it."""
        said = {
            "data-bs-theme": self.theme if self.theme != Theme.AUTO else "",
            "data-text": self.text_size if self.text_size != TextSize.USUAL else "",
        }
        return format_html_join("", ' {}="{}"', ((k, v) for k, v in said.items() if v))

    @property
    def contrast_for(self) -> str:
        """The media for which the style of more contrast holds."""
        return "all" if self.contrast == Contrast.MORE else "(prefers-contrast: more)"

    @property
    def next_theme(self) -> str:
        return Theme.values[(Theme.values.index(self.theme) + 1) % len(Theme.values)]


def look(request: HttpRequest) -> Look:
    """Return the colours, contrast and size of text that the person chose."""
    person = _person(request)
    return Look(person.theme, person.contrast, person.text_size) if person else Look()


def environment() -> Environment:
    """Return the environment; production only where this site and its reports both are."""
    if settings.PRODUCTION and settings.REPORT_ENVIRONMENT == "production":
        return Environment("Production", "production", settings.SYNTHETIC)
    return Environment("Test", "test", settings.SYNTHETIC)


def pseudonym(request: HttpRequest) -> str:
    """Return the pseudonym under which the person's acts are recorded; empty for nobody."""
    person = _person(request)
    return person.pseudonym if person else ""


def letter_keys(request: HttpRequest) -> bool:
    """Return whether single letters are keys for this person; for nobody they are."""
    person = _person(request)
    return person.letter_keys if person else True


def _person(request: HttpRequest) -> Person | None:
    """The row of who is logged in, read once a request and made on the first occasion."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return None
    try:
        return user.person
    except Person.DoesNotExist:
        pseudonym_of(user)
        return user.person


def roles(request: HttpRequest) -> str:
    """Return the names of the person's roles in words; empty for nobody."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return ""
    return permissions.role_of(user).replace("_", " ").replace(",", ", ")


def exposure(request: HttpRequest) -> budget.Standing | None:
    """Return where the looks of a person who opens cases stand; None for anybody else."""
    user = getattr(request, "user", None)
    if not isinstance(user, User) or not user.has_perm(permissions.CASE_OPEN):
        return None
    return budget.standing(by=user, wellness=own_of(request).wellness)


@dataclass(frozen=True)
class Working:
    """The case that a person works on, and for how long it is still theirs."""

    case: Case
    seconds_left: int


def working(request: HttpRequest) -> Working | None:
    """Return the case that the person works on now, on whatever page they are."""
    user = getattr(request, "user", None)
    if not isinstance(user, User) or not user.has_perm(permissions.DECIDE):
        return None
    held = Case.objects.worked_on_by(user).annotate(left=F("lease_expires_at") - Now()).first()
    return Working(held, int(held.left.total_seconds())) if held is not None else None


def break_due(request: HttpRequest) -> bool:
    """Return whether to suggest a break to this person."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return False
    return resting.break_due(by=user, wellness=own_of(request).wellness)


def rail(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the lines of the rail that this person may follow; the current one is marked."""
    user = getattr(request, "user", None)
    if user is None:
        return []
    return [
        {
            "label": item.label,
            "icon": item.icon,
            "key": item.key,
            "address": item.address,
            "current": item.is_current(request),
        }
        for item in RAIL
        if any(user.has_perm(name) for name in item.needs)
    ]
