"""A dataset's own column of digests made clean: raw bytes of one width, null where there is none.

The usual column is hex text of one length, or raw bytes, and is taken as a whole. Whatever is not
that is looked at value by value, so both ways give the same.
"""

import binascii
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from moderation import algorithms

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
_REFUSED = np.frombuffer(
    b"".join(value[:4] for value in (*algorithms.EMPTY_DIGESTS, b"\x00" * 4, b"\xff" * 4)),
    np.uint32,
)


def clean(algorithm: str, given: Sequence[object]) -> "tuple[pa.Array[Any], list[int]]":
    """Return the digests, and the positions of values that are neither a digest nor empty."""
    width = algorithms.width_of(algorithm)
    found: list[bytes | None] = []
    bad: list[int] = []
    for position, value in enumerate(given):
        try:
            found.append(_digest(algorithm, width, value))
        except algorithms.BadValue:
            found.append(None)
            bad.append(position)
    return pa.array(found, pa.binary(width)), bad


def clean_column(algorithm: str, column: Any) -> "tuple[pa.Array[Any], list[int]]":
    """The same of a column of text or bytes as Arrow holds it."""
    width = algorithms.width_of(algorithm)
    column = _plain(column)
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.binary(width)), []
    lengths = pc.fill_null(pc.binary_length(column), 0).to_numpy()
    usual = lengths == 2 * width
    from_hex = bool(usual.any()) or _is_text(column.type)
    if not from_hex:
        usual = lengths == width
    try:
        found = _joined(column, usual, width, from_hex)
    except binascii.Error:
        return clean(algorithm, values(column))
    if len(found) < len(column):
        whole = np.zeros((len(column), width), np.uint8)
        whole[usual] = found
        found = whole
    usual &= ~_may_say_nothing(found)
    if usual.all():
        return _array(found, None), []
    single = ~usual & (lengths > 0)
    looked_at, bad = clean(algorithm, values(column.filter(pa.array(single))))
    digests = pc.replace_with_mask(_array(found, usual), pa.array(single), looked_at)
    return digests, np.flatnonzero(single)[bad].tolist()


def values(column: Any) -> list[object]:
    """Return a column as Python values; text that is no UTF-8 comes back as bytes."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    try:
        found: list[object] = column.to_pylist()
    except UnicodeDecodeError:
        found = column.cast(pa.large_binary()).to_pylist()
    return found


def _plain(column: Any) -> Any:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string_view(column.type):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(column.type) or pa.types.is_fixed_size_binary(column.type):
        return column.cast(pa.large_binary())
    return column


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _joined(column: Any, usual: Mask, width: int, from_hex: bool) -> Bytes:
    """Return the digests of the rows that have the usual length; binascii.Error if not all hex."""
    if not usual.all():
        column = column.filter(pa.array(usual))
    if len(column) == 0:
        return np.zeros((0, width), np.uint8)
    _, places, data = column.buffers()
    wide = pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)
    dtype = np.dtype(np.int64 if wide else np.int32)
    at = np.frombuffer(places, dtype, len(column) + 1, column.offset * dtype.itemsize)
    part = data.slice(int(at[0]), int(at[-1] - at[0]))
    raw = binascii.unhexlify(part) if from_hex else part
    return np.frombuffer(raw, np.uint8).reshape(len(column), width)


def _may_say_nothing(digests: Bytes) -> Mask:
    """Say which rows begin as a value that is refused does; four bytes leave few others."""
    heads = digests.view(np.uint32)[:, 0]
    said = np.zeros(len(digests), np.bool_)
    for each in _REFUSED:
        said |= heads == each
    return said


def _array(digests: Bytes, known: Mask | None) -> "pa.Array[Any]":
    valid = None if known is None else pa.py_buffer(np.packbits(known, bitorder="little").data)
    data = pa.py_buffer(np.ascontiguousarray(digests).data)
    return pa.Array.from_buffers(pa.binary(digests.shape[1]), len(digests), [valid, data])


def _digest(algorithm: str, width: int, value: object) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        if not value:
            return None
        if len(value) == width:
            return algorithms.check(algorithm, value)
        value = value.decode("ascii", "replace")  # hex in a column of bytes
    if not isinstance(value, str):
        raise algorithms.BadValue("not_hex")
    return algorithms.parse(algorithm, value) if value.strip() else None
