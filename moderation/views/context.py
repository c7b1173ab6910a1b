"""What every page's frame needs: the rail, the environment, the person, the colours."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from moderation import permissions
from moderation.models.person import pseudonym_of
from moderation.people import identities

THEME_COOKIE = "theme"
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True)
class Item:
    """One line of the rail: shown to whoever holds one of its permissions."""

    label: str
    icon: str
    route: str
    needs: tuple[str, ...]
    key: str = ""  # after g, where the keys are at work


RAIL = (
    Item("Queue", "queue", "moderation:queue", (permissions.CASE_OPEN,), key="q"),
    Item("My cases", "mine", "moderation:my_cases", (permissions.DECIDE,), key="m"),
    Item(
        "Reports",
        "reports",
        "reports:list",
        (permissions.REPORT_COMPOSE, permissions.REPORT_APPROVE, permissions.REPORT_EXPORT),
    ),
    Item(
        "Manifests",
        "manifests",
        "moderation:manifests",
        (permissions.SCAN_VIEW, permissions.MANIFEST_PUBLISH),
    ),
    Item("Scans", "scans", "moderation:scans", (permissions.SCAN_VIEW,)),
    Item("Datasets", "datasets", "moderation:datasets", (permissions.SCAN_VIEW,)),
    Item("Hash lists", "lists", "moderation:hash_lists", (permissions.LIST_VIEW,)),
    Item(
        "Team",
        "team",
        "moderation:team",
        (permissions.PREVIEW_GRANT, permissions.USER_MANAGE, permissions.IDENTITY_VIEW),
    ),
    Item("Audit", "audit", "moderation:audit", (permissions.AUDIT_VIEW,)),
)


@dataclass(frozen=True)
class Environment:
    """Where a mistake would land, and whether the data is made up."""

    label: str
    tone: str
    synthetic: bool


def shell(request: HttpRequest) -> dict[str, Any]:
    """The context of base.html; what costs a query is only worked out where a page shows it."""
    theme = chosen_theme(request)
    return {
        "environment": environment(),
        "rail": SimpleLazyObject(lambda: rail(request)),
        "pseudonym": SimpleLazyObject(lambda: pseudonym(request)),
        "roles": SimpleLazyObject(lambda: roles(request)),
        "idle_seconds": settings.IDLE_MINUTES * 60,
        "provider": identities.offered(),
        "theme": theme,
        "next_theme": THEMES[(THEMES.index(theme) + 1) % len(THEMES)],
    }


def chosen_theme(request: HttpRequest) -> str:
    """Return the colours this browser asked for; ``auto`` follows its own setting."""
    theme = request.COOKIES.get(THEME_COOKIE, "auto")
    return theme if theme in THEMES else "auto"


def environment() -> Environment:
    """Return the environment; production only where this site and its reports both are."""
    if settings.PRODUCTION and settings.REPORT_ENVIRONMENT == "production":
        return Environment("Production", "production", settings.SYNTHETIC)
    return Environment("Test", "test", settings.SYNTHETIC)


def pseudonym(request: HttpRequest) -> str:
    """Return the pseudonym under which the person's acts are recorded; empty for nobody."""
    user = getattr(request, "user", None)
    return pseudonym_of(user) if isinstance(user, User) else ""


def roles(request: HttpRequest) -> str:
    """Return the names of the person's roles in words; empty for nobody."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return ""
    return permissions.role_of(user).replace("_", " ").replace(",", ", ")


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
            "address": reverse(item.route),
            "current": request.path.startswith(reverse(item.route)),
        }
        for item in RAIL
        if any(user.has_perm(name) for name in item.needs)
    ]
