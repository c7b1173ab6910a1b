"""What the queue page shows: its figures, its filters, and the facts of one page of cases.

Figures are of one person: what they can take comes first, all else is told apart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, Exists, Min, OuterRef, Q
from django.db.models.functions import Now

from moderation.models import Case, Flag, Match, Review
from moderation.models.case import CaseQuerySet, Triage
from moderation.review import queue, withdrawn
from moderation.review.decisions import PERCEPTUAL
from moderation.scanning import priorities

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
    withdrawn: bool = False

    @property
    def sum(self) -> dict[str, float]:
        """The factors of the priority as `priorities.rate` weighed them, and their names."""
        severity = priorities.SEVERITY[Triage(self.case.triage)]
        reach = 1 + math.log10(max(self.entries, 1))
        return {
            "severity": severity,
            "confidence": self.case.priority / (severity * reach),
            "reach": reach,
        }


def figures(user: User) -> dict[str, Any]:
    """Return what waits, as this person finds it.

    ``first``, ``second``, ``lead``: cases they can take now, by the turn; ``yours`` their sum,
    ``oldest`` (datetime or None) and ``due`` (within 24 hours or over) of them. ``held``: the case
    they hold. Of the others in work: ``others_hold``, ``you_answered``, ``for_leads``; ``waiting``
    is all there is in work.
    """
    soon = Now() + timedelta(hours=24)
    mine: dict[str, Any] = queue.workable_by(user).aggregate(
        yours=Count("pk"),
        first=Count("pk", filter=Q(state=Case.State.OPEN)),
        second=Count("pk", filter=Q(state=Case.State.PROPOSED)),
        lead=Count("pk", filter=Q(state__in=Case.FOR_LEADS)),
        oldest=Min("opened_at"),
        due=Count("pk", filter=Q(due_at__lte=soon)),
    )
    held = Case.objects.leased_to(user).first()
    answered = Exists(Review.objects.standing().filter(case=OuterRef("pk"), reviewer=user))
    leased = Q(lease_expires_at__gt=Now())
    others = (
        queue.visible_to(user)
        .in_work()
        .exclude(Q(leased_by=user) & Q(lease_expires_at__gt=Now()))
        .annotate(answered=answered)
        .aggregate(
            waiting=Count("pk"),
            others_hold=Count("pk", filter=leased),
            you_answered=Count("pk", filter=~leased & Q(answered=True)),
        )
    )
    taken = mine["yours"] + others["others_hold"] + others["you_answered"]
    others["for_leads"] = others["waiting"] - taken
    others["waiting"] += held is not None
    return mine | others | {"held": held}


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
    """Return the facts of these cases in their order, in three queries however many there are."""
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
    lost = withdrawn.lost(Match.objects.filter(flag__case__in=by_pk))
    for pk in lost.values_list("flag__case", flat=True).distinct():
        by_pk[pk].withdrawn = True
    return list(by_pk.values())
