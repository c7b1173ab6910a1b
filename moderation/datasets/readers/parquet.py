"""Parquet of links, of pictures (Hugging Face) and of img2dataset's ``parquet`` form."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from moderation import files
from moderation.datasets.readers import columns as cols
from moderation.datasets.readers import pages
from moderation.datasets.readers.base import (
    BATCH_BYTES,
    IMAGE_PARQUET,
    IMG2DATASET,
    IMG2DATASET_PARQUET,
    LINKS_PARQUET,
    PICTURE_BYTES,
    Batch,
    ShardReader,
    readable,
    refusal,
)
from moderation.datasets.readers.digests import values

_BUFFER = 1 << 20
TEXT_BYTES = 1 << 20  # of one value that is text, as for lines of CSV and JSON
_ENCODED = ("jpg", "jpeg", "png", "webp")


@contextlib.contextmanager
def opened(location: str) -> Iterator[pq.ParquetFile]:
    """Yield the open file; DatasetError if it is no whole Parquet file, now or while it is read."""
    with readable(location), files.open_input(location) as stream:
        if stream.size() == 0:
            raise refusal(location, "the file is empty")
        # Without pre-buffering: a row group may be as large as the file.
        file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=_BUFFER)
        counted = sum(file.metadata.row_group(n).num_rows for n in range(file.num_row_groups))
        if counted != file.metadata.num_rows:
            raise refusal(location, "its row counts disagree; copy the file again")
        yield file


def schema(location: str) -> pa.Schema:
    """Return the columns of a file as Arrow types."""
    with opened(location) as file:
        return file.schema_arrow


def form_of(found: pa.Schema) -> str:
    """Return which of the Parquet forms columns like these are, img2dataset's sidecar among them.

    A sidecar (img2dataset's columns without a picture) is LINKS_PARQUET; what lies beside it
    tells the ``files`` and ``webdataset`` forms.
    """
    if is_img2dataset(found.names) and encoded_column(found) is not None:
        return IMG2DATASET_PARQUET
    return IMAGE_PARQUET if picture_columns(found) else LINKS_PARQUET


def is_img2dataset(names: list[str]) -> bool:
    """Say whether these are columns that img2dataset writes."""
    return {"key", "status", "url", "error_message"} <= set(names)


def encoded_column(found: pa.Schema) -> str | None:
    """Return the column that img2dataset's ``parquet`` form keeps the picture in."""
    fitting = (n for n in _ENCODED if found.names.count(n) == 1 and _is_bytes(found.field(n).type))
    return next(fitting, None)


def picture_columns(found: pa.Schema) -> list[str]:
    """Return the columns that hold pictures: structs with ``bytes``, or bytes named ``image``."""
    return [
        field.name
        for field in found
        if _bytes_of(field.type) or (field.name.lower() == "image" and _is_bytes(field.type))
    ]


def check(location: str, found: pa.Schema, columns: dict[str, str]) -> None:
    """Raise DatasetError unless each column is there once and holds what its field needs."""
    for field, column in columns.items():
        if field == cols.REENCODED:
            continue
        if found.names.count(column) != 1:
            raise refusal(
                location, f"its columns are not those registered: {cols.listed(found.names)}"
            )
        kind = found.field(column).type
        if not _fits(field, kind):
            raise refusal(
                location,
                f"column {cols.listed([column])} holds {str(kind)[:60]}, not what {field} needs; "
                f"name another with --map {field}=COLUMN, or none with --map {field}=",
            )


class ParquetReader(ShardReader):
    """One Parquet file; the form says whether it carries pictures and whose."""

    def __init__(self, form: str, location: str, columns: dict[str, str]) -> None:
        super().__init__(location, columns)
        self.form = form
        self.reencoded = form in IMG2DATASET and columns.get(cols.REENCODED) != "no"

    def rows(self) -> int:
        """Return the number of rows after a look at the columns and at the first rows."""
        with opened(self.location) as file:
            check(self.location, file.schema_arrow, self.columns)
            self._note(file.schema_arrow.names)
            read = next(self._batches(file, 1, True, 0), None)
            total = int(file.metadata.num_rows)
            if total and read is None:
                raise self.refuse("the file is broken or cut short; copy it again")
            return total

    def batches(self, rows: int = 4096, pictures: bool = True, start: int = 0) -> Iterator[Batch]:
        """Yield batches; only the columns that serve a field are read at all."""
        with opened(self.location) as file:
            check(self.location, file.schema_arrow, self.columns)
            end = start
            for batch in self._batches(file, rows, pictures, start):
                end = batch.start + len(batch)
                yield batch
            if end < file.metadata.num_rows:
                raise self.refuse("rows are missing from the file; copy it again")

    def _note(self, names: list[str]) -> None:
        self.notes = [
            f"column {cols.listed([name])} is left aside: no hash list has SHA-512"
            for name in names
            if name.lower() == "sha512"
        ]

    def _batches(
        self, file: pq.ParquetFile, rows: int, pictures: bool, start: int
    ) -> Iterator[Batch]:
        image = self.columns.get("image") if pictures else None
        wanted = [c for f, c in self.columns.items() if f not in ("image", cols.REENCODED)]
        if image is not None:
            field = file.schema_arrow.field(image)
            wanted.append(f"{image}.bytes" if _bytes_of(field.type) else image)
        at, groups = _groups_from(file, start)
        if not groups:
            return
        if not wanted:  # an image parquet of which neither pictures nor anything else is asked
            for first in range(start, file.metadata.num_rows, rows):
                count = min(rows, file.metadata.num_rows - first)
                yield self._batch(first, pa.RecordBatch.from_pydict({}), count, None)
            return
        for part in _joined(self._parts(file, rows, groups, wanted), rows):
            skipped = max(0, start - at)
            at += part.num_rows
            if skipped >= part.num_rows:
                continue
            part = part.slice(skipped)
            yield from self._split(at - part.num_rows, part, image)

    def _parts(
        self, file: pq.ParquetFile, rows: int, groups: list[int], wanted: list[str]
    ) -> Iterator[pa.RecordBatch]:
        """Yield what is decoded at once: few rows where they may be large."""
        with files.open_input(self.location) as stream:
            for group in groups:
                step = pages.rows_at_once(file, stream, self.location, group, wanted, BATCH_BYTES)
                for part in file.iter_batches(min(rows, step), row_groups=[group], columns=wanted):
                    self._check_texts(part)
                    yield part

    def _check_texts(self, part: pa.RecordBatch) -> None:
        image = self.columns.get("image")
        for name, column in zip(part.schema.names, part.columns, strict=True):
            held: Any = column
            kind = held.type
            if pa.types.is_dictionary(kind):
                held, kind = held.dictionary, kind.value_type
            if name == image or not (_is_text(kind) or _is_bytes(kind)) or pa.types.is_null(kind):
                continue
            if (pc.max(pc.binary_length(_without_views(held))).as_py() or 0) > TEXT_BYTES:
                raise self.refuse(
                    f"a value of column {cols.listed([name])} is longer than 1 MiB; is this text?"
                )

    def _split(self, first: int, part: pa.RecordBatch, image: str | None) -> Iterator[Batch]:
        if image is None:
            yield self._batch(first, part, part.num_rows, None)
            return
        column: Any = part.column(image)
        if pa.types.is_struct(column.type):
            column = pc.struct_field(column, "bytes")
        column = _without_views(column)
        lengths = pc.fill_null(pc.binary_length(column), 0).to_pylist()
        begin = held = 0
        for row, length in enumerate(lengths):
            if held and held + length > BATCH_BYTES:
                yield self._with_pictures(first, part, column, begin, row)
                begin, held = row, 0
            held += length
        yield self._with_pictures(first, part, column, begin, part.num_rows)

    def _with_pictures(
        self, first: int, part: pa.RecordBatch, column: Any, begin: int, end: int
    ) -> Batch:
        found: list[bytes | None] = [
            value or None if value is None or len(value) <= PICTURE_BYTES else None
            for value in column.slice(begin, end - begin).to_pylist()
        ]
        return self._batch(first + begin, part.slice(begin, end - begin), end - begin, found)

    def _batch(
        self, start: int, part: pa.RecordBatch, count: int, pictures: list[bytes | None] | None
    ) -> Batch:
        statuses = None
        if self.form in IMG2DATASET and "status" in self.columns:
            statuses = cols.texts(values(part.column(self.columns["status"])))
        return cols.batch_of(
            self.columns,
            lambda name: values(part.column(name)),
            stored=part,
            start=start,
            count=count,
            pictures=pictures,
            reencoded=self.reencoded,
            statuses=statuses,
        )


def _groups_from(file: pq.ParquetFile, start: int) -> tuple[int, list[int]]:
    at = 0
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if at + count > start:
            return at, list(range(group, file.num_row_groups))
        at += count
    return at, []


def _joined(parts: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in batches of ``rows``, or fewer where they hold BATCH_BYTES."""
    held: list[pa.RecordBatch] = []
    count = size = 0
    for part in parts:
        if held and (count + part.num_rows > rows or size + part.nbytes > BATCH_BYTES):
            yield _one(held)
            held, count, size = [], 0, 0
        held.append(part)
        count, size = count + part.num_rows, size + part.nbytes
    if held:
        yield _one(held)


def _one(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]


def _without_views(column: Any) -> Any:
    """Return a column that every function of Arrow takes."""
    if pa.types.is_binary_view(column.type):
        return column.cast(pa.large_binary())
    return column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_null(kind)
    )


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _bytes_of(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind):
        return False
    return any(
        kind.field(n).name == "bytes" and _is_bytes(kind.field(n).type)
        for n in range(kind.num_fields)
    )


def _fits(field: str, kind: pa.DataType) -> bool:
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    text = _is_text(kind) or _is_bytes(kind)
    if field == "image":
        return _is_bytes(kind) or _bytes_of(kind)
    if field in cols.DIGESTS:
        return text or pa.types.is_fixed_size_binary(kind)
    if field in ("url", "caption", "page_url", "status"):
        return text
    return text or numeric
