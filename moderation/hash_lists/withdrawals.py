"""What a version takes back, and the cases that rest on it."""

from django.db.models import Exists, OuterRef

from moderation.models import Case, HashListVersion, KnownHash
from moderation.models.case import CaseQuerySet
from moderation.models.hash_list import KnownHashQuerySet

REPORTED = ("sent", "acknowledged")  # states of a report that has left the house


def withdrawn_hashes(version: HashListVersion) -> KnownHashQuerySet:
    """Return the known hashes that ``version`` closed and that stand no longer in its list.

    A value with a new category is closed and added anew: it is not withdrawn.
    """
    again = KnownHash.objects.filter(
        hash_list=OuterRef("hash_list"),
        algorithm=OuterRef("algorithm"),
        value=OuterRef("value"),
        added_in__number__gte=version.number,
    )
    return KnownHash.objects.filter(removed_in=version).exclude(Exists(again))


def affected_cases(version: HashListVersion) -> CaseQuerySet:
    """Return the cases with a match to a value that ``version`` withdrew and no report sent yet.

    Those are what a withdrawal reopens for a second look.
    """
    return (
        Case.objects.filter(flags__matches__known_hash__in=withdrawn_hashes(version))
        .exclude(reports__state__in=REPORTED)
        .distinct()
    )
