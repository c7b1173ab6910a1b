"""One file of known hashes, written once and mapped by every worker.

A value that several lists know is stored once and reported with each of its ids. A file that holds
what changed since an older one also says which of that one's ids were withdrawn.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from moderation.algorithms import ALGORITHMS, MATCHED, Algorithm, Kind
from moderation.matching.bands import (
    BandTable,
    Bytes,
    Distances,
    Marks,
    Rows,
    TableCorrupt,
    radii_for,
)
from moderation.matching.digests import DigestTable, group
from moderation.matching.sections import AnyArray, Sections, SectionWriter, Writable
from moderation.matching.wide import HIGHEST as WIDE_HIGHEST
from moderation.matching.wide import MOST as WIDE_MOST
from moderation.matching.wide import WideTable

BAND_PARTS = ("words", "starts", "order", "copies")
DIGEST_PARTS = ("values", "starts", "seen")
WIDE_PARTS = ("seen", "starts", "rests", "order")


@dataclass(frozen=True)
class Hits:
    """What a column of values met, in the order of its rows; the three arrays are equally long.

    ``rows`` counts the values asked about from 0, ``ids`` are the known hashes', ``distances``
    are in bits. A row appears once for each id it met, the ids of one value in ascending order.
    """

    rows: Rows
    ids: Rows
    distances: Distances

    def __len__(self) -> int:
        return len(self.rows)


def write_index(
    target: str | PathLike[str] | Writable,
    parts: Mapping[str, tuple[Bytes, Rows]],
    withdrawn: Mapping[str, Rows] | None = None,
) -> None:
    """Write the index of ``parts``: algorithm to (values (m, width) uint8, ids (m,) int64).

    ``withdrawn`` are ids that do not count any more in the file to which this one is a change.

    A path is replaced as a whole or not at all; a stream is only written to, front to back, and
    its owner makes the result visible. The same value may stand there with several ids. ValueError
    for an algorithm that is not matched, a wrong width, or ids that do not fit the values.
    """
    for algorithm, (values, ids) in parts.items():
        _check_values(_matched(algorithm), values)
        if ids.shape != (len(values),) or ids.dtype != np.int64:
            raise ValueError(f"{algorithm}: {len(values)} values need as many int64 ids")
    gone = {_matched(name).name: np.unique(ids) for name, ids in (withdrawn or {}).items()}
    if not isinstance(target, (str, PathLike)):
        _write(target, parts, gone)
        return
    path = Path(target)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(new, "xb", opener=_private) as stream:
            _write(stream, parts, gone)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


class Segment:
    """Such a file, mapped. Threads may share one; processes that open one file share memory."""

    def __init__(self, sections: Sections) -> None:
        """Prefer ``Segment.open``."""
        self._sections = sections
        self.sizes: dict[str, int] = dict(sections.about["sizes"])
        self._digests: dict[str, DigestTable] = {}
        self._bands: dict[str, BandTable] = {}
        self._wide: dict[str, WideTable] = {}  # of few PDQ hashes, beside their bands
        self._ids: dict[str, tuple[Rows, Rows]] = {}  # where those of each value start; ids
        self.withdrawn: dict[str, Rows] = {}  # by algorithm: ids of an older file, ascending
        for name in sections.about["withdrawn"]:
            self.withdrawn[name] = self._array(name, "withdrawn")
        for name, size in self.sizes.items():
            if size:
                self._map(ALGORITHMS[name])

    @classmethod
    def open(cls, path: str | PathLike[str]) -> "Segment":
        """Return what is in the file, mapped and not read.

        IndexCorrupt, one line that says what is wrong, for a file that is short, foreign, of
        another version or damaged where that shows at once; see ``verify``.
        """
        sections = Sections(path)
        try:
            return cls(sections)
        except TableCorrupt as error:
            raise sections.corrupt(f"is damaged: {error}") from error

    def verify(self) -> None:
        """Read every byte of the file; IndexCorrupt unless all is as it was written."""
        self._sections.verify()

    def ids(self, algorithm: str) -> Rows:
        """Return all ids of an algorithm, in the order of their values."""
        return self._ids[algorithm][1] if algorithm in self._ids else np.empty(0, np.int64)

    def exact(self, algorithm: str, values: Bytes) -> Hits:
        """As KnownIndex.exact, of this file alone."""
        known = _matched(algorithm)
        if known.kind is Kind.PERCEPTUAL:
            return self.near(algorithm, values, 0)
        _check_values(known, values)
        table = self._digests.get(algorithm)
        if table is None:
            return no_hits()
        rows, places = table.find(values)
        return self._hits(algorithm, rows, places, np.zeros(len(rows), np.int16))

    def near(self, algorithm: str, values: Bytes, threshold: int) -> Hits:
        """As KnownIndex.near, of this file alone."""
        known = _matched(algorithm)
        if known.kind is not Kind.PERCEPTUAL:
            raise ValueError(f"{algorithm} is a digest: two are equal or not, never near")
        _check_values(known, values)
        table = self._bands.get(algorithm)
        if table is None:
            radii_for(threshold, values.shape[1])
            return no_hits()
        few = self._wide.get(algorithm)
        try:
            if few is not None and 0 <= threshold <= WIDE_HIGHEST:
                rows, places, distances = few.join(values, threshold)
            else:
                rows, places, distances = table.join(values, threshold)
        except TableCorrupt as error:
            raise self._sections.corrupt(f"is damaged: {error}") from error
        return self._hits(algorithm, rows, places, distances)

    def may_be_near(self, algorithm: str, values: Bytes, doubts: Bytes, reach: Rows) -> Marks:
        """As KnownIndex.may_be_near, of this file alone."""
        _check_values(_matched(algorithm), values)
        table = self._bands.get(algorithm)
        if table is None:
            return np.zeros(len(values), np.bool_)
        try:
            return table.may_be_near(values, doubts, reach)
        except TableCorrupt as error:
            raise self._sections.corrupt(f"is damaged: {error}") from error

    def _map(self, known: Algorithm) -> None:
        name = known.name
        if known.kind is Kind.PERCEPTUAL:
            bands = BandTable(*(self._array(name, part) for part in BAND_PARTS))
            bands.check()
            width, places = bands.words.shape[1] * 8, len(bands)
            self._bands[name] = bands
            if _is_few(known, places):
                parts = (self._array(name, f"wide_{part}") for part in WIDE_PARTS)
                self._wide[name] = WideTable(bands.words, *parts)
                self._wide[name].check()
        else:
            digests = DigestTable(*(self._array(name, part) for part in DIGEST_PARTS))
            digests.check()
            width, places = digests.values.shape[1], len(digests.values)
            self._digests[name] = digests
        starts, ids = self._array(name, "id_starts"), self._array(name, "ids")
        self._ids[name] = starts, ids
        if (width, len(starts), len(ids)) != (known.width, places + 1, self.sizes[name]):
            raise TableCorrupt(f"the parts of {name} have different sizes")

    def _array(self, algorithm: str, part: str) -> AnyArray:
        return self._sections.array(f"{algorithm}/{part}")

    def _hits(self, algorithm: str, rows: Rows, places: Rows, distances: Distances) -> Hits:
        """Return a hit for each id of each value met."""
        if not len(places):
            return Hits(rows, places, distances)
        starts, ids = self._ids[algorithm]
        first, last = starts[places], starts[places + 1]
        counts = last - first
        if counts.min() < 1 or first.min() < 0 or last.max() > len(ids):
            raise self._sections.corrupt(f"is damaged in {algorithm}/id_starts")
        before = np.cumsum(counts) - counts  # hits of the rows before
        each = np.repeat(first - before, counts) + np.arange(counts.sum())
        return Hits(np.repeat(rows, counts), ids[each], np.repeat(distances, counts))


def _write(
    stream: Writable, parts: Mapping[str, tuple[Bytes, Rows]], gone: Mapping[str, Rows]
) -> None:
    writer = SectionWriter(stream)
    for algorithm, ids in gone.items():
        writer.add(f"{algorithm}/withdrawn", ids)
    for algorithm, (values, ids) in parts.items():
        if not len(values):
            continue
        distinct, starts, grouped = group(values, ids)
        known = ALGORITHMS[algorithm]
        perceptual = known.kind is Kind.PERCEPTUAL
        table = BandTable.build(distinct) if perceptual else DigestTable.build(distinct)
        for name in BAND_PARTS if perceptual else DIGEST_PARTS:
            writer.add(f"{algorithm}/{name}", getattr(table, name))
        del table  # before the next one is built
        if _is_few(known, len(distinct)):
            few = WideTable.build(distinct)
            for name in WIDE_PARTS:
                writer.add(f"{algorithm}/wide_{name}", getattr(few, name))
        writer.add(f"{algorithm}/id_starts", starts)
        writer.add(f"{algorithm}/ids", grouped)
    sizes = {algorithm: len(values) for algorithm, (values, _) in parts.items()}
    writer.finish({"sizes": sizes, "withdrawn": sorted(gone)})


def _is_few(known: Algorithm, values: int) -> bool:
    return known.name == "pdq" and values <= WIDE_MOST


def _private(path: str, flags: int) -> int:
    """Open a new file for its owner and group alone: known hashes are nobody else's business."""
    return os.open(path, flags, 0o640)


def _matched(algorithm: str) -> Algorithm:
    if algorithm not in MATCHED:
        raise ValueError(f"{algorithm} is not an algorithm that is matched")
    return ALGORITHMS[algorithm]


def _check_values(known: Algorithm, values: Bytes) -> None:
    if values.ndim != 2 or values.dtype != np.uint8 or values.shape[1] != known.width:
        raise ValueError(
            f"{known.name} values must be rows of {known.width} bytes, "
            f"not {values.dtype}{values.shape}"
        )


def no_hits() -> Hits:
    return Hits(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int16))
