"""How severe a case is, how soon it is due, and in which order people see it (console.md 2.2)."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, IntegerField, Max, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from moderation.hash_lists import schemes
from moderation.models import Case, Decision, ListPrecision, Match
from moderation.models.case import HarmClass, Triage

from . import facets, grouping

SEVERITY = {
    Triage.CRITICAL: 8,
    Triage.HIGH: 4,
    Triage.UNKNOWN: 4,
    Triage.STANDARD: 2,
    Triage.HARM_OTHER: 1,
}
# A link that answered comes before one that nobody asked, and that before one that is gone.
LIVENESS = {"live": 1.25, "unknown": 1.0, "gone": 0.75}
NEAR = Q(algorithm__in=["pdq", "phash"])  # also at distance 0 (H12)
SUPPLIED = Q(version__hash_list__own=False)  # our own word is a lead, and no proof of itself
PRECISION = "known_hash__hash_list__precision__"
AT_ONCE = 100  # cases weighed anew in one transaction: Next steps over them meanwhile


@dataclass(frozen=True)
class Matched:
    """What of a case's matches goes into its priority."""

    exact: int = 0
    slack: int = 0  # bits left to the threshold, of the near match that leaves most
    precision: float = 1.0
    entries: int = 0
    revisions: int = 0


def rate(case: Case) -> None:
    """Derive harm class, triage, priority and due date from the case's matches, and save them.

    A closed case keeps what people decided; what filters ask for is told of it too.

    priority = severity x confidence x reach x liveness: confidence is 2 for an exact match and 1 to
    1.5 for a near one by its distance, times 1 down to 0.5 by the precision of the list. Age is no
    part of it: it grows by itself, in `Case.turn`.
    """
    found = _matched([case.pk]).get(case.pk, Matched())
    case.exact = found.exact > 0
    facets.keep([case.pk])
    if case.state == Case.State.CLOSED:
        case.save(update_fields=["exact"])
        return  # what people decided stands
    case.refresh_from_db(fields=["facets", "trust"])
    classed = schemes.most_severe(*classes(Match.objects.filter(flag__case=case)))
    case.triage = classed.triage
    if classed.harm_class != HarmClass.UNKNOWN or not _classed_by_people(case):
        case.harm_class = classed.harm_class
    case.due_at = due_at(case)
    case.priority = _priority(case, found)
    case.save(update_fields=["harm_class", "triage", "due_at", "exact", "priority"])


def due_at(case: Case) -> datetime:
    """When a case is due: by its triage and the duty profile, from when it came to people, be that
    for the first time or again."""
    since = case.due_since or case.opened_at or timezone.now()
    hours: float = settings.DUE_HOURS[settings.DUTY_PROFILE][case.triage]
    return since + timedelta(hours=hours)


def _classed_by_people(case: Case) -> bool:
    """Whether a class that no list gives is that of a decision that stands."""
    if case.harm_class == HarmClass.UNKNOWN:
        return False
    decided = case.decisions.standing().filter(verdict=Decision.Verdict.CONFIRMED)
    return decided.exclude(harm_class=HarmClass.UNKNOWN).exists()


def due_in_words() -> list[dict[str, str]]:
    """Return how long a case of each triage may take under the profile in force, for people."""
    hours = settings.DUE_HOURS[settings.DUTY_PROFILE]
    return [
        {"triage": triage.label, "time": _time_in_words(hours[triage.value])} for triage in Triage
    ]


def _time_in_words(hours: float) -> str:
    days, rest = divmod(hours, 24)
    return f"{days:g} days" if days > 2 and not rest else f"{hours:g} h"


def class_of(case: Case) -> str:
    """The harm class that the lists give a case, whatever people said meanwhile."""
    return schemes.most_severe(*classes(Match.objects.filter(flag__case=case))).harm_class


def classes(matches: QuerySet[Match]) -> set[schemes.Classed]:
    """What the known hashes of these matches are classed as."""
    rows = matches.order_by().values_list(
        "known_hash__scheme", "known_hash__category", "known_hash__hash_list__harm_class"
    )
    return {
        schemes.classify(scheme, category, harm_class=harm_class)
        for scheme, category, harm_class in rows.distinct()
    }


def weigh_again(precision: ListPrecision) -> int:
    """Give the cases that wait and that a list matched their priority by its precision as it now
    is; return how many changed. May be stopped and done again."""
    waiting = Case.objects.exclude(state__in=Case.FINISHED).order_by("pk")
    of_list = waiting.filter(facets__contains=[facets.word("list", precision.pk)])
    numbers = list(of_list.values_list("pk", flat=True))
    changed = 0
    for start in range(0, len(numbers), AT_ONCE):
        with transaction.atomic():
            grouping.lock()  # a scan locks cases as it finds them, not by their number
            some = waiting.filter(pk__in=numbers[start : start + AT_ONCE])
            changed += _weigh(list(some.select_for_update(no_key=True)))
    ListPrecision.objects.filter(
        pk=precision.pk, exact_weight=precision.exact_weight, near_weight=precision.near_weight
    ).update(weighed=True)
    return changed


def _weigh(cases: list[Case]) -> int:
    """Write the priorities of locked cases that are not what they were; return how many."""
    found = _matched([case.pk for case in cases])
    changed = []
    for case in cases:
        priority = _priority(case, found.get(case.pk, Matched()))
        if not math.isclose(priority, case.priority):
            case.priority = priority
            changed.append(case)
    Case.objects.bulk_update(changed, ["priority"])
    return len(changed)


def _matched(cases: Collection[int]) -> dict[int, Matched]:
    """By case. The precision is that of the best supplied list: where one that people agree with
    speaks, another that they do not takes nothing from it."""
    left = F("threshold") - F("distance")
    rows = (
        Match.objects.filter(flag__case__in=cases)
        .order_by()
        .values_list("flag__case")
        .annotate(
            equal=Count("pk", filter=~NEAR & SUPPLIED),
            near=Max(left, filter=NEAR & SUPPLIED, output_field=IntegerField()),
            own=Max(left, filter=NEAR & ~SUPPLIED, output_field=IntegerField()),
            of_exact=Max(Coalesce(f"{PRECISION}exact_weight", 1.0), filter=~NEAR & SUPPLIED),
            of_near=Max(Coalesce(f"{PRECISION}near_weight", 1.0), filter=NEAR & SUPPLIED),
            entries=Count("flag", distinct=True),
            revisions=Count("flag__entry__revision", distinct=True),
        )
    )
    return {
        case: Matched(
            equal,
            (own or 0) if near is None else near,
            of_exact or of_near or 1.0,
            entries,
            revisions,
        )
        for case, equal, near, own, of_exact, of_near, entries, revisions in rows
    }


def reach(*, entries: int, revisions: int) -> float:
    """How far a case reaches: one more for ten times the entries, half of that for ten times the
    revisions that they are in; 1 for a single entry."""
    return 1 + math.log10(max(entries, 1)) + 0.5 * math.log10(max(revisions, 1))


def _priority(case: Case, found: Matched) -> float:
    confidence = 2.0 if found.exact else 1.0 + min(found.slack / 62, 0.5)
    return (
        SEVERITY[Triage(case.triage)]
        * confidence
        * found.precision
        * reach(entries=found.entries, revisions=found.revisions)
        * LIVENESS[case.facet("link") or "unknown"]
    )
