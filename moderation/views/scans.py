"""Scans: start, watch, pause, resume and cancel."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from moderation import tasks
from moderation.datasets import removals
from moderation.forms.scans import StartScanForm
from moderation.models import PassedOver, Revision, Scan, ShardScan
from moderation.outcomes import Outcome, outcome_of
from moderation.permissions import SCAN_RUN, SCAN_VIEW
from moderation.scanning import planning, progress

from . import words
from .datasets import render_revision
from .own_sessions import by_itself
from .paging import page_of, query_without
from .people import person_of

ERRORS = 20
SCANS = 25
Step = Callable[..., object]

TONES = {
    Outcome.HASHED: "good",
    Outcome.GONE: "plain",
    Outcome.REFUSED: "odd",
    Outcome.FAILED: "bad",
    Outcome.UNCHECKED: "odd",
}


@require_safe
@permission_required(SCAN_VIEW, raise_exception=True)
def scans(request: HttpRequest) -> HttpResponse:
    page = page_of(request, with_figures(), size=SCANS)
    return render(
        request,
        "moderation/scans.html",
        {"page": page, "query": query_without(request, "page")},
    )


@require_POST
@permission_required(SCAN_RUN, raise_exception=True)
def start_scan(request: HttpRequest, pk: int) -> HttpResponse:
    """Start a scan of the revision; what was refused comes back in the form, with the reason."""
    revision = get_object_or_404(Revision, pk=pk)
    form = StartScanForm(request.POST, by=person_of(request))
    if not form.is_valid():
        return render_revision(request, pk, form, status=400)
    try:
        scan = planning.start(
            revision,
            by=person_of(request),
            fetch=form.cleaned_data["kind"] == StartScanForm.FETCHING,
            lists=form.cleaned_data["lists"],
            reason=Scan.Reason.REQUESTED,
        )
    except planning.ScanRefused as refused:
        form.add_error(None, str(refused))
        return render_revision(request, pk, form, status=409)
    enqueue(scan.pk)
    messages.success(request, f"Scan {scan.pk} is started.")
    return redirect("moderation:scan", pk=scan.pk)


@require_safe
@permission_required(SCAN_VIEW, raise_exception=True)
def scan(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(
        Scan.objects.select_related("revision__dataset", "requested_by__person"), pk=pk
    )
    failed = row.shard_scans.filter(state=ShardScan.State.FAILED).select_related("shard")
    return render(
        request,
        "moderation/scan_detail.html",
        {
            "scan": row,
            "versions": row.versions.select_related("hash_list").order_by("hash_list__slug"),
            "failed": failed[:ERRORS],
            "failed_count": failed.count(),
            "verified": removals.outcomes(row.revision) if row.state == Scan.State.FINISHED else [],
            "may_run": request.user.has_perm(SCAN_RUN),
        }
        | progress_of(row),
    )


@by_itself
@require_safe
@permission_required(SCAN_VIEW, raise_exception=True)
def scan_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The moving part of the scan page; when the scan has left the state shown, the whole page."""
    row = get_object_or_404(Scan, pk=pk)
    if row.state != request.GET.get("state"):
        answer = HttpResponse()
        answer["HX-Refresh"] = "true"
        return answer
    answer = render(request, "moderation/_scan_progress.html", {"scan": row} | progress_of(row))
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
@permission_required(SCAN_RUN, raise_exception=True)
def pause_scan(request: HttpRequest, pk: int) -> HttpResponse:
    return _step(request, pk, planning.pause, "is paused; shards in hand will begin anew")


@require_POST
@permission_required(SCAN_RUN, raise_exception=True)
def resume_scan(request: HttpRequest, pk: int) -> HttpResponse:
    answer = _step(request, pk, planning.resume, "goes on")
    enqueue(pk)
    return answer


@require_POST
@permission_required(SCAN_RUN, raise_exception=True)
def cancel_scan(request: HttpRequest, pk: int) -> HttpResponse:
    return _step(request, pk, planning.cancel, "is cancelled; what it found stays")


def enqueue(pk: int) -> None:
    """Hand the scan to the workers once it is committed; the task steps aside if it does not run.

    A broker that is away is no reason to fail: every minute the schedule enqueues what was missed.
    """
    transaction.on_commit(partial(tasks.enqueue_scan.delay, pk), robust=True)


def with_figures() -> QuerySet[Scan]:
    """Return the scans, newest first, each with ``rows``, ``rows_done``, ``exact`` and ``near``."""
    shards = ShardScan.objects.filter(scan=OuterRef("pk")).order_by().values("scan")
    sums = {
        name: Subquery(shards.annotate(total=Sum(field)).values("total"))
        for name, field in {
            "rows": "shard__rows",
            "rows_done": "rows_done",
            "exact": "exact",
            "near": "near",
        }.items()
    }
    return (
        Scan.objects.select_related("revision__dataset", "requested_by__person")
        .annotate(**sums)
        .order_by("-started_at")
    )


def progress_of(scan: Scan) -> dict[str, object]:
    """The context of the moving part: figures, the end to expect, outcomes by reason."""
    now = progress.of(scan)
    left = now.seconds_left
    return {
        "progress": now,
        "passed_over": [
            (label, now.passed_over[reason])
            for reason, label in PassedOver.choices
            if now.passed_over.get(reason)
        ],
        "passed_count": sum(now.passed_over.values()),
        "left": None if left is None else in_words(left),
        "ends_at": None if left is None else timezone.now() + timedelta(seconds=left),
        "outcomes": [
            {
                "outcome": str(outcome_of(reason)),
                "tone": TONES[outcome_of(reason)],
                "words": words.reason(reason),
                "count": count,
            }
            for reason, count in sorted(now.reasons.items(), key=_in_order)
        ],
    }


def in_words(seconds: float) -> str:
    """Return a length of time as one would say it: the two largest units at most."""
    if seconds < 60:
        return "a minute"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _in_order(item: tuple[str, int]) -> tuple[int, int]:
    reason, count = item
    return list(Outcome).index(outcome_of(reason)), -count


def _step(request: HttpRequest, pk: int, step: Step, words: str) -> HttpResponse:
    """Do one step and say so; a step that no longer fits changes nothing and says that."""
    row = get_object_or_404(Scan, pk=pk)
    try:
        step(row, by=person_of(request))
    except planning.ScanRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"Scan {pk} {words}.")
    return redirect("moderation:scan", pk=pk)
