"""Which matches of a case have lost their known hash: its list no longer holds the value."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet

from moderation.models import Case, KnownHash, Match


@dataclass(frozen=True)
class Loss:
    """What withdrew known hashes of a case: versions as "list, version"; whether others stand."""

    versions: list[str]
    others_stand: bool


def lost(matches: QuerySet[Match]) -> QuerySet[Match]:
    """Of these matches, those whose value stands no longer in its list.

    A value with a new category is closed and added anew: it is not withdrawn.
    """
    standing = KnownHash.objects.filter(
        hash_list=OuterRef("known_hash__hash_list"),
        algorithm=OuterRef("known_hash__algorithm"),
        value=OuterRef("known_hash__value"),
        removed_in__isnull=True,
    )
    return matches.filter(known_hash__removed_in__isnull=False).exclude(Exists(standing))


def loss(case: Case) -> Loss | None:
    """What the lists took back of a case's matches; None where nothing was."""
    matches = Match.objects.filter(flag__case=case)
    gone = lost(matches)
    rows = (
        gone.order_by("known_hash__removed_in")
        .values_list("known_hash__removed_in__hash_list__slug", "known_hash__removed_in__label")
        .distinct()
    )
    versions = [f"{slug}, version {label}" for slug, label in rows]
    if not versions:
        return None
    return Loss(versions, matches.exclude(pk__in=gone.values("pk")).exists())
