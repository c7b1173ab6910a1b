"""The one address that a preview comes from: one look, then gone; and the way to a look at L3."""

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from moderation.evidence.sealing import Unreadable
from moderation.forms.review import EntryForm
from moderation.permissions import CASE_OPEN
from moderation.review import budget, exposure

from .cases import case_of, entry_in
from .people import person_of

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@require_POST
@never_cache
@permission_required(CASE_OPEN, raise_exception=True)
def look(request: HttpRequest, pk: int) -> HttpResponse:
    """Log a look at L3 for a hand that holds; JSON alone, as a page without scripts cannot let go.

    409 with the reason, and with the seconds to wait, where it is not possible now.
    """
    row, user = case_of(request, pk), person_of(request)
    form = EntryForm(request.POST)
    if not form.is_valid():
        raise Http404
    entry = entry_in(row, form.cleaned_data["entry"])
    try:
        ticket = exposure.reveal(
            row,
            entry,
            by=user,
            level=exposure.HELD_LEVEL,
            session=request.session.session_key or "",
        )
    except exposure.Locked as locked:
        answer = {"refused": str(locked), "wait": exposure.seconds_to_rest(by=user)}
        return JsonResponse(answer, status=409)
    meter = render_to_string("components/meter.html", {"exposure": budget.standing(by=user)})
    return JsonResponse({"address": reverse("moderation:preview", args=[ticket]), "meter": meter})


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
