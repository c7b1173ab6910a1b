"""From what stands in a list to what its new file names: what is withdrawn, what is added.

Block after block of the list is compared with the columns of the file, so that memory holds the
file's values and a few blocks. A changed value is closed and added anew, so that earlier versions
keep saying what they said; what people noted at it goes along.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection
from numpy.typing import NDArray

from moderation.models import HashListVersion, KnownBlock, KnownHash

from . import blocks, known_rows
from .blocks import Block
from .keys import Keys, Places, find, holds, key_of
from .labels import Kinds, Labels, blank, pack, unpack
from .staging import Column, Staged

# Of a value that changed the note goes along: few rows, found by the index that keeps them unique.
_CARRY_NOTES = """
WITH noted AS MATERIALIZED (
    SELECT * FROM moderation_knownhash
    WHERE removed_in_id = %(version)s AND (
        note <> '' OR disabled_at IS NOT NULL OR set_aside_at IS NOT NULL OR released_at IS NOT NULL
    )
)
UPDATE moderation_knownhash k SET
    note = o.note, disabled_at = o.disabled_at, disabled_until = o.disabled_until,
    disabled_by_id = o.disabled_by_id, set_aside_at = o.set_aside_at, released_at = o.released_at
FROM noted o
WHERE k.hash_list_id = %(list)s AND k.added_in_id = %(version)s AND k.removed_in_id IS NULL
AND k.algorithm = o.algorithm AND k.value = o.value
"""


@dataclass(frozen=True)
class Difference:
    """Counts of values: ``changed`` ones stand with another category of the supplier, ``standing``
    ones stood before."""

    new: int
    same: int
    changed: int
    removed: int
    standing: int


class _Comparing:
    """One load: the standing blocks go past, what they mean for the new version is noted."""

    def __init__(self, staged: Staged, *, delta: bool) -> None:
        self.staged, self.delta = staged, delta
        self.grades = staged.kinds.grades()
        self.stood = {  # of the file's values, which stand already and stay
            name: np.zeros(len(each.keys), dtype=np.bool_) for name, each in staged.columns.items()
        }
        self.taken_back = staged.keys_taken_back() if delta else {}
        self.replaced = staged.references() if delta else None
        self.withdrawals: dict[int, Places] = {}
        self.standing = self.same = self.changed = self.removed = 0

    def compare(self, block: Block) -> None:
        self.standing += int(np.count_nonzero(block.stands))
        column = self.staged.columns.get(block.algorithm)
        labels = unpack(block.labels, self.staged.kinds)
        at = np.full(len(block.keys), -1, dtype=np.int64)
        if column is not None:
            at = find(block.keys, column.keys)
        at[~block.stands] = -1
        named = np.flatnonzero(at >= 0)
        closed = np.zeros(len(block.keys), dtype=np.bool_)
        if column is not None and len(named):
            closed[named] = self._changed(labels, named, column.labels, at[named])
            self.stood[block.algorithm][at[named][~closed[named]]] = True
            self._relabel(block, labels, named[~closed[named]], column.labels, at)
        changed = int(np.count_nonzero(closed))
        gone = block.stands & (at < 0)
        if self.delta:
            gone &= self._taken_back(block, labels)
        removed = int(np.count_nonzero(gone))
        self.same += len(named) - changed
        self.changed += changed
        self.removed += removed
        if changed or removed:
            self.withdrawals[block.pk] = np.flatnonzero(closed | gone)

    def _changed(self, old: Labels, places: Places, new: Labels, at: Places) -> NDArray[np.bool_]:
        if old.kinds is None and new.kinds is None:
            return np.zeros(len(places), dtype=np.bool_)
        if len(self.grades) < len(self.staged.kinds.all):  # the block has kinds of its own
            self.grades = self.staged.kinds.grades()
        before, after = _kinds_at(old, places), _kinds_at(new, at)
        differ: NDArray[np.bool_] = self.grades[before] != self.grades[after]
        return differ

    def _taken_back(self, block: Block, labels: Labels) -> NDArray[np.bool_]:
        """Which values a delta takes back: by value, by reference, or because an entry that comes
        again replaces the one known under its reference."""
        found = np.zeros(len(block.keys), dtype=np.bool_)
        if block.algorithm in self.taken_back:
            found |= find(block.keys, self.taken_back[block.algorithm]) >= 0
        if labels.references is not None and self.replaced is not None:
            named = pc.is_in(labels.references, self.replaced)
            found |= named.to_numpy(zero_copy_only=False)
        return found

    def _relabel(self, block: Block, old: Labels, places: Places, new: Labels, at: Places) -> None:
        """Write the reference and media of the values of which these alone are others now: they
        stay what they are, also for those who matched them."""
        if old.kinds is None and new.kinds is None and old.references is new.references is None:
            return
        before, after = old.take(places), new.take(at[places])
        differ = before.codes(len(places)) != after.codes(len(places))
        if before.references is not None or after.references is not None:
            pair = [
                blank(len(places)) if each is None else each
                for each in (before.references, after.references)
            ]
            differ |= pc.not_equal(*pair).to_numpy(zero_copy_only=False)
        if differ.any():
            fresh = _with(old, len(block.keys), places[differ], after.take(np.flatnonzero(differ)))
            packed = pack(fresh, self.staged.kinds)
            KnownBlock.objects.filter(pk=block.pk).update(labels=packed)
            _relabel_rows(block.pk, fresh, places[differ], self.staged.kinds)

    def added(self, algorithm: str) -> Places:
        return np.flatnonzero(~self.stood[algorithm])


def apply(staged: Staged, version: HashListVersion, *, delta: bool) -> Difference:
    """Make the staged values the standing ones of the version's list and return the difference.

    Without ``delta`` everything not staged is withdrawn. Rows of values follow what their values
    do; see `known_rows`.
    """
    known_rows.lock(version.hash_list_id)
    comparing = _Comparing(staged, delta=delta)
    for block in blocks.read(KnownBlock.objects.filter(hash_list=version.hash_list_id)):
        comparing.compare(block)
    blocks.withdraw(version, comparing.withdrawals)
    _close_rows(version, comparing.withdrawals)
    for algorithm, column in staged.columns.items():
        _add(version, algorithm, column, comparing.added(algorithm), staged.kinds)
    named = sum(len(column.keys) for column in staged.columns.values())
    return Difference(
        new=named - comparing.same - comparing.changed,
        same=comparing.same,
        changed=comparing.changed,
        removed=comparing.removed,
        standing=comparing.standing,
    )


def _add(
    version: HashListVersion, algorithm: str, column: Column, places: Places, kinds: Kinds
) -> None:
    if not len(places):
        return
    keys, labels = column.keys, column.labels
    if len(places) < len(keys):
        keys, labels = keys[places], labels.take(places)
    made = blocks.add(version, algorithm, keys, labels, kinds)
    _follow(version, algorithm, keys, made)


def _follow(version: HashListVersion, algorithm: str, keys: Keys, made: list[int]) -> None:
    """Give those of the added values a row that had one before: as changed, or come back."""
    before = KnownHash.objects.filter(hash_list=version.hash_list_id, algorithm=algorithm)
    had = sorted(
        {key_of(algorithm, bytes(each)) for each in before.values_list("value", flat=True)}
    )
    if not had:
        return
    at = find(np.array(had, dtype=keys.dtype), keys)
    known_rows.materialise(blocks.numbers(made, at[at >= 0]))
    with connection.cursor() as cursor:
        cursor.execute(_CARRY_NOTES, {"list": version.hash_list_id, "version": version.pk})


def _close_rows(version: HashListVersion, withdrawals: dict[int, Places]) -> None:
    rows = KnownHash.objects.filter(hash_list=version.hash_list_id, removed_in=None)
    closed = []
    for pk, block, place in rows.values_list("pk", "block", "place"):
        if block in withdrawals and holds(withdrawals[block], place):
            closed.append(pk)
    rows.filter(pk__in=closed).update(removed_in=version)


def _relabel_rows(block: int, labels: Labels, places: Places, kinds: Kinds) -> None:
    rows = list(KnownHash.objects.filter(block=block, place__in=places.tolist()))
    for row in rows:
        kind, row.external_id = labels.of(row.place, kinds)
        row.media = kind.media
    KnownHash.objects.bulk_update(rows, ["external_id", "media"])


def _kinds_at(labels: Labels, places: Places) -> NDArray[np.int32]:
    if labels.kinds is None:
        return np.zeros(len(places), dtype=np.int32)
    return labels.kinds[places]


def _with(old: Labels, count: int, places: Places, new: Labels) -> Labels:
    """Return the labels of a block, other ones at some places."""
    kinds = old.codes(count).copy()
    kinds[places] = new.codes(len(places))
    references = old.references if old.references is not None else blank(count)
    mask = np.zeros(count, dtype=np.bool_)
    mask[places] = True
    fresh = new.references if new.references is not None else blank(len(places))
    return Labels(kinds, pc.replace_with_mask(references, pa.array(mask), fresh), old.texts)
