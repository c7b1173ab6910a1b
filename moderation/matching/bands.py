"""The exact Hamming join: which known hashes lie within a distance of which queries.

A hash is cut into bands of 16 bits. With radii r_i so that the sum of (r_i + 1) is one more than
the threshold, any pair within the threshold differs by at most r_i bits in at least one band i:
otherwise it would differ by more than the threshold in all. So only the known hashes in the few
buckets around each band of a query are compared, and no pair is missed.

What makes it fast: per band the known hashes lie *in band order* with an offset table, so that a
bucket is one contiguous run; many queries are taken in band order too; each band keeps a copy of
only those 128 bits that do *not* hold the band (the half that still says something), and the
other half is looked up for the rare pair whose first half is within the threshold. A pair is
reported by the first band that sees it, so nothing has to be made unique afterwards.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
Rows: TypeAlias = npt.NDArray[np.int64]
Distances: TypeAlias = npt.NDArray[np.int16]
Marks: TypeAlias = npt.NDArray[np.bool_]
Pairs: TypeAlias = tuple[Rows, Rows, Distances]
Loop: TypeAlias = Callable[[int, int, Rows, Rows, Distances], tuple[int, int, int]]

BAND_BITS = 16
BUCKETS = 1 << BAND_BITS
HIGHEST = {32: 47, 8: 15}  # hash width in bytes -> highest threshold, at radius 2 and 3
MOST = 2**32 - 1  # known hashes in one table
FIRST_ROOM = 4096  # pairs; grows when one query alone has more


class TableCorrupt(ValueError):
    """The arrays of a table contradict each other."""


@dataclass(frozen=True)
class BandTable:
    """Known hashes, ready to join. All arrays may be read-only and memory-mapped.

    ``words``   (m, w) uint64: the hashes in the order they were given, w = 4 or 1
    ``starts``  (4 w, 65537) uint32: per band, where each bucket begins in band order
    ``order``   (4 w, m) uint32: per band, the hash at each place of the band order
    ``copies``  (4 w, m, 2 or 1) uint64: per band in band order, the half without the band;
                of a 64-bit hash all of it
    """

    words: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.uint32]
    order: npt.NDArray[np.uint32]
    copies: npt.NDArray[np.uint64]

    @classmethod
    def build(cls, values: Bytes) -> "BandTable":
        """Return the table of ``values``, (m, 32) or (m, 8) uint8; ValueError for other shapes."""
        from moderation.matching import kernels

        words = as_words(values)
        m, width = words.shape
        if m > MOST:
            raise ValueError(f"{m} known hashes are too many for one table, the most is {MOST}")
        bands = width * 4
        starts = np.empty((bands, BUCKETS + 1), np.uint32)
        order = np.empty((bands, m), np.uint32)
        copies = np.empty((bands, m, 2 if width == 4 else 1), np.uint64)
        build = kernels.build_256 if width == 4 else kernels.build_64
        build(words, starts, order, copies)
        return cls(words, starts, order, copies)

    def __len__(self) -> int:
        return len(self.words)

    def check(self) -> None:
        """Raise TableCorrupt unless shapes agree and every bucket lies inside its band.

        Reads the offset table alone (4 MiB for 256-bit hashes), so that a join over a damaged
        file cannot reach outside the arrays.
        """
        m, width = self.words.shape
        bands = width * 4
        shapes = (self.starts.shape, self.order.shape, self.copies.shape)
        if shapes != ((bands, BUCKETS + 1), (bands, m), (bands, m, 2 if width == 4 else 1)):
            raise TableCorrupt("the parts of a hash table have different sizes")
        ends_right = bool((self.starts[:, 0] == 0).all() and (self.starts[:, -1] == m).all())
        if not ends_right or bool((self.starts[:, 1:] < self.starts[:, :-1]).any()):
            raise TableCorrupt("the offsets of a hash table do not rise from 0 to its size")

    def join(self, queries: Bytes, threshold: int) -> Pairs:
        """Return all pairs within ``threshold`` as (query index, known index, distance in bits).

        ``queries`` is (n, 32) or (n, 8) uint8 as the table is. Sorted by query, then by known
        hash; each pair once. ValueError for another width or a threshold outside 0..47 (256 bit)
        or 0..15 (64 bit); TableCorrupt where a damaged file is noticed.
        """
        from moderation.matching import kernels

        width = self.words.shape[1]
        words = as_words(queries)
        if words.shape[1] != width:
            raise ValueError(f"the queries have {words.shape[1] * 8} bytes, not {width * 8}")
        radii = radii_for(threshold, width * 8)
        if not len(self) or not len(words):
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int16)
        loop = kernels.join_256 if width == 4 else kernels.join_64
        return gathered(
            width * 4,
            lambda band, place, *room: loop(
                *(self.words, self.starts, self.order, self.copies, words, radii, MASKS, REACH),
                *(threshold, band, place, *room),
            ),
        )

    def may_be_near(self, queries: Bytes, doubts: Bytes, reach: Rows) -> Marks:
        """Return for each of ``queries`` whether a known hash lies within its ``reach``, (n,) in
        bits, where the bits that are set in its ``doubts``, (n, 32) or (n, 8) uint8, do not count.

        True as well where that needs more buckets than a query may open. ValueError for widths that
        are not the table's; TableCorrupt where a damaged file is noticed.
        """
        from moderation.matching import doubt_kernels

        width = self.words.shape[1]
        words, open_bits = as_words(queries), as_words(doubts)
        if words.shape[1] != width or words.shape != open_bits.shape:
            raise ValueError(
                f"queries and doubts must have {width * 8} bytes each, in equal number"
            )
        found = np.zeros(len(words), np.bool_)
        if not len(self):
            return found
        loop = doubt_kernels.may_be_near_256 if width == 4 else doubt_kernels.may_be_near_64
        first = 0
        while first < len(words):
            first = loop(
                *(self.words, self.starts, self.order, self.copies, words, open_bits),
                *(np.ascontiguousarray(reach, np.int64), MASKS, REACH),
                *(first, doubt_kernels.ROOM, found),
            )
            if first < 0:
                raise TableCorrupt("a hash table points outside itself")
        return found


def gathered(bands: int, loop: Loop) -> Pairs:
    """Return all pairs of a join that goes band by band, sorted by query, then by known hash.

    ``loop`` goes on at a band and a place in it, writes pairs into the arrays it is given, and
    returns where it stopped, at ``bands`` when all is done, and how many pairs it wrote.
    """
    from moderation.matching import kernels

    room = FIRST_ROOM
    query, known, distance = _room(room)
    found: list[Pairs] = []
    band, place = 0, 0
    while band < bands:
        band, place, pairs = loop(band, place, query, known, distance)
        if pairs == kernels.CORRUPT:
            raise TableCorrupt("a hash table points outside itself")
        if pairs:
            found.append((query[:pairs].copy(), known[:pairs].copy(), distance[:pairs].copy()))
        if band < bands:  # full: hits come in crowds, so ask for more room at once
            room *= 2
            query, known, distance = _room(room)
    if not found:
        return query[:0], known[:0], distance[:0]
    queries_of, knowns, distances = (np.concatenate(part) for part in zip(*found, strict=True))
    by_query = np.lexsort((knowns, queries_of))
    return queries_of[by_query], knowns[by_query], distances[by_query]


@cache
def radii_for(threshold: int, width: int) -> Rows:
    """Return the radius of each band of a hash of ``width`` bytes; -1 for a band not needed."""
    if width not in HIGHEST:
        raise ValueError(f"hashes of {width} bytes cannot be joined by bands, only of 32 or 8")
    if not 0 <= threshold <= HIGHEST[width]:
        raise ValueError(f"the threshold {threshold} is outside 0 to {HIGHEST[width]}")
    bands = width // 2
    each, extra = divmod(threshold + 1, bands)
    radii = np.array([each + (band < extra) - 1 for band in range(bands)], np.int64)
    radii.flags.writeable = False  # all who ask get the same
    return radii


def as_words(values: Bytes) -> npt.NDArray[np.uint64]:
    """Return (n, 32) or (n, 8) bytes as (n, 4) or (n, 1) aligned 64-bit words, copied if need be.

    A view over a column of a file may begin at any byte.
    """
    if values.ndim != 2 or values.dtype != np.uint8 or values.shape[1] not in HIGHEST:
        raise ValueError(f"hashes must be rows of 32 or 8 bytes, not {values.dtype}{values.shape}")
    values = np.ascontiguousarray(values)
    words = values.view(np.uint64)
    return words if words.flags.aligned else values.copy().view(np.uint64)


def _masks() -> tuple[npt.NDArray[np.uint16], Rows]:
    """Return the flips of up to 3 of 16 bits, fewest first, and how many there are per radius."""
    masks = [
        sum(1 << bit for bit in bits)
        for radius in range(4)
        for bits in combinations(range(BAND_BITS), radius)
    ]
    counts = [sum(mask.bit_count() <= radius for mask in masks) for radius in range(4)]
    return np.array(masks, np.uint16), np.array(counts, np.int64)


def _room(pairs: int) -> Pairs:
    return np.empty(pairs, np.int64), np.empty(pairs, np.int64), np.empty(pairs, np.int16)


MASKS, REACH = _masks()
