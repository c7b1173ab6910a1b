"""The hashes and the outcome of every entry of a shard: one Parquet file, rows in its order.

Columns of hashes are fixed-width bytes, so that a whole column is one array for a join. Only
``row``, ``outcome`` and ``reason`` are always there; anything else is null where nobody knows it.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from moderation import files, outcomes

LEDGER_VERSION = "3"
ROW_GROUP = 65_536
_AT_ONCE = 16 << 20  # bytes that are read at once, or one row group
TURNS_WIDTH = 7 * 32  # the seven other orientations of one PDQ hash
HASH_COLUMNS = (
    "url_key",
    "given_md5",
    "given_sha1",
    "given_sha256",
    "md5",
    "sha1",
    "sha256",
    "pdq",
    "pdq_turns",
    "phash",
)
_NAMES = pa.dictionary(pa.int32(), pa.string())
_VARIANT: list[Any] = [
    pa.field("name", pa.string(), nullable=False),
    pa.field("quality", pa.uint8(), nullable=False),
    pa.field("pdq", pa.binary(32), nullable=False),
]
_FIELDS: list[Any] = [
    pa.field("row", pa.int64(), nullable=False),
    pa.field("row_key", pa.string()),
    pa.field("url_key", pa.binary(16)),
    pa.field("given_md5", pa.binary(16)),
    pa.field("given_sha1", pa.binary(20)),
    pa.field("given_sha256", pa.binary(32)),
    pa.field("md5", pa.binary(16)),
    pa.field("sha1", pa.binary(20)),
    pa.field("sha256", pa.binary(32)),
    pa.field("pdq", pa.binary(32)),
    pa.field("pdq_turns", pa.binary(TURNS_WIDTH)),
    pa.field("pdq_quality", pa.uint8()),
    pa.field("pdq_variants", pa.list_(pa.field("element", pa.struct(_VARIANT), nullable=False))),
    pa.field("phash", pa.binary(8)),
    pa.field("approximate", pa.bool_()),  # whether the perceptual hashes are
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
    pa.field("format", _NAMES),
    pa.field("size", pa.int64()),
    pa.field("outcome", _NAMES, nullable=False),
    pa.field("reason", _NAMES, nullable=False),
    pa.field("http_status", pa.int16()),
    pa.field("fetched_at", pa.timestamp("s", "UTC")),
]
SCHEMA: pa.Schema = pa.schema(_FIELDS)
# Parquet has no seconds; they are milliseconds in the file.
_STORED = SCHEMA.set(
    SCHEMA.get_field_index("fetched_at"), pa.field("fetched_at", pa.timestamp("ms", "UTC"))
)
COLUMNS = tuple(SCHEMA.names)
# What ledgers of other versions that are still read have not: null, as nobody knows it.
_MISSING = {"1": ("pdq_variants", "approximate"), "2": ("approximate",), LEDGER_VERSION: ()}
_PREFIX = "breakwater."
_REQUIRED = ("row", "outcome", "reason")


class LedgerCorrupt(Exception):
    """A ledger that is missing, cut short or not ours; scan its shard again to rebuild it."""


@dataclass(frozen=True)
class LedgerFacts:
    """What a ledger says of itself."""

    rows: int
    shard_checksum: str
    algorithm_version: str


class LedgerWriter:
    """Writes one ledger; it stands at its location once the ``with`` block ends without error.

    Rows must come complete and in order: the first is 0 and each is one more than the one before.
    """

    def __init__(self, location: str, *, shard_checksum: str, algorithm_version: str) -> None:
        self.location = location
        self.rows = 0
        self._schema = SCHEMA.with_metadata(
            {
                f"{_PREFIX}ledger": LEDGER_VERSION,
                f"{_PREFIX}shard_checksum": shard_checksum,
                f"{_PREFIX}algorithm_version": algorithm_version,
            }
        )
        self._held: list[pa.Table] = []
        self._rows_held = 0
        self._stack = contextlib.ExitStack()
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "LedgerWriter":
        stream = self._stack.enter_context(files.write_atomically(self.location, private=True))
        self._writer = self._open(stream)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        writer, self._writer = self._writer, None
        with self._stack:
            if error is not None:
                with contextlib.suppress(OSError, ValueError, pa.ArrowException):
                    if writer is not None:
                        writer.close()
                # Hand the error to the stream, which drops what was written.
                self._stack.__exit__(kind, error, trace)
            elif writer is not None:
                self._flush(writer)
                writer.close()

    def write(self, columns: Mapping[str, Any]) -> None:
        """Add rows: for each column an Arrow array, a NumPy array or a list with None for nulls.

        Columns left out are null. ValueError for unknown columns, rows out of order, a hash of
        the wrong width, or a reason that does not belong to its outcome.
        """
        if self._writer is None:
            raise ValueError("the ledger is not open")
        table = _table(columns, self.rows, self._schema)
        self.rows += table.num_rows
        self._held.append(table)
        self._rows_held += table.num_rows
        if self._rows_held >= ROW_GROUP:
            self._flush(self._writer)

    def _open(self, stream: BinaryIO) -> pq.ParquetWriter:
        # Hashes do not compress, and a dictionary of them would be as large as they are.
        variants = "pdq_variants.list.element"
        plain = (*HASH_COLUMNS, f"{variants}.pdq")
        others = (*COLUMNS, f"{variants}.name", f"{variants}.quality")
        options: dict[str, Any] = {
            "compression": dict.fromkeys(others, "zstd") | dict.fromkeys(plain, "none"),
            "use_dictionary": ["format", "outcome", "reason", "http_status", f"{variants}.name"],
            "write_statistics": ["row"],
        }
        return pq.ParquetWriter(stream, self._schema, write_page_checksum=True, **options)

    def _flush(self, writer: pq.ParquetWriter) -> None:
        if self._held:
            table = pa.concat_tables(self._held).unify_dictionaries()
            writer.write_table(table, row_group_size=ROW_GROUP)
        self._held, self._rows_held = [], 0


def read(
    location: str,
    columns: Sequence[str] | None = None,
    *,
    rows: int | None = None,
    only: Collection[int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the ledger's rows in order, with ``row`` and the columns asked for (all by default).

    ``rows`` at once, by default as many as hold a few megabytes. With ``only``, the batches that
    hold none of these rows are left out; whole row groups of such are not even read.
    LedgerCorrupt for a file that is missing, damaged or not a ledger.
    """
    wanted = list(dict.fromkeys(["row", *(COLUMNS if columns is None else columns)]))
    unknown = set(wanted) - set(COLUMNS)
    if unknown:
        raise ValueError(f"no such column in a ledger: {', '.join(sorted(unknown))}")
    asked = None if only is None else np.sort(np.fromiter(only, np.int64, len(only)))
    with _opened(location) as file:
        schema = pa.schema([SCHEMA.field(name) for name in wanted])
        # The numbers follow from the place; they are read where nothing else says how many.
        held = [name for name in wanted[1:] if name in file.schema_arrow.names] or ["row"]
        for at, groups, count in _runs(file, held, asked, location):
            end = at + count
            for batch in file.iter_batches(
                rows or count, row_groups=groups, columns=held, use_threads=False
            ):
                at += batch.num_rows
                if _asked(asked, at - batch.num_rows, at):
                    yield _completed(batch, schema, at - batch.num_rows)
            if at != end:
                raise LedgerCorrupt(_scan_again(location, "rows are missing"))


