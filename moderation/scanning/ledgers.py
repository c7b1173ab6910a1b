"""Ledgers as scanning uses them: whether one is valid, its parts to compare, rows side by side."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings

from moderation import files
from moderation.algorithms import DIGESTS
from moderation.datasets import ledger
from moderation.datasets.readers import WITH_PICTURES
from moderation.media.pdq import ORIENTATIONS
from moderation.models import Match, Shard

from .columns import LOW_QUALITY, Column
from .facts import PDQ_WIDTH, RowFacts, Tally

# Earlier versions whose hashes are right and only fewer: what was fetched for them still stands.
STANDING = frozenset({"1"})
NAMES = [each.name for each in fields(RowFacts) if each.name in ledger.COLUMNS]
COUNTED = ("row", "outcome", "reason")
_COMPARED = {
    **{name: (f"given_{name}", name, "fetched_at") for name in DIGESTS},
    "pdq": ("pdq", "pdq_turns", "pdq_quality", "pdq_variants", "approximate", "fetched_at"),
    "phash": ("phash", "approximate", "fetched_at"),
    "url_key": ("url_key",),
}  # by algorithm: what there is to compare, and what tells its origin
HELD = frozenset(_COMPARED)  # algorithms of which a ledger may have values
_VALUES = {name: (f"given_{name}", name) for name in DIGESTS}


@dataclass(frozen=True)
class Ledger:
    """A ledger that belongs to the shard's present file. Where it is not ``complete`` a scan finds
    more by hashing again the pictures that the shard carries."""

    location: str
    complete: bool


def location(shard: Shard) -> str:
    """Where the ledger of a shard lies."""
    revision = shard.revision
    return files.join(
        settings.LEDGER_URL,
        "datasets",
        str(revision.dataset_id),
        str(revision.pk),
        f"{shard.number:06}.parquet",
    )


def open_valid(shard: Shard) -> Ledger | None:
    """The shard's ledger, or None where it has none that can be relied on: then scan again."""
    if not shard.ledger or not files.exists(shard.ledger):
        return None
    try:
        about = ledger.facts(shard.ledger)
    except ledger.LedgerCorrupt:
        return None
    present = about.algorithm_version == settings.ALGORITHM_VERSION
    if (
        about.shard_checksum != shard.checksum
        or not (present or about.algorithm_version in STANDING)
        or about.rows != shard.rows
    ):
        return None
    return Ledger(shard.ledger, complete=present or shard.form not in WITH_PICTURES)


