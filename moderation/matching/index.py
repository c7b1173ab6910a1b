"""The known hashes of a set of list versions: one file, or one and what changed since.

Digests and URL digests are looked up exactly; perceptual hashes by Hamming distance, or exactly at
distance 0. The change is a second file, with what came and the ids of what went, so that a new
version of a large list costs its difference and the large file stays mapped as it is.
"""

from os import PathLike

import numpy as np

from moderation.matching.bands import Bytes, Marks, Rows
from moderation.matching.sections import VERSION, IndexCorrupt
from moderation.matching.segment import Hits, Segment, write_index

__all__ = ["VERSION", "Hits", "IndexCorrupt", "KnownIndex", "Segment", "write_index"]


class KnownIndex:
    """Mapped index files, asked as one. Threads may share it; it keeps files that are deleted."""

    def __init__(self, base: Segment, change: Segment | None = None) -> None:
        """Ask ``base``, or ``base`` without what ``change`` withdraws and ``change``."""
        self._base, self._change = base, change
        self.sizes = dict(base.sizes)
        if change is not None:
            for name, gone in change.withdrawn.items():
                self.sizes[name] = self.sizes.get(name, 0) - len(gone)
            for name, size in change.sizes.items():
                self.sizes[name] = self.sizes.get(name, 0) + size

    @classmethod
    def open(
        cls, path: str | PathLike[str], change: str | PathLike[str] | None = None
    ) -> "KnownIndex":
        """Return the index in these files, mapped and not read.

        IndexCorrupt, one line that says what is wrong, for a file that is short, foreign, of
        another version or damaged where that shows at once; see ``verify``.
        """
        return cls(Segment.open(path), None if change is None else Segment.open(change))

    def verify(self) -> None:
        """Read every byte of the files; IndexCorrupt unless all is as it was written."""
        self._base.verify()
        if self._change is not None:
            self._change.verify()

    def exact(self, algorithm: str, values: Bytes) -> Hits:
        """Return the known hashes equal to ``values``, (n, width) uint8.

        No hits for an algorithm of which the index holds nothing. ValueError for a wrong width or
        an algorithm that is never matched.
        """
        hits = self._base.exact(algorithm, values)
        if self._change is None:
            return hits
        return _merged(self._standing(algorithm, hits), self._change.exact(algorithm, values))

    def near(self, algorithm: str, values: Bytes, threshold: int) -> Hits:
        """Return the known hashes within ``threshold`` bits of ``values``, (n, width) uint8.

        Exact: nothing is missed at any threshold from 0 to 47 for pdq, 15 for phash. No hits for
        an algorithm of which the index holds nothing. ValueError for another threshold, a wrong
        width or an algorithm that is not perceptual.
        """
        hits = self._base.near(algorithm, values, threshold)
        if self._change is None:
            return hits
        near = self._change.near(algorithm, values, threshold)
        return _merged(self._standing(algorithm, hits), near)

    def may_be_near(self, algorithm: str, values: Bytes, doubts: Bytes, reach: Rows) -> Marks:
        """Return for each of ``values``, (n, width) uint8, whether a known hash may be near.

        It is where one lies within ``reach``, (n,) int64 in bits, the bits that are set in
        ``doubts``, (n, width) uint8, not counted. What was withdrawn since may count still, and so
        does what would take too long to tell: who gets True asks again with a better hash. True is
        never missing. ValueError for a wrong width or an algorithm that is not matched.
        """
        found = self._base.may_be_near(algorithm, values, doubts, reach)
        if self._change is not None:
            found |= self._change.may_be_near(algorithm, values, doubts, reach)
        return found

    def _standing(self, algorithm: str, hits: Hits) -> Hits:
        """Return the hits of the base that were not withdrawn since."""
        gone = self._change.withdrawn.get(algorithm) if self._change is not None else None
        if gone is None or not len(gone) or not len(hits):
            return hits
        at = np.minimum(np.searchsorted(gone, hits.ids), len(gone) - 1)
        stand = gone[at] != hits.ids
        return Hits(hits.rows[stand], hits.ids[stand], hits.distances[stand])


def _merged(base: Hits, change: Hits) -> Hits:
    """Return the hits of both, by row; those of the base first."""
    if not len(base) or not len(change):
        return base if len(base) else change
    rows: Rows = np.concatenate([base.rows, change.rows])
    order = np.argsort(rows, kind="stable")
    return Hits(
        rows[order],
        np.concatenate([base.ids, change.ids])[order],
        np.concatenate([base.distances, change.distances])[order],
    )
