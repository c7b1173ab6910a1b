"""What a file names, as sorted columns in memory: each value once, of each algorithm apart.

It costs some 75 bytes for each value of 32, however large the list is that stands. An entry of a
format that has references costs its reference more, one that takes a value back an object.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .keys import Keys, as_keys, find, is_open, key_of, order
from .known import Item, Known, MorePages, Rejected, Values
from .labels import Kind, Kinds, Labels
from .schemes import severity

BATCH = 16_384  # items that become columns at once


@dataclass
class Column:
    """Values of one algorithm, ascending, each once."""

    keys: Keys
    labels: Labels


@dataclass
class Staged:
    """What a file names, and counts of what it named."""

    kinds: Kinds = field(default_factory=Kinds)
    columns: dict[str, Column] = field(default_factory=dict)
    known: int = 0
    taken_back: list[Known] = field(default_factory=list)
    more_pages: bool = False
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def deleted(self) -> int:
        return len(self.taken_back)

    def keys_taken_back(self) -> dict[str, Keys]:
        """The keys, ascending, that the file takes back, by algorithm."""
        found: dict[str, set[bytes]] = {}
        for each in self.taken_back:
            if each.value:
                key = key_of(each.algorithm, each.value)
                found.setdefault(each.algorithm, set()).add(key)
        return {name: as_keys(b"".join(sorted(keys)), name) for name, keys in found.items()}

    def references(self) -> "pa.Array[Any]":
        """The references that the file names, whatever it says of them."""
        said = [column.labels.references for column in self.columns.values()]
        taken_back = pa.array([each.external_id for each in self.taken_back], pa.large_string())
        found: Any = pc.unique(
            pa.concat_arrays([taken_back, *(each for each in said if each is not None)])
        )
        named: pa.Array[Any] = found.filter(pc.not_equal(found, pa.scalar("", pa.large_string())))
        return named


class _Growing:
    """Values of one algorithm in the order of the file."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.keys = bytearray()
        self.labels: list[tuple[int, Labels]] = []
        self.stamps: list[NDArray[np.int64]] = []
        self.waiting: list[Known] = []

    def extend(self, values: Values) -> None:
        self.keys += values.packed
        self._said(values.number, Labels(), None)

    def flush(self, kinds: Kinds) -> None:
        """Make columns of what waits; its many small objects go."""
        if not self.waiting:
            return
        items, self.waiting = self.waiting, []
        self.keys += b"".join([key_of(self.algorithm, each.value) for each in items])
        numbers = [kinds.number(Kind(each.scheme, each.category, each.media)) for each in items]
        references = texts = None
        if any(each.external_id for each in items):
            references = pa.array([each.external_id for each in items], pa.large_string())
        if is_open(self.algorithm):
            texts = pa.array([each.value for each in items], pa.large_binary())
        labels = Labels(np.array(numbers, dtype=np.int32), references, texts)
        self._said(len(items), labels, [each.stamp for each in items])

    def _said(self, count: int, labels: Labels, stamps: list[int] | None) -> None:
        self.labels.append((count, labels))
        self.stamps.append(np.array(stamps if stamps else [0], dtype=np.int64))

    def all_stamps(self) -> NDArray[np.int64]:
        return np.concatenate(
            [
                np.broadcast_to(each, count) if len(each) == 1 else each
                for (count, _), each in zip(self.labels, self.stamps, strict=True)
            ]
        )


def stage(items: Iterable[Item], *, progress: Callable[[], None]) -> Staged:
    """Return what ``items`` name; ``progress`` is called after each batch.

    What the file both names and takes back, and values it names twice, are settled: afterwards
    each value is there once, with the most severe of its categories. Raises what ``items`` does.
    """
    staged = Staged()
    growing: dict[str, _Growing] = {}
    for each in _batches(items, staged, growing):
        each.flush(staged.kinds)
        progress()
    for each in growing.values():
        each.flush(staged.kinds)
    progress()
    stamps = {name: each.all_stamps() for name, each in growing.items() if staged.taken_back}
    columns = {}
    for name in sorted(growing):
        each = growing.pop(name)
        columns[name] = Column(as_keys(each.keys, name), Labels.joined(each.labels))
    if staged.taken_back:
        columns = _settle(columns, stamps, staged)
    severities = np.array([severity(*kind[:2]) for kind in staged.kinds.all], dtype=np.int64)
    for name in sorted(columns):
        column, duplicates = _each_once(columns.pop(name), severities)
        if len(column.keys):
            staged.columns[name] = column
        if duplicates:
            staged.rejected["duplicate"] += duplicates
    return staged


