"""What the API refuses: JSON also where Django refuses it, and an event as on the pages."""

from typing import Any

from django.core.exceptions import PermissionDenied as Denied
from django.core.exceptions import (
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response
from rest_framework.views import exception_handler

from moderation.evidence import refusing
from moderation.people import attempts

from .parsers import TOO_LARGE
from .uploads import TooLarge


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer that the framework gives; a refusal of somebody known is on record."""
    if isinstance(error, PermissionDenied | Denied):
        attempts.note(context["request"]._request, because=refusing.NO_PERMISSION)
    return exception_handler(error, context)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django cannot or will not read: in JSON to a program, with the page to people."""
    if not request.path.startswith("/api/"):
        return defaults.bad_request(request, exception)
    if isinstance(exception, RequestDataTooBig):  # refused before our parsers see it
        return JsonResponse({"detail": TOO_LARGE}, status=TooLarge.status_code)
    words: dict[type[Exception], str] = {
        TooManyFieldsSent: "There are more fields than this service reads.",
        TooManyFilesSent: "There are more files than this service reads.",
    }
    said = words.get(type(exception), "The request could not be read.")
    return JsonResponse({"detail": said}, status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer where nothing stands: in JSON to a program, with the page to people."""
    if not request.path.startswith("/api/"):
        return defaults.page_not_found(request, exception)
    return JsonResponse({"detail": "There is nothing at this address."}, status=404)
