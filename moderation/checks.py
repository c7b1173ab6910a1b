"""Refuses to start an unsafe deployment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from config import roles
from moderation.models.case import Triage
from moderation.people import members
from moderation.review import policy, reasons


@register(Tags.security)
def production_is_safe(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """In production: no loopback fetching (H1), no debug pages, own keys."""
    if not settings.PRODUCTION:
        return []
    errors: list[CheckMessage] = []
    if settings.DEBUG:
        errors.append(Error("DEBUG must be off in production.", id="breakwater.E001"))
    if settings.FETCH_ALLOW_ADDRESSES:
        errors.append(
            Error(
                "FETCH_ALLOW_ADDRESSES must be empty in production: unset it.",
                id="breakwater.E002",
            )
        )
    if settings.OIDC_ISSUER and not settings.OIDC_ISSUER.startswith("https://"):
        errors.append(
            Error("OIDC_ISSUER must begin with https:// in production.", id="breakwater.E003")
        )
    return errors


@register(Tags.security)
def identity_provider_is_whole(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An identity provider needs all of its settings, and no claim that says nothing."""
    errors: list[CheckMessage] = []
    if settings.OIDC_ISSUER and not settings.OIDC_CLIENT_ID:
        errors.append(
            Error("OIDC_ISSUER is set: set OIDC_CLIENT_ID as well.", id="breakwater.E004")
        )
    claims = settings.OIDC_SECOND_STEP
    if any(not each.startswith(("amr=", "acr=")) or each.endswith("=") for each in claims):
        errors.append(
            Error("OIDC_SECOND_STEP takes amr=VALUE and acr=VALUE.", id="breakwater.E005")
        )
    return errors


@register()
def ready_reasons_can_be_used(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The ready sentences of reviewers can be read, and each is of an answer that exists."""
    try:
        reasons.read(Path(settings.REASONS_FILE))
    except reasons.BadReasons as error:
        return [Error(f"REASONS_FILE: {error}.", id="breakwater.E006")]
    return []


@register()
def duty_profile_is_known(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Due dates follow a profile that there is (H14), by hours that can pass."""
    profiles = settings.DUE_HOURS
    errors: list[CheckMessage] = []
    if settings.DUTY_PROFILE not in profiles:
        known = " or ".join(profiles)
        errors.append(Error(f"DUTY_PROFILE must be {known}.", id="breakwater.E007"))
    wrong = [
        f"{profile}, {triage}"
        for profile, hours in profiles.items()
        for triage in Triage.values
        if not hours.get(triage, 0) > 0
    ]
    if wrong:
        errors.append(
            Error(
                f"The hours until a case is due must be above 0: {'; '.join(wrong)}.",
                id="breakwater.E008",
            )
        )
    return errors


@register()
def policy_can_be_shown(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The text under Policy on the page of a case can be read."""
    try:
        policy.read(Path(settings.POLICY_FILE))
    except policy.BadPolicy as error:
        return [Error(f"POLICY_FILE: {error}.", id="breakwater.E009")]
    return []


@register(Tags.database)
def nobody_may_everything(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """In production nobody holds every capability at once: a superuser is in every role, and sees
    through each rule of separate ones."""
    if not settings.PRODUCTION:
        return []
    found = [alias for alias in databases or () if members.has_superuser(alias)]
    words = (
        "An active superuser holds every capability at once, answering and auditing too: make them"
        " an operator with manage.py make_operator LOGIN, or switch them off."
    )
    return [Error(words, id="breakwater.E010")] if found else []


@register(Tags.database)
def custody_stands(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """The database itself keeps the application from changing the chain (H8)."""
    changeable = [
        alias
        for alias in databases or ()
        if roles.could_change(connections[alias], roles.application())
    ]
    return [checks.Warning(roles.WARNING, id="breakwater.W003")] if changeable else []
