"""Which revisions are due for a rescan, and why: what no shard's coverage says was compared."""

from collections import defaultdict
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import F

from moderation.models import Coverage, HashList, Revision, Scan, Shard

from . import lacking, planning


@dataclass(frozen=True)
class Due:
    """One revision with the shards that miss something, and the lists they miss it of."""

    revision: Revision
    shards: tuple[Shard, ...]
    lists: tuple[str, ...]
    reason: str


def due(revision: Revision | None = None) -> list[Due]:
    """What is due: scanned shards whose coverage lacks a list's present version or our present
    algorithms, or that passed over what the present rules would flag. A shard never scanned is not
    due, it is new. One whose ledger has nothing to compare is recorded as covered instead."""
    lists = list(HashList.objects.in_force().flagging())
    shards = Shard.objects.exclude(ledger="").select_related("revision__dataset")
    if revision is not None:
        shards = shards.filter(revision=revision)
    lacking.cover(shards)
    coverage = Coverage.objects.filter(shard__in=shards)
    covered = set(coverage.current().values_list("shard", "hash_list"))
    compared = set(
        coverage.filter(
            version__number__gte=F("hash_list__current__number"),
            algorithm_version=settings.ALGORITHM_VERSION,
        ).values_list("shard", "hash_list")
    )
    missing: dict[Revision, list[Shard]] = defaultdict(list)
    slugs: dict[Revision, set[str]] = defaultdict(set)
    new: set[Revision] = set()
    for shard in shards:
        lacks = [each for each in lists if (shard.pk, each.pk) not in covered]
        if not lacks:
            continue
        missing[shard.revision].append(shard)
        slugs[shard.revision] |= {each.slug for each in lacks}
        if any((shard.pk, each.pk) not in compared for each in lacks):
            new.add(shard.revision)
    return [
        Due(
            revision=each,
            shards=tuple(found),
            lists=tuple(sorted(slugs[each])),
            reason=Scan.Reason.NEW_LIST_VERSION if each in new else Scan.Reason.RULES,
        )
        for each, found in missing.items()
    ]


def start(each: Due, *, by: User | None) -> Scan:
    """Start the hash-only scan of what is due in one revision; raises planning.ScanRefused."""
    return planning.start(
        each.revision,
        by=by,
        lists=each.lists,
        reason=each.reason,
        shards=each.shards,
        only_due=True,
    )
