"""Which revisions are due for a rescan, and why: what no shard's coverage says was compared."""

from collections import defaultdict
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User

from moderation.models import Coverage, HashList, Revision, Scan, Shard

from . import planning


@dataclass(frozen=True)
class Due:
    """One revision with the shards that miss something, and the lists they miss it of."""

    revision: Revision
    shards: tuple[Shard, ...]
    lists: tuple[str, ...]


def due(revision: Revision | None = None) -> list[Due]:
    """What is due: scanned shards whose coverage lacks a list's present version, its present
    threshold, or our present algorithms. A shard never scanned is not due, it is new."""
    lists = list(HashList.objects.in_force().select_related("current"))
    shards = Shard.objects.exclude(ledger="").select_related("revision__dataset")
    if revision is not None:
        shards = shards.filter(revision=revision)
    covered: dict[tuple[int, int], Coverage] = {
        (each.shard_id, each.hash_list_id): each
        for each in Coverage.objects.filter(shard__in=shards).select_related("version")
    }
    missing: dict[Revision, list[Shard]] = defaultdict(list)
    slugs: dict[Revision, set[str]] = defaultdict(set)
    for shard in shards:
        lacks = {each.slug for each in lists if not _covers(covered.get((shard.pk, each.pk)), each)}
        if lacks:
            missing[shard.revision].append(shard)
            slugs[shard.revision] |= lacks
    return [
        Due(revision=each, shards=tuple(found), lists=tuple(sorted(slugs[each])))
        for each, found in missing.items()
    ]


def start(each: Due, *, by: User | None) -> Scan:
    """Start the hash-only scan of what is due in one revision; raises planning.ScanRefused."""
    return planning.start(
        each.revision,
        by=by,
        lists=each.lists,
        reason=Scan.Reason.NEW_LIST_VERSION,
        shards=each.shards,
        only_due=True,
    )


def _covers(coverage: Coverage | None, hash_list: HashList) -> bool:
    return (
        coverage is not None
        and hash_list.current is not None
        and coverage.version.number >= hash_list.current.number
        and coverage.algorithm_version == settings.ALGORITHM_VERSION
        and coverage.threshold >= hash_list.threshold
    )
