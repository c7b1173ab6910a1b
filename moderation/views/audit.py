"""The chain of custody: who did what, when; whether the chain still holds; and a part of it to
take along."""

import logging
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe
from kombu.exceptions import OperationalError as BrokerError

from moderation import tasks
from moderation.evidence import chain_checks, custody_export, refusing
from moderation.forms.audit import AuditFilter, ExportForm
from moderation.models import ChainCheck, CustodyEvent, SavedView
from moderation.models.custody import in_groups
from moderation.permissions import AUDIT_VIEW, DECIDE

from . import audit_filter, custody_words, saved_views
from .own_sessions import by_itself
from .paging import chips_of, query_without
from .people import person_of

logger = logging.getLogger(__name__)

ROWS = 50
RECENT = 2000  # events whose words are offered as suggestions
SHOWN_AT_ONCE = ("action", "object", "actor", "within")  # the other filters are behind a click


@require_safe
@permission_required(AUDIT_VIEW, raise_exception=True)
def audit(request: HttpRequest) -> HttpResponse:
    """The newest events that fit the filters; pages go by number, as the stream never rests."""
    return show(request, AuditFilter(request.GET), ExportForm())


@require_POST
@permission_required(AUDIT_VIEW, raise_exception=True)
def verify_chain(request: HttpRequest) -> HttpResponse:
    """Have a worker recompute the whole chain; the page shows how far it is, and what it found."""
    check, new = chain_checks.begin(by=person_of(request))
    if new:
        try:
            tasks.check_chain.delay(check.pk)
        except BrokerError:
            logger.warning("the queue does not answer: check %s is given up", check.pk)
            chain_checks.give_up(check)
            messages.error(request, "The queue does not answer, so no check began. Try again soon.")
    return redirect("moderation:audit")


@by_itself
@require_safe
@permission_required(AUDIT_VIEW, raise_exception=True)
def chain_status(request: HttpRequest) -> HttpResponse:
    """The part of the page that tells of the last check, and of one under way."""
    answer = render(request, "moderation/_chain_status.html", {"chain": status_of_chain()})
    answer["Cache-Control"] = "no-store"
    return answer


def status_of_chain() -> dict[str, Any]:
    """Return the check under way and the last one with a result, None where there is none."""
    return {
        "running": ChainCheck.objects.running().first(),
        "last": ChainCheck.objects.with_result().first(),
    }


@require_POST
@permission_required(AUDIT_VIEW, raise_exception=True)
def export(request: HttpRequest) -> HttpResponseBase:
    """The events that fit, as a file that proves itself; the export is an event of the chain."""
    form, filters = ExportForm(request.POST), AuditFilter(request.GET)
    if not filters.is_valid() or not form.is_valid():
        return show(request, filters, form, status=400)
    by, chosen = person_of(request), filters.chosen()
    try:
        taken = custody_export.export(
            audit_filter.narrowed(CustodyEvent.objects.readable_by(by), chosen),
            by=by,
            purpose=form.cleaned_data["purpose"],
            filters={name: str(value) for name, value in chosen.items()},
        )
    except custody_export.NotExported as refused:
        if by.has_perm(DECIDE):
            refusing.note(by, by=by, tried="export_custody", because=refusing.NO_PERMISSION)
        form.add_error("purpose", str(refused))
        return show(request, filters, form, status=400)
    logger.info("custody events exported: event %d", taken.event.seq)
    answer = StreamingHttpResponse(taken.lines(), content_type="application/x-ndjson")
    answer["Content-Disposition"] = f'attachment; filename="{taken.name}"'
    answer["Cache-Control"] = "no-store"
    return answer


def show(
    request: HttpRequest, form: AuditFilter, export_form: ExportForm, *, status: int = 200
) -> HttpResponse:
    """The page with these two forms as they are."""
    user, chosen = person_of(request), form.chosen()
    readable = CustodyEvent.objects.readable_by(user).order_by("-seq")
    events = audit_filter.narrowed(readable, chosen) if form.is_valid() else readable.none()
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 19:  # no more than the column can hold
        events = events.filter(seq__lt=int(before))
    rows = list(events[: ROWS + 1])
    versions = custody_words.versions_in(rows[:ROWS])
    newest = CustodyEvent.objects.order_by("-seq").first()
    context = {
        "events": [custody_words.told(event, versions) for event in rows[:ROWS]],
        "older": rows[ROWS - 1].seq if len(rows) > ROWS else None,
        "newest_shown": not before,
        "form": form,
        "first_filters": [form[name] for name in SHOWN_AT_ONCE],
        "more_filters": [field for field in form if field.name not in SHOWN_AT_ONCE],
        "more_open": any(form[n].data for n in form.fields if n not in SHOWN_AT_ONCE),
        "chips": chips_of(request, form, "before"),
        "filtered": bool(chosen or form.errors),
        "hint": "" if rows else audit_filter.hint(readable, form),
        "about_person": "" if "object" in chosen else chosen.get("actor", "").upper(),
        "query": query_without(request, "before"),
        "suggestions": suggestions(),
        "chain": status_of_chain(),
        "head": newest,
        "noted": in_groups(bytes(newest.hash).hex()) if newest else "",
        "export_form": export_form,
        "may_export": not user.has_perm(DECIDE),
        "views": saved_views.shown(request, SavedView.Page.AUDIT, form),
    }
    return render(request, "moderation/audit.html", context, status=status)


def suggestions() -> dict[str, list[tuple[str, str]]]:
    """Return the actions, kinds of object and reasons of recent events, each with its words."""
    names = ("action", "object_type", "reason")
    recent: list[Any] = list(CustodyEvent.objects.order_by("-seq").values_list(*names)[:RECENT])
    return {
        "actions": sorted({(each, custody_words.action(each)) for each, _, _ in recent}),
        "objects": sorted({(each, custody_words.kind(each)) for _, each, _ in recent}),
        "reasons": sorted(custody_words.KNOWN_REASONS.items()),
    }
