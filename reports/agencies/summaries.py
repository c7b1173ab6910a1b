"""The context of a report in a few figures: what changes how urgent it is for an agency."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q

from moderation.models import Match
from moderation.outcomes import Outcome
from reports.models import Report

PERCEPTUAL = ("pdq", "phash")


@dataclass(frozen=True)
class Summary:
    """Figures over all entries of a report."""

    entries: int
    reachable: int
    gone: int
    unknown: int  # never asked, or no clear answer
    exact: int  # entries that equal a known picture, byte for byte
    near: int  # entries that only look alike (H12)
    own: int  # entries that no list names: found by our own decision
    first_seen: datetime | None
    categories: tuple[str, ...]  # as the lists' owners wrote them


def summary(report: Report) -> Summary:
    """Return the figures of one report, in three queries."""
    counts = report.items.aggregate(
        entries=Count("pk"),
        reachable=Count(
            "pk",
            filter=Q(entry__outcome=Outcome.HASHED.value, entry__fetched_at__isnull=False),
        ),
        gone=Count("pk", filter=Q(entry__outcome=Outcome.GONE.value)),
        first_seen=Min("entry__flag__raised_at"),
    )
    matches = Match.objects.supplied().filter(flag__entry__report_items__report=report)
    exact = matches.exclude(algorithm__in=PERCEPTUAL).values("flag").distinct().count()
    matched = matches.values("flag").distinct().count()
    named = (
        matches.exclude(known_hash__category="")
        .order_by("known_hash__scheme", "known_hash__category")
        .values_list("known_hash__scheme", "known_hash__category")
        .distinct()
    )
    return Summary(
        entries=counts["entries"],
        reachable=counts["reachable"],
        gone=counts["gone"],
        unknown=counts["entries"] - counts["reachable"] - counts["gone"],
        exact=exact,
        near=matched - exact,
        own=counts["entries"] - matched,
        first_seen=counts["first_seen"],
        categories=tuple(
            f"{category} ({scheme})" if scheme else category for scheme, category in named
        ),
    )