def facts(location: str) -> LedgerFacts:
    """Return what the ledger says of itself; LedgerCorrupt if it is none."""
    with _opened(location) as file:
        said = file.schema_arrow.metadata
        return LedgerFacts(
            rows=int(file.metadata.num_rows),
            shard_checksum=said[f"{_PREFIX}shard_checksum".encode()].decode(),
            algorithm_version=said[f"{_PREFIX}algorithm_version".encode()].decode(),
        )


def column_as_array(
    batch: pa.RecordBatch, name: str
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return a column of hashes as (values (n, width) u8, rows (n,) int64), nulls left out."""
    column: Any = batch.column(name)
    numbers = batch.column("row").to_numpy()
    width = SCHEMA.field(name).type.byte_width
    data = column.buffers()[1]
    if data is None or len(column) == 0:
        return np.zeros((0, width), np.uint8), np.zeros(0, np.int64)
    values = np.frombuffer(data, np.uint8, len(column) * width, column.offset * width)
    values = values.reshape(len(column), width)
    if column.null_count == 0:
        return values, numbers
    known = column.is_valid().to_numpy(zero_copy_only=False)
    return values[known], numbers[known]


def _asked(rows: npt.NDArray[np.int64] | None, begin: int, end: int) -> bool:
    if rows is None:
        return True
    first, last = np.searchsorted(rows, (begin, end))
    return bool(first < last)


def _runs(
    file: pq.ParquetFile, held: list[str], asked: npt.NDArray[np.int64] | None, location: str
) -> Iterator[tuple[int, list[int], int]]:
    """Yield first row, row groups and number of rows of what is read at once.

    Narrow columns are read several groups at once: reading empties the processor's cache of what
    they are compared with, and each time it is filled again.
    """
    paths = [file.schema.column(leaf).path for leaf in range(len(file.schema))]
    leaves = [leaf for leaf, path in enumerate(paths) if path.partition(".")[0] in held]
    run: list[int] = []
    at = begun = size = 0
    for group in range(file.num_row_groups):
        about = file.metadata.row_group(group)
        count = _rows_in_order(about, at, location)
        wanted = _asked(asked, at, at + count)
        more = sum(about.column(leaf).total_uncompressed_size for leaf in leaves)
        if run and (not wanted or size + more > _AT_ONCE):
            yield begun, run, at - begun
            run, size = [], 0
        if wanted:
            begun = begun if run else at
            run, size = [*run, group], size + more
        at += count
    if run:
        yield begun, run, at - begun
    if at != file.metadata.num_rows:
        raise LedgerCorrupt(_scan_again(location, "rows are missing"))


def _rows_in_order(about: pq.RowGroupMetaData, first: int, location: str) -> int:
    """Return how many rows a row group has; LedgerCorrupt unless their numbers begin at ``first``.

    The writer refuses rows that do not follow each other, so their least and greatest number and
    how many they are say where the group belongs; ten times the bytes would say no more.
    """
    numbers = about.column(SCHEMA.get_field_index("row"))
    span = numbers.statistics
    count = int(about.num_rows)
    if count and (
        span is None
        or not span.has_min_max
        or (span.min, span.max, numbers.num_values) != (first, first + count - 1, count)
    ):
        raise LedgerCorrupt(_scan_again(location, "its rows are out of order"))
    return count


def _completed(batch: pa.RecordBatch, schema: pa.Schema, first: int) -> pa.RecordBatch:
    count = batch.num_rows
    columns: list[Any] = [_numbers((first + count).bit_length()).slice(first, count)]
    for field in list(schema)[1:]:
        if field.name not in batch.schema.names:
            columns.append(pa.nulls(count, field.type))
            continue
        column = batch.column(field.name)
        columns.append(column if column.type == field.type else column.cast(field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


@cache
def _numbers(bits: int) -> Any:
    """Return 0, 1, 2 and so on below 2**bits: batch after batch takes its part, without a copy."""
    make: Any = pa
    return make.arange(0, 1 << bits)


def _table(columns: Mapping[str, Any], first: int, schema: pa.Schema) -> pa.Table:
    unknown = columns.keys() - set(COLUMNS)
    if unknown or any(name not in columns for name in _REQUIRED):
        raise ValueError("a ledger needs row, outcome and reason, and knows only its own columns")
    count = len(columns["row"])
    arrays: list[Any] = []
    for field in schema:
        given = columns.get(field.name)
        array = pa.nulls(count, field.type) if given is None else as_array(given, field)
        if len(array) != count:
            raise ValueError(f"{field.name} has {len(array)} values for {count} rows")
        if array.null_count and not field.nullable:
            raise ValueError(f"{field.name} must be there for every row")
        arrays.append(array)
    table = pa.Table.from_arrays(arrays, schema=schema)
    if not np.array_equal(table["row"].to_numpy(), np.arange(first, first + count)):
        raise ValueError("rows must follow each other without a gap, from 0")
    _check_reasons(table)
    return table


def as_array(given: Any, field: Any) -> Any:
    """Return Arrow, NumPy or Python values as an array of a ledger's field; ValueError if unfit."""
    kind = field.type
    if isinstance(given, pa.ChunkedArray):
        given = given.combine_chunks()
    if isinstance(given, pa.Array):
        return given if given.type == kind else given.cast(kind)
    if isinstance(given, np.ndarray) and given.ndim == 2:
        if given.dtype != np.uint8 or given.shape[1] != kind.byte_width:
            raise ValueError(f"{field.name} takes {kind.byte_width} bytes a row")
        data = pa.py_buffer(np.ascontiguousarray(given).data)
        return pa.Array.from_buffers(kind, len(given), [None, data])
    if pa.types.is_dictionary(kind):
        texts = [None if value is None else str(value) for value in given]
        return pa.array(texts, pa.string()).dictionary_encode().cast(kind)
    try:
        return pa.array(given, kind)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        raise ValueError(f"{field.name} holds a value that does not fit {kind}") from error


def _check_reasons(table: pa.Table) -> None:
    pairs = table.select(["outcome", "reason"]).unify_dictionaries().combine_chunks()
    for pair in pairs.group_by(["outcome", "reason"]).aggregate([]).to_pylist():
        if outcomes.REASONS.get(pair["reason"]) != pair["outcome"]:
            raise ValueError(f"{pair['reason']} is no reason for {pair['outcome']}")


@contextlib.contextmanager
def _opened(location: str) -> Iterator[pq.ParquetFile]:
    try:
        with files.open_input(location) as stream:
            # Read by whole columns of a row group, which the writer keeps small.
            file = pq.ParquetFile(stream, pre_buffer=False, page_checksum_verification=True)
            said = file.schema_arrow.metadata or {}
            missing = _MISSING.get(said.get(f"{_PREFIX}ledger".encode(), b"").decode())
            if missing is None:
                raise LedgerCorrupt(_scan_again(location, "it is no ledger of this version"))
            if not file.schema_arrow.equals(_without(missing)):
                raise LedgerCorrupt(_scan_again(location, "its columns are not a ledger's"))
            yield file
    except files.LocationError as error:
        raise LedgerCorrupt(f"{error}; scan its shard again") from error
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise LedgerCorrupt(_scan_again(location, "it is damaged")) from error


def _without(names: Sequence[str]) -> pa.Schema:
    return pa.schema([field for field in _STORED if field.name not in names])


def _scan_again(location: str, reason: str) -> str:
    return f"ledger {files.shown(location)}: {reason}; scan its shard again"
