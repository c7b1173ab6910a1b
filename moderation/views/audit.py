"""The chain of custody: who did what, when; and whether the chain still holds."""

import logging

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from moderation.models import CustodyEvent
from moderation.models.custody import in_groups
from moderation.permissions import AUDIT_VIEW

from . import custody_words
from .paging import query_without
from .people import person_of

logger = logging.getLogger(__name__)

ROWS = 50
RECENT = 2000  # events whose words are offered as suggestions


@require_safe
@permission_required(AUDIT_VIEW, raise_exception=True)
def audit(request: HttpRequest) -> HttpResponse:
    """The newest events that fit the filters; pages go by number, as the stream never rests."""
    filters = {name: asked(request, name) for name in ("action", "object", "actor")}
    events = CustodyEvent.objects.readable_by(person_of(request)).order_by("-seq")
    if filters["action"]:
        events = events.filter(
            action=custody_words.code_of(filters["action"], custody_words.ACTIONS)
        )
    if filters["actor"]:
        events = events.filter(actor__iexact=filters["actor"])
    if filters["object"]:
        kind, _, number = filters["object"].partition(":")
        events = events.filter(object_type=custody_words.code_of(kind, custody_words.OBJECTS))
        if number.strip():
            events = events.filter(object_id=number.strip())
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 19:  # no more than the column can hold
        events = events.filter(seq__lt=int(before))
    rows = list(events[: ROWS + 1])
    versions = custody_words.versions_in(rows[:ROWS])
    newest = CustodyEvent.objects.order_by("-seq").first()
    return render(
        request,
        "moderation/audit.html",
        {
            "events": [custody_words.told(event, versions) for event in rows[:ROWS]],
            "older": rows[ROWS - 1].seq if len(rows) > ROWS else None,
            "newest_shown": not before,
            "filters": filters,
            "filtered": any(filters.values()),
            "query": query_without(request, "before"),
            "suggestions": suggestions(),
            "head": newest,
            "noted": in_groups(bytes(newest.hash).hex()) if newest else "",
        },
    )


@require_POST
@permission_required(AUDIT_VIEW, raise_exception=True)
def verify_chain(request: HttpRequest) -> HttpResponse:
    """Recompute the whole chain and say what was found."""
    chain = CustodyEvent.objects.check_chain()
    logger.info("custody chain: %d events, head %s", chain.events, chain.head_in_groups)
    if chain.intact:
        messages.success(
            request,
            f"The chain is intact: {chain.events:,} events, the newest ends in {chain.head[-12:]}.",
        )
    else:
        messages.error(
            request,
            f"The chain is broken at event {chain.broken_at}. Stop, keep the database as it is, "
            "and tell the officer in charge.",
        )
    return redirect("moderation:audit")


def asked(request: HttpRequest, name: str) -> str:
    """One filter as it was asked for. PostgreSQL refuses a NUL, and no event holds one."""
    return request.GET.get(name, "").strip().replace("\0", "\N{REPLACEMENT CHARACTER}")


def suggestions() -> dict[str, list[tuple[str, str]]]:
    """Return the actions and kinds of object of recent events, each with its words."""
    recent = list(
        CustodyEvent.objects.order_by("-seq").values_list("action", "object_type")[:RECENT]
    )
    return {
        "actions": sorted({(each, custody_words.action(each)) for each, _ in recent}),
        "objects": sorted({(each, custody_words.kind(each)) for _, each in recent}),
    }
