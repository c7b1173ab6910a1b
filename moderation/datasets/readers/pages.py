"""How many rows of a Parquet row group may be decoded at once, told by its page headers.

A few hundred bytes may hold thousands of long values: a dictionary page holds a value once for
all rows that use it, DELTA_BYTE_ARRAY writes only what differs from the value before, and what
repeats packs to nothing. The sizes in the footer do not show this; the headers of the pages do.
Layout: Apache Parquet format, PageHeader in parquet.thrift, Thrift compact protocol.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from moderation.datasets.readers.base import refusal

PAGE_BYTES = 512 << 20  # unpacked; a larger page is read only if its file is large as well:
_RATIO = 20  # pictures and links pack to no less than this part
_HEADER_BYTES = 64 << 10  # read at once; a header with statistics of long values is longer
_HEADER_LIMIT = 16 << 20
_DEPTH = 8
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_BY_DICTIONARY = (2, 8)  # PLAIN_DICTIONARY, RLE_DICTIONARY
_BY_DIFFERENCE = 7  # DELTA_BYTE_ARRAY
_VARIABLE = "BYTE_ARRAY"
_FIXED = "FIXED_LEN_BYTE_ARRAY"
_WALKED = 16 << 20  # unpacked; a larger dictionary counts as one value
# Parquet's LZ4 has two framings; of the older one, which is rare, the size has to do.
_CODECS: dict[str, Literal["snappy", "gzip", "brotli", "zstd", "lz4_raw"]] = {
    "SNAPPY": "snappy",
    "GZIP": "gzip",
    "BROTLI": "brotli",
    "ZSTD": "zstd",
    "LZ4": "lz4_raw",
}


class _Short(Exception):
    """The bytes end before the header does."""


@dataclass(frozen=True)
class _Page:
    kind: int
    size: int  # unpacked
    packed: int
    values: int
    encoding: int
    at: int  # where its packed bytes are in the file


def rows_at_once(
    file: pq.ParquetFile,
    stream: Any,
    location: str,
    group: int,
    columns: Collection[str] | None,
    limit: int,
) -> int:
    """Return how many rows (at least 1) of a row group decode to about ``limit`` bytes at most.

    ``columns`` are paths as in the schema, None for all. Beyond the limit comes no more than the
    largest page twice. DatasetError for a page that unpacks to beyond reason and
    for broken headers.
    """
    rows = max(1, int(file.metadata.row_group(group).num_rows))
    fewest = rows
    metadata = file.metadata.row_group(group)
    for number in range(metadata.num_columns):
        chunk = metadata.column(number)
        path = chunk.path_in_schema
        if columns is not None and not any(path == c or path.startswith(f"{c}.") for c in columns):
            continue
        variable = chunk.physical_type in (_VARIABLE, _FIXED)
        dictionary = 0  # bytes of its longest value, or more
        for page in _pages(stream, location, chunk):
            if page.size > PAGE_BYTES and page.size > page.packed * _RATIO:
                raise refusal(
                    location,
                    f"a page of row group {group} unpacks to more than {PAGE_BYTES >> 20} MiB; "
                    "write the file again with smaller pages",
                )
            if page.kind == _DICTIONARY:
                dictionary = _longest(stream, chunk, page) if variable else 0
            elif variable and page.values > 0:
                # No value of the page is longer than this, or their mean is this.
                if page.encoding in _BY_DICTIONARY:
                    each = dictionary
                elif page.encoding == _BY_DIFFERENCE:
                    each = page.size
                else:
                    each = page.size // page.values
                fewest = min(fewest, limit // max(1, each))
    # A power of two, so that steps add up to whole batches.
    return rows if fewest >= rows else 1 << (max(1, fewest).bit_length() - 1)


def _longest(stream: Any, chunk: Any, page: _Page) -> int:
    """Return the bytes of the longest value of a dictionary, or its size where that cannot be told.

    A dictionary holds plain values, each behind its length: 4 bytes, the lowest first.
    """
    if chunk.physical_type != _VARIABLE:
        return page.size // max(1, page.values)
    if page.size > _WALKED:
        return page.size
    stream.seek(page.at)
    packed: pa.Buffer = stream.read_buffer(page.packed)
    if chunk.compression != "UNCOMPRESSED":
        try:
            packed = pa.decompress(packed, page.size, _CODECS[chunk.compression])
        except (KeyError, OSError, pa.ArrowException):
            return page.size
    raw = memoryview(packed)
    each = 4 + int.from_bytes(raw[:4], "little")
    if page.values > 0 and len(raw) == page.values * each:  # hashes: all as long as the first
        lengths: npt.NDArray[np.uint32] = np.ndarray((page.values,), "<u4", raw, 0, (each,))
        if (lengths == each - 4).all():
            return each - 4
    at = longest = 0
    for _ in range(page.values):
        length = int.from_bytes(raw[at : at + 4], "little")
        at += 4 + length
        if at > len(raw):
            return page.size
        longest = max(longest, length)
    return longest


def _pages(stream: Any, location: str, chunk: Any) -> Iterator[_Page]:
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    end, left = stream.size(), int(chunk.num_values)
    while left > 0:
        if not 0 < at < end:
            raise _broken(location)
        page, length = _header(stream, location, at)
        if page.kind in (_DATA, _DATA_V2):
            left -= page.values
        yield page
        at += length + page.packed


def _header(stream: Any, location: str, at: int) -> tuple[_Page, int]:
    """Return the page whose header is at ``at``, and the header's length."""
    wanted = _HEADER_BYTES
    while True:
        stream.seek(at)
        raw = bytes(stream.read(wanted))
        try:
            fields, length = _struct(raw, 0, 0)
        except _Short:
            if len(raw) < wanted or wanted >= _HEADER_LIMIT:
                raise _broken(location) from None
            wanted *= 8
            continue
        except (ValueError, RecursionError):
            raise _broken(location) from None
        kind, size, packed = (fields.get(n, -1) for n in (1, 2, 3))
        about = fields.get({_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}.get(kind, 0), {})
        values, encoding = about.get(1, 0), about.get(4 if kind == _DATA_V2 else 2, 0)
        if any(not isinstance(n, int) or n < 0 for n in (kind, size, packed, values, encoding)):
            raise _broken(location)
        return _Page(kind, size, packed, values, encoding, at + length), length


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(raw):
            raise _Short
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a number that is too long")


