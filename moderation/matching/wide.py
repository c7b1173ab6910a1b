"""Many queries against few known hashes: a rescan of stored hashes against what is new in a list.

A PDQ hash is cut into 11 bands of 24 or 23 bits. Two hashes that differ by at most 32 bits differ
by at most 2 in one band at least: 3 in each of them would be 33. So the first question about a
query is one bit per band: may any known hash be that near? For all values of a band within 2 bits
of a known one that bit is set beforehand; among 10,000 random known hashes it is for 1 query in 4.

A band is cut into three parts, and where at most 2 bits differ one part of three is equal. So the
known hashes lie ordered by each part, and those with the query's value of it are compared with the
other 16 bits of the band, 64 at a time. What passes both is compared in full.

Nothing is missed, as in bands.py, whose table takes over where this one ends: many known hashes
set nearly every bit, and a higher threshold would need bands too short to tell hashes apart.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moderation.matching.bands import Bytes, Pairs, TableCorrupt, as_words, gathered
from moderation.matching.compiled import LANES

HIGHEST = 32  # bits: 2 in each of 11 bands are told apart from 3 in each
MOST = 50_000  # known hashes; with more the 16-bit bands are as fast and smaller
BANDS, PARTS, VALUES = 11, 3, 256
BITS_EACH = 2048  # of a band for each known hash, which sets 301 of them
MOST_BITS = 1 << 23  # of a band: a mebibyte stays in the cache


@dataclass(frozen=True)
class WideTable:
    """Few known PDQ hashes, ready to join. All arrays may be read-only and memory-mapped.

    ``words``   (m, 4) uint64: the hashes in the order they were given
    ``seen``    (11, s) uint64: 64 s bits per band, for the lowest bits of the band's value
    ``starts``  (11, 3, 257) uint32: per part, where the hashes with each of its values begin
    ``rests``   (33 m + 64,) uint16: per part in its order, the other bits of the band; padded
    ``order``   (33 m,) uint32: per part, the hash at each place of its order
    """

    words: npt.NDArray[np.uint64]
    seen: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.uint32]
    rests: npt.NDArray[np.uint16]
    order: npt.NDArray[np.uint32]

    @classmethod
    def build(cls, values: Bytes) -> "WideTable":
        """Return the table of ``values``, (m, 32) uint8; ValueError for other shapes."""
        from moderation.matching import wide_kernels

        words = as_words(values)
        m, width = words.shape
        if width != 4 or m > MOST:
            raise ValueError(f"wide bands take up to {MOST} hashes of 32 bytes")
        bits = min(max(1 << (m * BITS_EACH).bit_length(), 64), MOST_BITS)
        seen = np.zeros((BANDS, bits // 64), np.uint64)
        starts = np.empty((BANDS, PARTS, VALUES + 1), np.uint32)
        rests = np.zeros(BANDS * PARTS * m + LANES, np.uint16)
        order = np.empty(BANDS * PARTS * m, np.uint32)
        wide_kernels.build(words, seen, starts, rests, order)
        return cls(words, seen, starts, rests, order)

    def __len__(self) -> int:
        return len(self.words)

    def check(self) -> None:
        """Raise TableCorrupt unless a join stays inside the arrays, whatever else they hold."""
        places = BANDS * PARTS * len(self)
        words = self.seen.shape[-1]
        shapes = (self.words.shape[1:], self.starts.shape, self.rests.shape, self.order.shape)
        if shapes != ((4,), (BANDS, PARTS, VALUES + 1), (places + LANES,), (places,)):
            raise TableCorrupt("the parts of a table of wide bands have different sizes")
        if self.seen.shape != (BANDS, words) or words < 1 or words & (words - 1):
            raise TableCorrupt("the parts of a table of wide bands have different sizes")
        ends_right = bool((self.starts[..., 0] == 0).all())
        ends_right = ends_right and bool((self.starts[..., -1] == len(self)).all())
        if not ends_right or bool((self.starts[..., 1:] < self.starts[..., :-1]).any()):
            raise TableCorrupt("the offsets of wide bands do not rise from 0 to their size")

    def join(self, queries: Bytes, threshold: int) -> Pairs:
        """Return what BandTable.join returns; ValueError for a threshold outside 0..32."""
        from moderation.matching import wide_kernels

        words = as_words(queries)
        if words.shape[1] != 4:
            raise ValueError(f"the queries have {words.shape[1] * 8} bytes, not 32")
        if not 0 <= threshold <= HIGHEST:
            raise ValueError(f"the threshold {threshold} is outside 0 to {HIGHEST}")
        return gathered(
            BANDS,
            lambda band, place, *room: wide_kernels.join(
                *(self.words, self.seen, self.starts, self.rests, self.order),
                *(words, threshold, band, place, *room),
            ),
        )
