"""Which matches of a case have lost their known hash: its list no longer holds the value.

A list of our own holds what was decided here while the decision stands. What it no longer holds,
nobody withdrew: a decision was reversed, or is being made anew.
"""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q

from moderation.algorithms import DIGESTS
from moderation.models import Case, Entry, KnownHash, Match
from moderation.models.flag import MatchQuerySet


@dataclass(frozen=True)
class Loss:
    """What a case rests on no longer: known hashes that ``versions`` withdrew, as "list, version";
    whether a decision about ``another_case``, by which it was found, stands no longer; and whether
    others stand."""

    versions: list[str]
    another_case: bool
    others_stand: bool


def lost(matches: MatchQuerySet) -> MatchQuerySet:
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
    """What a case's matches lost; None where nothing is to be told.

    Where the decision about this very case was reversed, its own values went with it: that is no
    loss, and its page tells of the decision anyway.
    """
    matches = Match.objects.filter(flag__case=case)
    gone = lost(matches)
    rows = (
        gone.supplied()
        .order_by("known_hash__removed_in")
        .values_list("known_hash__removed_in__hash_list__slug", "known_hash__removed_in__label")
        .distinct()
    )
    versions = [f"{slug}, version {label}" for slug, label in rows]
    ours = gone.filter(version__hash_list__own=True).exclude(_from_case(case))
    another_case = ours.exists()
    if not versions and not another_case:
        return None
    return Loss(versions, another_case, matches.exclude(pk__in=gone.values("pk")).exists())


def _from_case(case: Case) -> Exists:
    """Whether the known value of a match is that of an entry of this case which a supplier's list
    found: what people decided about that entry is where the value came from."""
    found = Match.objects.supplied().filter(flag__entry=OuterRef("pk"))
    same = Q()
    for name in ("url_key", "pdq", *DIGESTS):
        same |= Q(**{name: OuterRef("known_hash__value")})
    return Exists(Entry.objects.filter(Exists(found), flag__case=case).filter(same))
