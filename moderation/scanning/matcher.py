"""Columns of hashes in, hits out: which row meets which known hash, under each list's own rules."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from moderation.algorithms import ALGORITHMS, Kind
from moderation.hash_lists import known_rows
from moderation.matching.index import KnownIndex
from moderation.models import HashList, HashListVersion, KnownHash, PassedOver

from . import indexes
from .columns import Column

PHASH_THRESHOLD = 8
MOST = {"pdq": 47, "phash": 15}  # bits up to which the index answers
LOW_QUALITY_THRESHOLD = 8  # PDQ of a picture with little structure must be nearly equal


@dataclass(frozen=True)
class Hit:
    """One row of a shard against one known hash."""

    row: int
    known_id: int  # the value's number in the index, see hash_lists.known_rows
    list_id: int
    version_id: int
    algorithm: str
    distance: int
    threshold: int
    variant: str
    origin: str
    scheme: str
    category: str
    approximate: bool = False  # by a hash that lies within a few bits of the exact one
    passed_over: str = ""  # why it raises no flag, a PassedOver
    held_id: int | None = None  # the row of a value that is disabled or set aside

    @property
    def exact(self) -> bool:
        """Equal digests of a file or a URL."""
        return ALGORITHMS[self.algorithm].kind is not Kind.PERCEPTUAL


class Matcher:
    """The index of one set of spans beside the rules of the lists it holds.

    Thread-safe for `quick`; `match` asks the database about the few values that hit.
    """

    def __init__(self, spans: Iterable[indexes.Span]) -> None:
        spans = list(spans)
        lists = HashList.objects.in_bulk([span.list_id for span in spans])
        self.lists = lists
        self.versions = {
            span.list_id: HashListVersion.objects.get(hash_list=span.list_id, number=span.upto)
            for span in spans
        }
        self.index: KnownIndex = indexes.open_index(spans)
        self.algorithms = frozenset(name for name, size in self.index.sizes.items() if size)
        self.pdq_threshold = max((each.threshold for each in lists.values()), default=0)
        self._known: dict[int, KnownHash | None] = {}
        self._set_aside: dict[int, int | None] = {}  # since this one began; with their rows

    def quick(self, columns: Sequence[Column], *, slack: int = 0) -> set[int]:
        """The rows that may be hits: no database, no list's own threshold. ``slack``: bits by which
        their perceptual hashes may lie beside the exact ones."""
        found: set[int] = set()
        for algorithm in self.algorithms:
            same = [each for each in columns if each.algorithm == algorithm and len(each.rows)]
            if same:
                values = np.concatenate([each.values for each in same])
                rows = np.concatenate([each.rows for each in same])
                joined = self._join(replace(same[0], values=values, rows=rows), slack)
                found.update(joined[0].tolist())
        return found

    def match(self, columns: Sequence[Column]) -> list[Hit]:
        """Return the hits in row order: for each row and known hash, the nearest per algorithm."""
        best: dict[tuple[int, int, str], Hit] = {}
        for each in columns:
            rows, ids, distances = self._join(each)
            if not len(rows):
                continue
            self._look_up(ids)
            low = _marked(each, each.low_quality, rows)
            quick = _marked(each, each.approximate, rows)
            for row, known_id, distance, blurred, approximate in zip(
                rows.tolist(), ids.tolist(), distances.tolist(), low, quick, strict=True
            ):
                hit = self._hit(each, row, known_id, distance, blurred=blurred)
                if hit is None:
                    continue
                hit = replace(hit, approximate=approximate)
                key = (hit.row, hit.known_id, hit.algorithm)
                if key not in best or hit.distance < best[key].distance:
                    best[key] = hit
        return sorted(best.values(), key=lambda hit: (hit.row, hit.known_id))

    def set_aside(self, hit: Hit) -> None:
        """Pass over what else is near to the value of this hit."""
        self._set_aside[hit.known_id] = hit.held_id

    def _join(
        self, each: Column, slack: int = 0
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        if each.algorithm not in self.algorithms or not len(each.rows):
            empty = np.empty(0, dtype=np.int64)
            return empty, empty, empty
        if ALGORITHMS[each.algorithm].kind is Kind.PERCEPTUAL:
            threshold = self.pdq_threshold if each.algorithm == "pdq" else PHASH_THRESHOLD
            threshold = min(threshold + slack, MOST[each.algorithm])
            near = self.index.near(each.algorithm, each.values, threshold)
            return each.rows[near.rows], near.ids, near.distances.astype(np.int64)
        exact = self.index.exact(each.algorithm, each.values)
        return each.rows[exact.rows], exact.ids, np.zeros(len(exact.rows), dtype=np.int64)

    def _hit(
        self, each: Column, row: int, known_id: int, distance: int, *, blurred: bool
    ) -> Hit | None:
        known = self._known[known_id]
        if known is None:
            return None
        rules = self.lists[known.hash_list_id]
        threshold = 0
        if each.algorithm == "pdq":
            threshold = min(rules.threshold, LOW_QUALITY_THRESHOLD) if blurred else rules.threshold
        elif each.algorithm == "phash":
            # pHash alone is wrong too often to raise a flag, unless the operator says so.
            if not rules.phash_flags:
                return None
            threshold = PHASH_THRESHOLD
        if distance > threshold:
            return None
        passed_over = self._passed_over(known, known_id, each.algorithm)
        held = passed_over in (PassedOver.DISABLED, PassedOver.SET_ASIDE)
        return Hit(
            row=row,
            known_id=known_id,
            list_id=known.hash_list_id,
            version_id=self.versions[known.hash_list_id].pk,
            algorithm=each.algorithm,
            distance=distance,
            threshold=threshold,
            variant=each.variant,
            origin=each.origin,
            scheme=known.scheme,
            category=known.category,
            passed_over=passed_over,
            held_id=self._set_aside.get(known_id, known.pk) if held else None,
        )

    def _passed_over(self, known: KnownHash, known_id: int, algorithm: str) -> str:
        """Why no match with this value raises a flag, whatever the entry; empty where it may."""
        if known.is_disabled():
            return PassedOver.DISABLED
        set_aside = known.set_aside_at is not None or known_id in self._set_aside
        if set_aside and ALGORITHMS[algorithm].kind is Kind.PERCEPTUAL:
            return PassedOver.SET_ASIDE
        return "" if self.lists[known.hash_list_id].share > 0 else PassedOver.UNSAMPLED

    def _look_up(self, ids: NDArray[np.int64]) -> None:
        """Remember the known hashes behind ids; None for those withdrawn since."""
        missing = [known_id for known_id in np.unique(ids).tolist() if known_id not in self._known]
        found = known_rows.look_up(missing)
        for known_id in missing:
            known = found.get(known_id)
            self._known[known_id] = known if known and known.removed_in_id is None else None


def _marked(
    each: Column, mark: NDArray[np.bool_] | None, rows: NDArray[np.int64]
) -> Sequence[bool]:
    """Return what a column's ``mark`` says of these of its rows; False where it has none."""
    if mark is None:
        return [False] * len(rows)
    at = np.searchsorted(each.rows, rows)  # a column's rows ascend
    said: list[bool] = mark[at].tolist()
    return said
