"""What a shard has been compared with, and what was passed over: the record that says what is due.

No rule has to tell anyone when it is loosened. What the rules were, and what they passed over, is
compared with how they stand now (`CoverageQuerySet.standing`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from moderation.models import (
    Coverage,
    HashList,
    HashListVersion,
    PassedOver,
    Scan,
    Shard,
    ShardScan,
)

from .facts import Tally
from .indexes import Span


def spans_for(scan: Scan, shard: Shard, *, stored: bool) -> list[Span]:
    """What to compare: whole versions, or in a rescan of stored hashes what they have not met."""
    standing = Coverage.objects.standing().filter(
        shard=shard, algorithm_version=scan.algorithm_version
    )
    met = dict(standing.values_list("hash_list", "version__number"))
    anew = not (scan.only_due and stored)
    return [
        Span(
            version.hash_list_id,
            0 if anew else min(met.get(version.hash_list_id, 0), version.number),
            version.number,
        )
        for version in scan.versions.all()
    ]


def record(
    shard_scan: ShardScan,
    spans: Sequence[Span],
    tally: Tally,
    *,
    lists: Mapping[int, HashList],
    negatives: str,
) -> None:
    """Write what a shard is covered by, in the caller's transaction.

    ``lists`` are the lists with the rules that the matches were judged by.
    """
    shard, scan = shard_scan.shard, shard_scan.scan
    earlier = {
        each.hash_list_id: each
        for each in Coverage.objects.select_for_update().filter(shard=shard).order_by("pk")
    }
    after = {span.list_id: span.after for span in spans}
    for version in scan.versions.all():
        pk = version.hash_list_id
        values = _values(lists[pk], tally, negatives=negatives)
        if after[pk] and pk in earlier:
            values = _together(earlier[pk], values)
        Coverage.objects.update_or_create(
            shard=shard,
            hash_list_id=pk,
            defaults=values | {"version": version, "algorithm_version": scan.algorithm_version},
        )


def record_bare(
    shards: Sequence[int], hash_list: HashList, version: HashListVersion, *, at_once: int
) -> None:
    """Write that these shards met nothing of the whole list, in the caller's transaction."""
    values = _values(hash_list, Tally(), negatives="")
    values |= {"version": version, "algorithm_version": settings.ALGORITHM_VERSION}
    Coverage.objects.bulk_create(
        (Coverage(shard_id=pk, hash_list=hash_list, **values) for pk in shards),
        batch_size=at_once,
        update_conflicts=True,
        unique_fields=["shard", "hash_list"],
        update_fields=[*values, "covered_at"],
    )


def _values(hash_list: HashList, tally: Tally, *, negatives: str) -> dict[str, Any]:
    passed = tally.passed_over.get(hash_list.pk, Counter())
    return {
        "threshold": hash_list.threshold,
        "phash_flags": hash_list.phash_flags,
        "share": hash_list.share,
        "passed_over": dict(passed),
        "held_values": sorted(tally.held_values.get(hash_list.pk, set())),
        "negatives": negatives if passed[PassedOver.SUPPRESSED] else "",
    }


def _together(earlier: Coverage, values: dict[str, Any]) -> dict[str, Any]:
    """What was compared before and what was compared now, under the narrower of the rules."""
    passed = Counter(earlier.passed_over)
    passed.update(values["passed_over"])
    return {
        "threshold": min(earlier.threshold, values["threshold"]),
        "phash_flags": earlier.phash_flags and values["phash_flags"],
        "share": min(earlier.share, values["share"]),
        "passed_over": dict(passed),
        "held_values": sorted({*earlier.held_values, *values["held_values"]}),
        "negatives": earlier.negatives or values["negatives"],
    }
