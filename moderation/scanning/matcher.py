"""Columns of hashes in, hits out: which row meets which known hash, under each list's own rules."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from moderation.algorithms import ALGORITHMS, Kind
from moderation.hash_lists import known_rows
from moderation.matching.index import KnownIndex
from moderation.models import HashList, HashListVersion, KnownHash, PassedOver
from moderation.models.flag import PHASH_NEAR

from . import indexes
from .columns import Column

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
    low_quality: bool = False  # of PDQ: a smaller distance was asked for
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
        # pHash alone is wrong too often to raise a flag, unless the operator says so for a list.
        idle = set() if any(each.phash_flags for each in lists.values()) else {"phash"}
        held = {name for name, size in self.index.sizes.items() if size}
        self.algorithms = frozenset(held - idle)
        pdq_threshold = max((each.threshold for each in lists.values()), default=0)
        self._thresholds = {"pdq": pdq_threshold, "phash": PHASH_NEAR}
        self._known: dict[int, KnownHash | None] = {}
        self._set_aside: dict[int, int | None] = {}  # since this one began; with their rows

    def quick(self, columns: Sequence[Column]) -> set[int]:
        """The rows that may be hits: no database, no list's own threshold. Where the columns have
        slack or doubts, also those that exact hashes may bring near."""
        found: set[int] = set()
        for algorithm in self.algorithms:
            same = [each for each in columns if each.algorithm == algorithm and len(each.rows)]
            if not same:
                continue
            values = np.concatenate([each.values for each in same])
            rows = np.concatenate([each.rows for each in same])
            if ALGORITHMS[algorithm].kind is Kind.PERCEPTUAL:
                reach = np.concatenate([self._reach(each) for each in same])
                doubts = np.concatenate([_doubts(each) for each in same])
                near = self.index.may_be_near(algorithm, values, doubts, reach)
                found.update(rows[near].tolist())
            else:
                found.update(rows[self.index.exact(algorithm, values).rows].tolist())
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
                hit = replace(hit, approximate=approximate, low_quality=blurred)
                key = (hit.row, hit.known_id, hit.algorithm)
                if key not in best or hit.distance < best[key].distance:
                    best[key] = hit
        return sorted(best.values(), key=lambda hit: (hit.row, hit.known_id))

    def set_aside(self, hit: Hit) -> None:
        """Pass over what else is near to the value of this hit."""
        self._set_aside[hit.known_id] = hit.held_id

    def _reach(self, each: Column) -> NDArray[np.int64]:
        """Return up to which distance each value of a perceptual column may be a hit."""
        threshold = self._thresholds[each.algorithm]
        reach = np.full(len(each.rows), threshold, np.int64)
        if each.low_quality is not None:
            reach[each.low_quality] = min(threshold, LOW_QUALITY_THRESHOLD)
        return reach if each.slack is None else reach + each.slack

    def _join(self, each: Column) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        if each.algorithm not in self.algorithms or not len(each.rows):
            empty = np.empty(0, dtype=np.int64)
            return empty, empty, empty
        if ALGORITHMS[each.algorithm].kind is Kind.PERCEPTUAL:
            near = self.index.near(each.algorithm, each.values, self._thresholds[each.algorithm])
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
            if not rules.phash_flags:
                return None
            threshold = PHASH_NEAR
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


def _doubts(each: Column) -> NDArray[np.uint8]:
    return np.zeros_like(each.values) if each.doubts is None else each.doubts


def _marked(
    each: Column, mark: NDArray[np.bool_] | None, rows: NDArray[np.int64]
) -> Sequence[bool]:
    """Return what a column's ``mark`` says of these of its rows; False where it has none."""
    if mark is None:
        return [False] * len(rows)
    at = np.searchsorted(each.rows, rows)  # a column's rows ascend
    said: list[bool] = mark[at].tolist()
    return said
