"""What the queue page shows: its figures, its filters, and the facts of one page of cases."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, Min, OuterRef, Q
from django.db.models.functions import Now

from moderation.models import Case, Flag, Match
from moderation.models.case import CaseQuerySet
from moderation.review.decisions import PERCEPTUAL

LEAST = 1_000_000


@dataclass
class Row:
    """One case as the table shows it."""

    case: Case
    held: bool
    entries: int = 0
    revisions: int = 0
    lists: list[str] = field(default_factory=list)
    exact: int = 0
    near: int = 0
    nearest: int | None = None


def figures(cases: CaseQuerySet) -> dict[str, Any]:
    """Return waiting, oldest (datetime or None), due (within 24 hours or over) and held."""
    soon = Now() + timedelta(hours=24)
    return cases.in_work().aggregate(
        waiting=Count("pk"),
        oldest=Min("opened_at"),
        due=Count("pk", filter=Q(due_at__lte=soon)),
        held=Count("pk", filter=Q(lease_expires_at__gt=Now())),
    )


def narrowed(cases: CaseQuerySet, filters: dict[str, Any]) -> CaseQuerySet:
    """Apply the filters ``state``, ``triage``, ``match``, ``list``, ``revision``; empty ones not.

    Without a state the cases in work are meant.
    """
    if state := filters.get("state"):
        cases = cases.filter(state=state)
    else:
        cases = cases.in_work()
    if triage := filters.get("triage"):
        cases = cases.filter(triage=triage)
    matches = Match.objects.filter(flag__case=OuterRef("pk"))
    exact = Exists(matches.exclude(algorithm__in=PERCEPTUAL))
    if filters.get("match") == "exact":
        cases = cases.filter(exact)
    elif filters.get("match") == "near":
        cases = cases.exclude(exact)
    if hash_list := filters.get("list"):
        cases = cases.filter(Exists(matches.filter(version__hash_list=hash_list)))
    if revision := filters.get("revision"):
        flags = Flag.objects.filter(case=OuterRef("pk"), entry__revision=revision)
        cases = cases.filter(Exists(flags))
    return cases


def rows(cases: Sequence[Case], *, now: datetime) -> list[Row]:
    """Return the facts of these cases in their order, in two queries however many there are."""
    by_pk = {
        case.pk: Row(case, held=case.lease_expires_at is not None and case.lease_expires_at > now)
        for case in cases
    }
    groups = (
        Flag.objects.filter(case__in=by_pk)
        .values("case")
        .annotate(entries=Count("pk"), revisions=Count("entry__revision", distinct=True))
    )
    for group in groups:
        row = by_pk[group["case"]]
        row.entries, row.revisions = group["entries"], group["revisions"]
    matches = (
        Match.objects.filter(flag__case__in=by_pk)
        .order_by("version__hash_list__slug")
        .values("flag__case", "version__hash_list__slug", "algorithm")
        .annotate(count=Count("pk"), least=Min("distance"))
    )
    for match in matches:
        row = by_pk[match["flag__case"]]
        if match["version__hash_list__slug"] not in row.lists:
            row.lists.append(match["version__hash_list__slug"])
        if match["algorithm"] in PERCEPTUAL:
            row.near += match["count"]
            row.nearest = min(match["least"], LEAST if row.nearest is None else row.nearest)
        else:
            row.exact += match["count"]
    return list(by_pk.values())