def _batches(
    items: Iterable[Item], staged: Staged, growing: dict[str, _Growing]
) -> Iterator[_Growing]:
    """Sort the items by what they are; yield the values of an algorithm when they are many."""
    for item in items:
        if isinstance(item, Rejected):
            staged.rejected[item.reason] += 1
        elif isinstance(item, MorePages):
            staged.more_pages = True
        elif isinstance(item, Known) and item.deleted:
            staged.taken_back.append(item)
        else:
            of = growing.get(item.algorithm)
            if of is None:
                of = growing[item.algorithm] = _Growing(item.algorithm)
            if isinstance(item, Values):
                of.flush(staged.kinds)
                of.extend(item)
                staged.known += item.number
                yield of
            else:
                of.waiting.append(item)
                staged.known += 1
                if len(of.waiting) == BATCH:
                    yield of


def _settle(
    columns: dict[str, Column], stamps: dict[str, NDArray[np.int64]], staged: Staged
) -> dict[str, Column]:
    """Between an entry and its deletion in one file the later one counts, else the deletion: first
    by reference, which may be of several values, then by value."""
    kept = {name: np.ones(len(column.keys), dtype=np.bool_) for name, column in columns.items()}

    def judge(name_of: Callable[[Known], object], named: Iterator[tuple[object, str, int]]) -> None:
        """Drop the older of what bears the same name: deletions, or the entries at their places."""
        last: dict[object, int] = {}
        entries: list[tuple[object, str, int]] = []
        for name, algorithm, place in named:
            stamp = int(stamps[algorithm][place])
            last[name] = max(last.get(name, stamp), stamp)
            entries.append((name, algorithm, place))
        staged.taken_back = [
            each for each in staged.taken_back if each.stamp >= last.get(name_of(each), each.stamp)
        ]
        gone = {name_of(each) for each in staged.taken_back}
        for name, algorithm, place in entries:
            if name in gone:
                kept[algorithm][place] = False

    judge(lambda each: each.external_id, _by_reference(columns, staged))
    judge(lambda each: (each.algorithm, each.value), _by_value(columns, kept, staged))
    return {
        name: Column(column.keys[kept[name]], column.labels.take(np.flatnonzero(kept[name])))
        for name, column in columns.items()
    }


def _by_reference(columns: dict[str, Column], staged: Staged) -> Iterator[tuple[object, str, int]]:
    """The entries whose reference is taken back: reference, algorithm, place."""
    wanted = {each.external_id for each in staged.taken_back} - {""}
    wanted_array = pa.array(sorted(wanted), pa.large_string())
    for algorithm, column in columns.items():
        references = column.labels.references
        if references is None:
            continue
        places = np.flatnonzero(pc.is_in(references, wanted_array).to_numpy(zero_copy_only=False))
        for place, reference in zip(
            places.tolist(), references.take(places).to_pylist(), strict=True
        ):
            yield reference, algorithm, place


def _by_value(
    columns: dict[str, Column], kept: dict[str, NDArray[np.bool_]], staged: Staged
) -> Iterator[tuple[object, str, int]]:
    """The entries still there whose value is taken back: (algorithm, value), algorithm, place."""
    taken = staged.keys_taken_back()
    values = {
        (each.algorithm, key_of(each.algorithm, each.value)): each.value
        for each in staged.taken_back
        if each.value
    }
    for algorithm, column in columns.items():
        if algorithm not in taken:
            continue
        at = find(column.keys, taken[algorithm])
        for place in np.flatnonzero((at >= 0) & kept[algorithm]).tolist():
            key = column.keys[place : place + 1].tobytes()
            yield (algorithm, values[algorithm, key]), algorithm, place


def _each_once(column: Column, severities: NDArray[np.int64]) -> tuple[Column, int]:
    """Return the values in order and each once, and how many were too many: of one given twice the
    most severe stays, of equals the first."""
    rank = None if column.labels.kinds is None else severities[column.labels.kinds]
    places = order(column.keys, rank)
    keys = column.keys[places]
    again = np.zeros(len(keys), dtype=np.bool_)
    again[1:] = keys[1:] == keys[:-1]
    duplicates = int(np.count_nonzero(again))
    if duplicates:
        keys, places = keys[~again], places[~again]
    return Column(keys, column.labels.take(places)), duplicates
