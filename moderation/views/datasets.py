"""Datasets: their revisions, how well each is covered, and what was asked out of them."""

from django.contrib.auth.decorators import permission_required
from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from moderation.datasets import removals as removing
from moderation.forms.scans import StartScanForm
from moderation.models import HashList, Removal, Revision, Scan, Shard
from moderation.permissions import MANIFEST_PUBLISH, SCAN_RUN, SCAN_VIEW

from . import coverage, custody_words
from .paging import page_of, query_without
from .people import person_of

REVISIONS = 25
SHARDS = 20
SCANS = 5


@require_safe
@permission_required(SCAN_VIEW, raise_exception=True)
def datasets(request: HttpRequest) -> HttpResponse:
    """Every revision with its size, its last scan, and one coverage cell a list."""
    page = page_of(request, revisions(), size=REVISIONS)
    cells = coverage.of(page.object_list)
    newest = Scan.objects.order_by("revision_id", "-started_at").distinct("revision_id")
    scans = {scan.revision_id: scan for scan in newest.filter(revision__in=list(page))}
    rows = [{"revision": row, "cells": cells[row.pk], "scan": scans.get(row.pk)} for row in page]
    return render(
        request,
        "moderation/datasets.html",
        {
            "page": page,
            "query": query_without(request, "page"),
            "rows": rows,
            "lists": HashList.objects.in_force().flagging(),
        },
    )


@require_safe
@permission_required(SCAN_VIEW, raise_exception=True)
def revision(request: HttpRequest, pk: int) -> HttpResponse:
    return render_revision(request, pk, StartScanForm(by=person_of(request)))


def render_revision(
    request: HttpRequest, pk: int, form: StartScanForm, *, status: int = 200
) -> HttpResponse:
    """The page of one revision; ``form`` may come back from a start that was refused."""
    row = get_object_or_404(revisions(), pk=pk)
    removals = dict(
        Removal.objects.filter(entry__revision=row)
        .order_by()
        .values_list("state")
        .annotate(count=Count("pk"))
    )
    shards = page_of(request, row.shards.order_by("number"), size=SHARDS)
    for shard in shards.object_list:
        shard.form_words = custody_words.form(shard.form)  # type: ignore[attr-defined]
    return render(
        request,
        "moderation/revision_detail.html",
        {
            "revision": row,
            "cells": coverage.of([row])[row.pk],
            "shards": shards,
            "query": query_without(request, "page"),
            "live": row.scans.live().first(),
            "scans": row.scans.order_by("-started_at")[:SCANS],
            "removals": [
                {"state": state, "label": label, "count": removals.get(state, 0)}
                for state, label in Removal.State.choices
            ],
            "verified": removing.outcomes(row)
            if row.scans.filter(state=Scan.State.FINISHED).exists()
            else [],
            "removals_due": removals.get(Removal.State.DUE, 0),
            "manifests": row.manifests.select_related("built_by__person").order_by("-number"),
            "form": form,
            "may_scan": request.user.has_perm(SCAN_RUN),
            "may_publish": request.user.has_perm(MANIFEST_PUBLISH),
        },
        status=status,
    )


def revisions() -> QuerySet[Revision]:
    """Return the revisions with ``shard_count``, ``rows`` and ``size`` of their shards.

    Counts are subqueries: joins of several to-many relations would multiply them.
    """
    shards = Shard.objects.filter(revision=OuterRef("pk")).order_by().values("revision")
    return (
        Revision.objects.select_related("dataset")
        .annotate(
            shard_count=Subquery(shards.annotate(n=Count("pk")).values("n")),
            rows=Subquery(shards.annotate(n=Sum("rows")).values("n")),
            size=Subquery(shards.annotate(n=Sum("size")).values("n")),
        )
        .order_by("dataset__name", "-registered_at")
    )
