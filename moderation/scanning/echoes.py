"""What our own list says of entries that have a flag already: an echo of what people know.

It is there to find what nobody flagged. An entry that people decided about, or have before them, is
no more suspect for meeting the hashes of that very decision.
"""

from collections.abc import Sequence
from dataclasses import replace

from moderation.models import Flag, Match, PassedOver, ShardScan
from moderation.models.known_block import number_of

from .facts import Flagged
from .matcher import Hit

Found = Sequence[tuple[Flagged, list[Hit]]]


def leave_out(shard_scan: ShardScan, found: Found, own: set[int]) -> tuple[Found, list[Hit]]:
    """Return what is no echo, and the echoes; ``own`` are our own lists.

    A match by which an earlier scan raised the flag is found again like any other.
    """
    rows = [each.facts.row for each, hits in found if any(hit.list_id in own for hit in hits)]
    if not rows:
        return found, []
    flagged = set(
        Flag.objects.filter(entry__shard=shard_scan.shard_id, entry__row__in=rows).values_list(
            "entry__row", flat=True
        )
    )
    matches = Match.objects.filter(
        flag__entry__shard=shard_scan.shard_id,
        flag__entry__row__in=flagged,
        known_hash__hash_list__in=own,
    )
    before = {
        (row, number_of(block, place), algorithm)
        for row, block, place, algorithm in matches.values_list(
            "flag__entry__row", "known_hash__block", "known_hash__place", "algorithm"
        )
    }
    kept, echoes = [], []
    for each, hits in found:
        staying = []
        for hit in hits:
            new = (hit.row, hit.known_id, hit.algorithm) not in before
            if hit.list_id in own and hit.row in flagged and new:
                echoes.append(replace(hit, passed_over=PassedOver.FLAGGED))
            else:
                staying.append(hit)
        if staying:
            kept.append((each, staying))
    return kept, echoes
