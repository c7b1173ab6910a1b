"""Refuses to start an unsafe deployment."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


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
    return errors
