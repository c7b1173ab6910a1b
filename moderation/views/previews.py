"""The one address that a preview comes from: one look, then gone."""

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from moderation.evidence.sealing import Unreadable
from moderation.permissions import CASE_OPEN
from moderation.review import exposure

from .people import person_of

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@require_GET
@permission_required(CASE_OPEN, raise_exception=True)
def preview(request: HttpRequest, ticket: str) -> HttpResponse:
    """The blurred grey picture that a ticket is good for; 404 for every other ticket."""
    try:
        png = exposure.open_ticket(
            ticket, by=person_of(request), session=request.session.session_key or ""
        )
    except (exposure.NoTicket, Unreadable):
        raise Http404 from None
    return HttpResponse(png, content_type="image/png", headers=HEADERS)
