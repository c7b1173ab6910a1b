"""Exact look-up of whole columns of digests.

Digests are spread evenly, so the first bits of one say where it lies among the sorted known ones:
an offset table over them leaves about three candidates. Before that a Bloom filter, 8 to 16 bits
for each known digest and the three bits of one in the same word, turns 98 of 100 unknown ones away
at the cost of one memory access. Nothing depends on the digests being spread evenly but the speed:
within a bucket the search is binary.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moderation.matching.bands import Bytes, Rows, TableCorrupt

MOST = 2**32 - 1  # digests in one table
BLOCK = 8192  # queries looked up at once


@dataclass(frozen=True)
class DigestTable:
    """Known digests, ready to look up. All arrays may be read-only and memory-mapped.

    ``values``  (u, w) uint8: ascending, each once
    ``starts``  (2**k + 1,) uint32: where the digests with these first k bits begin
    ``seen``    (2**j,) uint64: for the digests with these first j bits, three bits each
    """

    values: Bytes
    starts: npt.NDArray[np.uint32]
    seen: npt.NDArray[np.uint64]

    @classmethod
    def build(cls, values: Bytes) -> "DigestTable":
        """Return the table of ``values``: (u, w >= 8) uint8, ascending, each once."""
        from moderation.matching import kernels

        if len(values) > MOST:
            raise ValueError(f"{len(values)} digests are too many for one table")
        size = len(values).bit_length()
        starts = np.zeros((1 << max(size - 2, 1)) + 1, np.uint32)
        seen = np.zeros(1 << max(size - 3, 1), np.uint64)
        kernels.build_digests(values, starts, seen)
        return cls(values, starts, seen)

    def check(self) -> None:
        """Raise TableCorrupt unless the offsets rise from 0 to the number of digests."""
        buckets, words = len(self.starts) - 1, len(self.seen)
        if buckets < 2 or buckets & (buckets - 1) or words < 2 or words & (words - 1):
            raise TableCorrupt("the parts of a digest table have wrong sizes")
        ends_right = self.starts[0] == 0 and self.starts[-1] == len(self.values)
        if not ends_right or bool((self.starts[1:] < self.starts[:-1]).any()):
            raise TableCorrupt("the offsets of a digest table do not rise from 0 to its size")

    def find(self, queries: Bytes) -> tuple[Rows, Rows]:
        """Return (query index, known index) of each query that is known, in the queries' order.

        ``queries`` is (n, w) uint8 of the same width, which the caller has checked.
        """
        from moderation.matching import kernels

        queries = np.ascontiguousarray(queries)
        # Room for one block alone: fresh memory costs more than looking the digests up.
        room = min(len(queries), BLOCK)
        rows, places = np.empty(room, np.int64), np.empty(room, np.int64)
        found: list[tuple[Rows, Rows]] = []
        for start in range(0, len(queries), BLOCK):
            block = queries[start : start + BLOCK]
            count = kernels.find_digests(self.values, self.starts, self.seen, block, rows, places)
            if count:
                found.append((rows[:count] + start, places[:count].copy()))
        if not found:
            return rows[:0], places[:0]
        return np.concatenate([each for each, _ in found]), np.concatenate([at for _, at in found])


def group(values: Bytes, ids: Rows) -> tuple[Bytes, Rows, Rows]:
    """Return (each value once and ascending, where its ids start, ids).

    Value i has the ids from ``starts[i]`` to ``starts[i + 1]``, ascending; (u, w), (u + 1,), (m,).
    """
    m, width = values.shape
    padded = np.zeros((m, -(-width // 8) * 8), np.uint8)
    padded[:, :width] = values
    words = padded.view(">u8").astype(np.uint64)
    order = np.argsort(words[:, 0])
    heads = words[order, 0]
    alike = np.zeros(m + 1, np.bool_)  # with the one before
    alike[1:m] = heads[1:] == heads[:-1]
    tied = np.flatnonzero(alike[:-1] | alike[1:])  # few, unless a value is known to many lists
    among = order[tied]
    order[tied] = among[np.lexsort((ids[among], *words[among].T[::-1]))]
    words = words[order]
    first = np.ones(m, np.bool_)
    first[1:] = (words[1:] != words[:-1]).any(axis=1)
    starts = np.append(np.flatnonzero(first), m).astype(np.int64)
    return np.ascontiguousarray(values[order[first]]), starts, ids[order]
