"""Shards with nothing to compare: covered as they stand, without a scan and without their ledger.

A new version adds values of some algorithms. Where a shard's ledger is known to have no value of
any of these, as one of links alone has no PDQ, a rescan would read columns of nulls.
"""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from moderation.algorithms import MATCHED
from moderation.datasets.readers import WITH_PICTURES
from moderation.models import Coverage, HashList, HashListVersion, KnownBlock, Shard

from . import covering

AT_ONCE = 2000  # rows in one statement


def cover(shards: QuerySet[Shard]) -> None:
    """Record as covered those of these shards in whose ledger a list in force meets nothing.

    Not those that carry pictures: with a later version of our hashing these give more than their
    ledger has.
    """
    bare = shards.exclude(ledger="").exclude(lacks=[]).exclude(form__in=WITH_PICTURES)
    for each in HashList.objects.in_force().flagging().select_related("current"):
        if each.current is not None:
            _cover(each, each.current, bare)


def _cover(hash_list: HashList, current: HashListVersion, bare: QuerySet[Shard]) -> None:
    covered = Coverage.objects.current().filter(hash_list=hash_list)
    if not bare.exclude(pk__in=covered.values("shard")).exists():
        return
    added = _added(hash_list, current)
    with transaction.atomic():
        # Whoever ends a scan of a shard writes its row first: its ledger stays until we are done.
        locked = bare.exclude(pk__in=covered.values("shard")).order_by("pk")
        lacks = dict(locked.select_for_update().values_list("pk", "lacks"))
        standing = Coverage.objects.standing().filter(hash_list=hash_list, shard__in=lacks)
        met = dict(standing.values_list("shard", "version__number"))
        meets_nothing = [
            pk
            for pk, absent in lacks.items()
            if all(
                algorithms.issubset(absent)
                for number, algorithms in added.items()
                if number > met.get(pk, 0)
            )
        ]
        # What was passed over before stays recorded: nothing was compared with it anew.
        later = [pk for pk in meets_nothing if pk in met]
        for at in range(0, len(later), AT_ONCE):
            Coverage.objects.filter(hash_list=hash_list, shard__in=later[at : at + AT_ONCE]).update(
                version=current, covered_at=timezone.now()
            )
        first = [pk for pk in meets_nothing if pk not in met]
        covering.record_bare(first, hash_list, current, at_once=AT_ONCE)


def _added(hash_list: HashList, current: HashListVersion) -> dict[int, set[str]]:
    """Return by version which algorithms it added values of that scans compare."""
    rows = (
        KnownBlock.objects.filter(
            hash_list=hash_list, added_in__number__lte=current.number, algorithm__in=MATCHED
        )
        .order_by()
        .values_list("added_in__number", "algorithm")
        .distinct()
    )
    added: dict[int, set[str]] = {}
    for number, algorithm in rows:
        if algorithm != "phash" or hash_list.phash_flags:
            added.setdefault(number, set()).add(algorithm)
    return added
