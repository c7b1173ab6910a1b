"""What the API refuses for want of a capability is an event, as on the pages."""

from typing import Any

from django.core.exceptions import PermissionDenied as Denied
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response
from rest_framework.views import exception_handler

from moderation.evidence import refusing
from moderation.people import attempts


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer that the framework gives; a refusal of somebody known is on record."""
    if isinstance(error, PermissionDenied | Denied):
        attempts.note(context["request"]._request, because=refusing.NO_PERMISSION)
    return exception_handler(error, context)
