"""Flood control: a value that is near to far too many entries is set aside until a person has
looked. An exact match is never held back: equal files are one case, however many there are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from moderation.models import CustodyEvent, KnownHash, Match, ShardScan

from .facts import Flagged
from .matcher import Hit

Found = Sequence[tuple[Flagged, list[Hit]]]


def hold_back(
    shard_scan: ShardScan, found: Found, rows: Mapping[int, KnownHash]
) -> tuple[Found, list[Hit]]:
    """Return what may be flagged, and the hits on values that are set aside or now become so.

    ``rows`` are the rows of the values by their number in the index. A value may be near to
    FLOOD_MATCHES new entries of one scan. Called under the lock of grouping,
    which one worker holds at a time: so the count is right with any number of them.
    """
    near = {rows[hit.known_id].pk for _, hits in found for hit in hits if not hit.exact}
    if not near:
        return found, []
    # Locked before anything of this transaction is in the chain: whoever changes one of them holds
    # its row and then waits for the chain.
    rows_now = KnownHash.objects.select_for_update(no_key=True).filter(pk__in=near)
    values = {each.pk: each for each in rows_now.order_by("pk")}
    flagged_before = set(
        Match.objects.filter(
            flag__entry__shard=shard_scan.shard_id,
            flag__entry__row__in=[each.facts.row for each, _ in found],
            known_hash__in=near,
        ).values_list("flag__entry__row", "known_hash", "algorithm")
    )
    counts = _counts(shard_scan, near)
    kept, held = [], []
    for flagged, hits in found:
        staying = []
        for hit in hits:
            known = values.get(rows[hit.known_id].pk)
            if hit.exact or known is None:
                staying.append(hit)
                continue
            again = (flagged.facts.row, known.pk, hit.algorithm) in flagged_before
            if again or _passes(known, counts):
                staying.append(hit)
                continue
            if known.set_aside_at is None:
                _set_aside(known, shard_scan, entries=counts[known.pk])
            held.append(replace(hit, held_id=known.pk))
        if staying:
            kept.append((flagged, staying))
    return kept, held


def _passes(known: KnownHash, counts: Counter[int]) -> bool:
    """Whether one more new entry may be flagged for this value; if so, it is counted."""
    if known.released_at is not None:
        return True
    if known.set_aside_at is not None or counts[known.pk] >= settings.FLOOD_MATCHES:
        return False
    counts[known.pk] += 1
    return True


def _counts(shard_scan: ShardScan, values: set[int]) -> Counter[int]:
    """How many entries this scan has newly flagged for each value by a perceptual hash."""
    matches = Match.objects.filter(scan=shard_scan.scan_id, known_hash__in=values)
    near = matches.filter(algorithm__in=("pdq", "phash")).order_by().values_list("known_hash")
    return Counter(dict(near.annotate(count=Count("pk"))))


def _set_aside(known: KnownHash, shard_scan: ShardScan, *, entries: int) -> None:
    known.set_aside_at = timezone.now()
    known.save(update_fields=["set_aside_at"])
    CustodyEvent.objects.append(
        "known_hash_set_aside",
        known,
        by=None,
        after={
            "hash_list": known.hash_list_id,
            "scan": shard_scan.scan_id,
            "entries": entries,
        },
    )
