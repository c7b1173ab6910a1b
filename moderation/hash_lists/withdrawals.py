"""What a version takes back, and the cases that rest on it."""

from django.db.models import Exists, OuterRef

from moderation.models import Case, HashListVersion, KnownHash, Match
from moderation.models.case import CaseQuerySet
from moderation.models.hash_list import KnownHashQuerySet

REPORTED = ("sent", "acknowledged")  # states of a report that has left the house


def withdrawn_hashes(version: HashListVersion) -> KnownHashQuerySet:
    """Return the known hashes that ``version`` closed and whose values stand no longer.

    A value with a new category is closed and added anew: it is not withdrawn.
    """
    return KnownHash.objects.filter(removed_in=version).exclude(Exists(_standing("")))


def affected_cases(version: HashListVersion) -> CaseQuerySet:
    """Return the cases with a match to a value that ``version`` withdrew and no report sent yet."""
    # From the matches, of which there are few, to the known hashes, of which there are millions.
    matches = Match.objects.filter(known_hash__removed_in=version).exclude(
        Exists(_standing("known_hash__"))
    )
    return Case.objects.filter(pk__in=matches.values("flag__case")).exclude(
        reports__state__in=REPORTED
    )


def cases_to_reopen(version: HashListVersion) -> CaseQuerySet:
    """Return the affected cases that were closed before ``version`` came: they get a second look.

    Those still in work are with people already.
    """
    return affected_cases(version).filter(state=Case.State.CLOSED, closed_at__lt=version.loaded_at)


def _standing(prefix: str) -> KnownHashQuerySet:
    """The same value standing in the same list; one probe of the index that keeps values unique."""
    return KnownHash.objects.filter(
        hash_list=OuterRef(f"{prefix}hash_list"),
        algorithm=OuterRef(f"{prefix}algorithm"),
        value=OuterRef(f"{prefix}value"),
        removed_in__isnull=True,
    )