@dataclass(frozen=True)
class Part:
    """Some consecutive rows of a ledger: all its columns, or those that were asked for."""

    batch: pa.RecordBatch

    @classmethod
    def of(cls, rows: list[RowFacts]) -> "Part":
        """The rows as a ledger will hold them."""
        arrays = [
            ledger.as_array([getattr(each, field.name) for each in rows], field)
            for field in ledger.SCHEMA
        ]
        return cls(pa.RecordBatch.from_arrays(arrays, schema=ledger.SCHEMA))

    @cached_property
    def start(self) -> int:
        start: int = self.batch.column("row")[0].as_py()
        return start

    def holds(self, row: int) -> bool:
        return self.start <= row < self.start + self.batch.num_rows

    def facts(self, row: int) -> RowFacts:
        at = row - self.start
        return RowFacts(**{name: self.batch.column(name)[at].as_py() for name in NAMES})

    def rows(self) -> list[RowFacts]:
        count = self.batch.num_rows
        # Of entries that nobody hashed yet most columns are empty: no object is made for each null.
        lists = [
            [None] * count if each.null_count == count else each.to_pylist()
            for each in map(self.batch.column, NAMES)
        ]
        return [RowFacts(*values) for values in zip(*lists, strict=True)]

    def as_columns(self) -> dict[str, Any]:
        """As a LedgerWriter takes them."""
        return dict(zip(self.batch.schema.names, self.batch.columns, strict=True))

    def count(self, tally: Tally) -> None:
        tally.rows += self.batch.num_rows
        for name, counter in (("outcome", tally.outcomes), ("reason", tally.reasons)):
            values, counts = pc.value_counts(self.batch.column(name).cast(pa.string())).flatten()
            for value, count in zip(values.to_pylist(), counts.to_pylist(), strict=True):
                counter[str(value)] += int(count or 0)

    @cached_property
    def columns(self) -> list[Column]:
        """The same columns that `facts.columns_of` makes of rows, without a Python object a row."""
        columns = [
            self._column(algorithm, f"given_{algorithm}", Match.Origin.COLUMN)
            for algorithm in DIGESTS
            if self._has(f"given_{algorithm}")
        ]
        for origin, part in self._by_origin():
            columns += [part._column(name, name, origin) for name in DIGESTS if self._has(name)]
            if self._has("phash"):
                columns.append(part._phash(origin))
            if self._has("pdq"):
                columns += part._turns(origin) + part._variants(origin)
        return columns

    @property
    def algorithms(self) -> set[str]:
        """Those of which any of the rows has a value."""
        return {
            algorithm
            for algorithm in HELD
            if any(
                self.batch.column(name).null_count < self.batch.num_rows
                for name in _VALUES.get(algorithm, (algorithm,))
                if self._has(name)
            )
        }

    @property
    def links(self) -> list[Column]:
        """The keyed hashes of the links: beside the rest, as they speak of no picture."""
        values, rows = ledger.column_as_array(self.batch, "url_key")
        return [Column("url_key", "url_keyed", Match.Origin.URL, values, rows)]

    def _has(self, name: str) -> bool:
        return name in self.batch.schema.names

    def _by_origin(self) -> Iterator[tuple[str, "Part"]]:
        if not self._has("fetched_at"):
            return
        fetched = pc.is_valid(self.batch.column("fetched_at"))
        for origin, here in (
            (Match.Origin.EMBEDDED, pc.invert(fetched)),
            (Match.Origin.FETCHED, fetched),
        ):
            part = Part(_where(self.batch, here))
            if part.batch.num_rows:
                yield origin, part

    def _column(self, algorithm: str, name: str, origin: str) -> Column:
        values, rows = ledger.column_as_array(self.batch, name)
        return Column(algorithm, ORIENTATIONS[0], origin, values, rows)

    def _approximate(self) -> Any:
        said: Any = self.batch.column("approximate")
        return pc.fill_null(said, False)

    def _phash(self, origin: str) -> Column:
        present = Part(_where(self.batch, pc.is_valid(self.batch.column("phash"))))
        values, rows = ledger.column_as_array(present.batch, "phash")
        approximate = present._approximate().to_numpy(zero_copy_only=False)
        return Column("phash", ORIENTATIONS[0], origin, values, rows, approximate=approximate)

    def _turns(self, origin: str) -> list[Column]:
        present = _where(self.batch, pc.is_valid(self.batch.column("pdq")))
        values, rows = ledger.column_as_array(present, "pdq")
        turns, _ = ledger.column_as_array(present, "pdq_turns")
        quality: Any = present.column("pdq_quality")
        low = pc.fill_null(quality, 0).to_numpy() < LOW_QUALITY
        approximate = Part(present)._approximate().to_numpy(zero_copy_only=False)
        columns = [Column("pdq", ORIENTATIONS[0], origin, values, rows, low, approximate)]
        for turn, variant in enumerate(ORIENTATIONS[1:]):
            cut = np.ascontiguousarray(turns[:, turn * PDQ_WIDTH : (turn + 1) * PDQ_WIDTH])
            columns.append(Column("pdq", variant, origin, cut, rows, low, approximate))
        return columns

    def _variants(self, origin: str) -> list[Column]:
        given: Any = self.batch.column("pdq_variants")
        each: Any = pc.list_flatten(given)
        of = pc.list_parent_indices(given)
        numbers = self.batch.column("row").take(of)
        approximate = self._approximate().take(of).to_numpy(zero_copy_only=False)
        flat = pa.record_batch({"row": numbers, "pdq": pc.struct_field(each, "pdq")})
        values, rows = ledger.column_as_array(flat, "pdq")
        low = pc.struct_field(each, "quality").to_numpy() < LOW_QUALITY
        names = pc.struct_field(each, "name").dictionary_encode()
        codes = {name: code for code, name in enumerate(names.dictionary.to_pylist())}
        columns = []
        for name, code in sorted(codes.items()):
            at = names.indices.to_numpy() == code
            here = (values[at], rows[at], low[at], approximate[at])
            columns.append(Column("pdq", name, origin, *here))
        return columns


def _where(batch: pa.RecordBatch, here: Any) -> pa.RecordBatch:
    """Return the rows for which ``here`` is true: mostly all of them, which costs no copy."""
    return batch if pc.all(here, min_count=0).as_py() else batch.filter(here)


def parts(source: Ledger, algorithms: Collection[str] | None = None) -> Iterator[Part]:
    """The ledger in pieces of bounded size, in row order.

    With ``algorithms`` only their columns and what is counted are read, else all.
    """
    names = NAMES
    if algorithms is not None:
        compared = (name for each in sorted(algorithms) for name in _COMPARED.get(each, ()))
        names = list(dict.fromkeys((*COUNTED, *compared)))
    for batch in ledger.read(source.location, names):
        if batch.num_rows:
            yield Part(batch)


def facts_of(source: Ledger, rows: Collection[int]) -> dict[int, RowFacts]:
    """All that the ledger holds of these rows."""
    found = {}
    for batch in ledger.read(source.location, NAMES, only=rows):
        part = Part(batch)
        found.update({row: part.facts(row) for row in rows if part.holds(row)})
    return found


class Aligned:
    """Reads an old ledger beside its shard: hashes once computed are not fetched a second time."""

    def __init__(self, source: Ledger) -> None:
        self._parts = parts(source)
        self._part: Part | None = None

    def fill(self, rows: list[RowFacts]) -> None:
        """Give each row the computed hashes and the outcome that the old ledger has for it."""
        for facts in rows:
            while self._part is None or not self._part.holds(facts.row):
                self._part = next(self._parts)
            old = self._part.facts(facts.row)
            if old.pdq is None and old.sha256 is None:
                continue
            if old.approximate and settings.SCAN_IN_FULL:
                continue
            for name in NAMES:
                setattr(facts, name, getattr(old, name))


def aligned(source: Ledger) -> Aligned:
    return Aligned(source)
