"""How severe a case is, how soon it is due, and in which order people see it (console.md 2.2)."""

import math
from datetime import timedelta

from django.db.models import Count, Max, Q
from django.utils import timezone

from moderation.hash_lists import schemes
from moderation.models import Case, Flag, Match
from moderation.models.case import Triage

from . import facets

SEVERITY = {
    Triage.CRITICAL: 8,
    Triage.HIGH: 4,
    Triage.UNKNOWN: 4,
    Triage.STANDARD: 2,
    Triage.HARM_OTHER: 1,
}
# A link that answered comes before one that nobody asked, and that before one that is gone.
LIVENESS = {"live": 1.25, "unknown": 1.0, "gone": 0.75}
DUE = {
    Triage.CRITICAL: timedelta(hours=24),
    Triage.HIGH: timedelta(hours=48),
    Triage.UNKNOWN: timedelta(hours=48),
    Triage.STANDARD: timedelta(days=5),
    Triage.HARM_OTHER: timedelta(days=10),
}


def rate(case: Case) -> None:
    """Derive harm class, triage, priority and due date from the case's matches, and save them.

    A closed case keeps what people decided; what filters ask for is told of it too.

    priority = severity x confidence x reach x liveness: confidence is 2 for an exact match and 1 to
    1.5 for a near one by its distance; reach grows with the logarithm of the entries. Age is no
    part of it: it grows by itself, in `Case.turn`.
    """
    matches = Match.objects.filter(flag__case=case)
    perceptual = Q(algorithm__in=["pdq", "phash"])
    supplied = Q(version__hash_list__own=False)  # our own word is a lead, and no proof of itself
    rated = matches.aggregate(
        exact=Count("pk", filter=~perceptual & supplied), slack=Max("threshold") - Max("distance")
    )
    case.exact = rated["exact"] > 0
    if case.state != Case.State.CLOSED:
        classed = schemes.most_severe(
            *(
                schemes.classify(scheme, category, harm_class=harm_class)
                for scheme, category, harm_class in matches.values_list(
                    "known_hash__scheme",
                    "known_hash__category",
                    "known_hash__hash_list__harm_class",
                ).distinct()
            )
        )
        case.harm_class, case.triage = classed.harm_class, classed.triage
        case.due_at = (case.opened_at or timezone.now()) + DUE[Triage(case.triage)]
    case.save(update_fields=["harm_class", "triage", "due_at", "exact"])
    facets.keep([case.pk])
    if case.state == Case.State.CLOSED:
        return  # what people decided stands
    case.refresh_from_db(fields=["facets", "trust"])
    entries = Flag.objects.filter(case=case).count()
    confidence = 2.0 if case.exact else 1.0 + min((rated["slack"] or 0) / 62, 0.5)
    case.priority = (
        SEVERITY[Triage(case.triage)]
        * confidence
        * (1 + math.log10(max(entries, 1)))
        * LIVENESS[case.facet("link")]
    )
    case.save(update_fields=["priority"])
