"""Links in text: CSV (RFC 4180 and what pandas and Spark write, also TSV) and JSON lines.

Either may be gzipped. Rows are read together with their very bytes, so that a rewritten file
keeps what it keeps byte for byte. No line is held that is longer than RECORD_BYTES.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from typing import BinaryIO, cast

from moderation import files
from moderation.datasets.readers import columns as cols
from moderation.datasets.readers.base import (
    BATCH_BYTES,
    LINKS_CSV,
    LINKS_JSONL,
    Batch,
    ShardReader,
    readable,
    refusal,
)

RECORD_BYTES = 1 << 20
SAMPLE_ROWS = 100  # of JSON lines are looked at for the names of columns
_BUFFER = 1 << 20
BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
_DELIMITERS = (",", "\t", ";", "|")


def lines(location: str) -> Iterator[bytes]:
    """Yield the lines of a file with their ends, unpacked if gzipped; DatasetError if broken."""
    with readable(location), files.open_input(location) as raw:
        source = cast(BinaryIO, raw)
        stream = cast(
            BinaryIO,
            gzip.GzipFile(fileobj=source)
            if location.partition("?")[0].lower().endswith(".gz")
            else io.BufferedReader(source, _BUFFER),
        )
        number = 0
        while line := stream.readline(RECORD_BYTES + 1):
            number += 1
            if number == 1 and line.startswith(_WIDE_BOMS):
                raise refusal(location, "the text is UTF-16 or UTF-32; convert it to UTF-8")
            if len(line) > RECORD_BYTES:
                raise refusal(location, f"line {number} is longer than 1 MiB; is this text?")
            if b"\0" in line:
                raise refusal(location, f"line {number} holds NUL bytes; is this text?")
            yield line
        if number == 0:
            raise refusal(location, "the file is empty")


def csv_records(location: str) -> Iterator[tuple[bytes, list[str]]]:
    """Yield (bytes, fields) of each record, the header first; a blank line has no fields."""
    csv.field_size_limit(RECORD_BYTES)
    pending: list[bytes] = []
    row = -1

    def decoded() -> Iterator[str]:
        length = 0
        for number, line in enumerate(lines(location)):
            length = length + len(line) if pending else len(line)
            if length > RECORD_BYTES:
                raise refusal(
                    location, f"{_place(row)} is longer than 1 MiB; is a quote left open there?"
                )
            pending.append(line)
            yield (line.removeprefix(BOM) if number == 0 else line).decode()
        if pending:
            raise refusal(
                location, f"a quote is left open in {_place(row)}; is the file cut short?"
            )

    with readable(location):
        text = decoded()
        # The delimiter is seen in the header alone, before the parser takes the first line.
        first = next(text)
        delimiter = _delimiter(location, first)

        def again() -> Iterator[str]:
            yield first
            yield from text

        try:
            for fields in csv.reader(again(), delimiter=delimiter):
                raw = b"".join(pending)
                pending.clear()
                yield raw, fields
                row += bool(fields)
        except csv.Error as error:
            raise refusal(location, f"{_place(row)} is no CSV; are its line ends mixed?") from error


def jsonl_records(location: str) -> Iterator[tuple[bytes, dict[str, object] | None]]:
    """Yield (bytes, object) of each line; None for a blank one."""
    row = 0
    for number, line in enumerate(lines(location)):
        with readable(location):
            text = (line.removeprefix(BOM) if number == 0 else line).decode().strip()
        if not text:
            yield line, None
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise refusal(location, f"row {row} is not JSON; is the file cut short?") from error
        if not isinstance(value, dict):
            raise refusal(location, f"row {row} is not a JSON object with columns as names")
        yield line, value
        row += 1


def names(location: str, form: str) -> list[str]:
    """Return the names of the columns: a CSV header, or the names the first JSON lines use."""
    if form == LINKS_CSV:
        for _, fields in csv_records(location):
            if fields:
                return fields
        raise refusal(location, "the file holds no header")
    found: dict[str, None] = {}
    for row, (_, value) in enumerate(jsonl_records(location)):
        found.update(dict.fromkeys(value or ()))
        if row >= SAMPLE_ROWS:
            break
    return list(found)


class TextReader(ShardReader):
    """CSV or JSON lines of links."""

    def rows(self) -> int:
        """Return the number of rows, every one of them read and checked."""
        return sum(1 for _ in self._values())

    def batches(self, rows: int = 4096, pictures: bool = True, start: int = 0) -> Iterator[Batch]:
        """Yield batches of rows; a text has no pictures."""
        held: list[dict[str, object]] = []
        size = 0
        for row, (length, values) in enumerate(self._values()):
            if row < start:
                continue
            held.append(values)
            size += length
            if len(held) == rows or size > BATCH_BYTES:
                yield self._batch(row + 1 - len(held), held)
                held, size = [], 0
        if held:
            yield self._batch(row + 1 - len(held), held)

    def _values(self) -> Iterator[tuple[int, dict[str, object]]]:
        """Yield the bytes each row has in the file, and its values."""
        raise NotImplementedError

    def _batch(self, start: int, held: list[dict[str, object]]) -> Batch:
        return cols.batch_of(
            self.columns,
            lambda column: [values.get(column) for values in held],
            start=start,
            count=len(held),
        )


class CsvReader(TextReader):
    """CSV or TSV; every row must have as many fields as the header."""

    form = LINKS_CSV

    def _values(self) -> Iterator[tuple[int, dict[str, object]]]:
        header: list[str] | None = None
        row = 0
        for raw, fields in csv_records(self.location):
            if not fields:
                continue
            if header is None:
                header = fields
                places = self._places(header)
                continue
            if len(fields) != len(header):
                raise self.refuse(
                    f"row {row} has {len(fields)} fields where the header has {len(header)}"
                )
            yield len(raw), {column: fields[place] for column, place in places}
            row += 1
        if header is None:
            raise self.refuse("the file holds no header")

    def _places(self, header: list[str]) -> list[tuple[str, int]]:
        for column in self.columns.values():
            if header.count(column) != 1:
                raise self.refuse(f"its columns are not those registered: {cols.listed(header)}")
        return [(column, header.index(column)) for column in self.columns.values()]


class JsonlReader(TextReader):
    """One JSON object a line."""

    form = LINKS_JSONL

    def _values(self) -> Iterator[tuple[int, dict[str, object]]]:
        for raw, value in jsonl_records(self.location):
            if value is not None:
                yield len(raw), {column: value.get(column) for column in self.columns.values()}


def _place(row: int) -> str:
    return f"row {row}" if row >= 0 else "the header"


def _delimiter(location: str, header: str) -> str:
    name = location.partition("?")[0].lower().removesuffix(".gz")
    if name.endswith(".tsv"):
        return "\t"
    return next((d for d in _DELIMITERS if d in header), ",")
