"""Whether the pHash that a supplier gives beside a PDQ speaks for the match too.

pHash is wrong too often to raise a flag, but two hashes of different making that agree are more
than one. It is compared only where the PDQ of the picture as it stands is near: the stored pHash is
of that, not of a turned or trimmed one.
"""

from collections.abc import Sequence

from moderation.hash_lists import beside, known_rows

from .columns import PLAIN
from .facts import Flagged
from .matcher import Hit


def distances(found: Sequence[tuple[Flagged, list[Hit]]]) -> dict[tuple[int, int], int]:
    """Return, by row and known hash, how far the picture's pHash lies from the nearest that the
    supplier gives of the same entry of its list; nothing where it gives none."""
    asked = {
        (flagged.facts.row, hit.known_id): flagged.facts.phash
        for flagged, hits in found
        for hit in hits
        if hit.algorithm == "pdq" and hit.variant == PLAIN and flagged.facts.phash
    }
    known = known_rows.look_up({known_id for _, known_id in asked})
    given = beside.phashes(known)
    return {
        (row, known_id): min(_apart(phash, each) for each in given[known_id])
        for (row, known_id), phash in asked.items()
        if known_id in given
    }


def _apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()
