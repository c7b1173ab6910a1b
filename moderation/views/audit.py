"""The chain of custody: who did what, when; and whether the chain still holds."""

import logging
from collections.abc import Mapping

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
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
FIELDS = ("action", "object", "actor")
RECENT = 2000  # events whose words are offered as suggestions


@require_safe
@permission_required(AUDIT_VIEW, raise_exception=True)
def audit(request: HttpRequest) -> HttpResponse:
    """The newest events that fit the filters; pages go by number, as the stream never rests."""
    filters = {name: asked(request, name) for name in FIELDS}
    readable = CustodyEvent.objects.readable_by(person_of(request)).order_by("-seq")
    events = narrowed(readable, filters)
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
            "hint": "" if rows else hint(readable, filters),
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


def narrowed(events: QuerySet[CustodyEvent], filters: Mapping[str, str]) -> QuerySet[CustodyEvent]:
    """Apply the filters ``action``, ``object``, ``actor``, each a code or its words; empty ones
    not."""
    if asked_action := filters.get("action"):
        code = custody_words.code_of(asked_action, custody_words.ACTIONS)
        events = events.filter(action=code)
    if actor := filters.get("actor"):
        events = events.filter(actor__iexact=actor)
    if asked_object := filters.get("object"):
        if version := custody_words.version_of(asked_object):
            return events.filter(object_type="hashlistversion", object_id=str(version.pk))
        kind, number = custody_words.object_of(asked_object)
        events = events.filter(object_type=kind)
        if number:
            events = events.filter(object_id=number)
    return events


def hint(events: QuerySet[CustodyEvent], filters: Mapping[str, str]) -> str:
    """What to change where no event fits: the first field that by itself fits none is named."""
    wrong = next(
        (
            name
            for name in FIELDS
            if filters[name] and not narrowed(events, {name: filters[name]}).exists()
        ),
        "",
    )
    if wrong == "action":
        return "Action: nothing of that name is recorded. Choose one that the field suggests."
    if wrong == "actor":
        return "Person: no event is by that pseudonym. Check its spelling."
    if wrong == "object":
        kind, number = custody_words.object_of(filters["object"])
        if number and not kind:
            return f"Object: a number alone is not enough. Write of what, as in “case {number}”."
        if number and events.filter(object_type=kind).exists():
            return f"Object: there is no event about {custody_words.kind(kind)} {number}."
        return "Object: no event is about that kind. Choose one that the field suggests."
    return "Each filter fits some events, but no event fits them all. Take one away."


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
