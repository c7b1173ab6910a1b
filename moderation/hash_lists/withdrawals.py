"""What a version takes back, and the cases that rest on it."""

from django.db.models import CharField, Exists, OuterRef, QuerySet
from django.db.models.functions import Cast

from moderation.models import Case, CustodyEvent, HashListVersion, KnownHash, Match
from moderation.models.case import CaseQuerySet
from moderation.models.hash_list import KnownHashQuerySet

REPORTED = ("sent", "acknowledged")  # states of a report that has left the house


def withdrawn_hashes(version: HashListVersion) -> KnownHashQuerySet:
    """Return the rows that ``version`` closed and whose values stand no longer.

    A value with a new category is closed and added anew: it is not withdrawn.
    """
    return KnownHash.objects.filter(removed_in=version).exclude(Exists(_standing("")))


def affected_cases(version: HashListVersion) -> CaseQuerySet:
    """Return the cases with a match to a value that ``version`` withdrew and no report sent yet.

    None for our own list: what it found, people judged for themselves, and a case whose decision
    was taken back is with them anyway.
    """
    if version.hash_list.own:
        return Case.objects.none()
    # From the matches, of which there are few, to the known hashes, of which there are millions.
    matches = Match.objects.filter(known_hash__removed_in=version).exclude(
        Exists(_standing("known_hash__"))
    )
    return Case.objects.filter(pk__in=matches.values("flag__case")).exclude(
        reports__state__in=REPORTED
    )


def cases_to_reopen(version: HashListVersion) -> CaseQuerySet:
    """Return the affected cases that are closed without an answer since ``version`` came: they get
    a second look. Those still in work are with people already.

    The chain tells before and after: its events stand in the order in which their transactions
    ended, while a load may run for minutes and its clock says when it began. A version without an
    event is still being loaded; every answer came before it.
    """
    came = CustodyEvent.objects.filter(
        action="hash_list_loaded", object_type="hashlistversion", object_id=str(version.pk)
    )
    answers = CustodyEvent.objects.filter(
        action="answer_given",
        object_type="case",
        object_id=Cast(OuterRef("pk"), CharField()),
        seq__gt=came.values("seq")[:1],
    )
    return affected_cases(version).filter(state=Case.State.CLOSED).exclude(Exists(answers))


def versions_to_heed() -> QuerySet[HashListVersion]:
    """Return the versions that withdrew what a closed case matches, also those replaced since."""
    matches = Match.objects.filter(
        flag__case__state=Case.State.CLOSED, known_hash__removed_in__isnull=False
    ).filter(known_hash__hash_list__own=False)
    return HashListVersion.objects.filter(pk__in=matches.values("known_hash__removed_in"))


def _standing(prefix: str) -> KnownHashQuerySet:
    """The same value standing in the same list; one probe of the index that keeps values unique."""
    return KnownHash.objects.filter(
        hash_list=OuterRef(f"{prefix}hash_list"),
        algorithm=OuterRef(f"{prefix}algorithm"),
        value=OuterRef(f"{prefix}value"),
        removed_in__isnull=True,
    )