def _zigzag(raw: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(raw, at)
    return (value >> 1) ^ -(value & 1), at


def _binary(raw: bytes, at: int) -> tuple[None, int]:
    length, at = _varint(raw, at)
    if at + length > len(raw):
        raise _Short
    return None, at + length


def _fixed(width: int) -> Callable[[bytes, int], tuple[None, int]]:
    def skip(raw: bytes, at: int) -> tuple[None, int]:
        if at + width > len(raw):
            raise _Short
        return None, at + width

    return skip


# Thrift compact types; true and false carry their value in the type.
_READ: dict[int, Callable[[bytes, int], tuple[int | None, int]]] = {
    1: _fixed(0),
    2: _fixed(0),
    3: _fixed(1),
    4: _zigzag,
    5: _zigzag,
    6: _zigzag,
    7: _fixed(8),
    8: _binary,
}
_STRUCT = 12


def _struct(raw: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    """Return the numbers and structs of a struct by field, and where it ends."""
    if depth > _DEPTH:
        raise ValueError("nested beyond reason")
    fields: dict[int, Any] = {}
    field = 0
    while True:
        if at >= len(raw):
            raise _Short
        head = raw[at]
        at += 1
        if head == 0:
            return fields, at
        kind = head & 0x0F
        if head >> 4:
            field += head >> 4
        else:
            field, at = _zigzag(raw, at)
        if kind == _STRUCT:
            fields[field], at = _struct(raw, at, depth + 1)
        elif kind in _READ:
            fields[field], at = _READ[kind](raw, at)
        else:
            raise ValueError("a kind that no page header has")


def _broken(location: str) -> Exception:
    return refusal(location, "the file is broken or cut short; copy it again")
