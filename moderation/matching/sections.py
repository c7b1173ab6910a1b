"""A file of named arrays that is written in one pass and mapped into memory.

Layout, little-endian, every array at a multiple of 64 bytes:

    header   64 bytes: magic (16), version (uint32), zeros
    arrays
    table of contents   JSON: what the caller says, and name, dtype, shape, offset and SHA-256
             of each array
    trailer  64 bytes: magic (16), offset and length of the table (uint64 each), its SHA-256

Opening reads header, trailer and table alone and proves by them that the file is whole in length
and ours; ``verify`` proves every byte. No seeking while writing, so an upload will do as a target.
"""

import hashlib
import json
import mmap
import struct
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

MAGIC = b"breakwater-index"
VERSION = 4
HEADER = struct.Struct("<16sI44x")
TRAILER = struct.Struct("<16sQQ32s")
ALIGNMENT = 64
CHUNK = 1 << 24  # bytes written and hashed at a time

AnyArray = npt.NDArray[Any]


class IndexCorrupt(ValueError):
    """The file is no index, not a whole one, or one of another version."""


class Writable(Protocol):
    """All that is asked of the stream an index is written to."""

    def write(self, data: Any, /) -> Any:
        """Take all of ``data``, a contiguous buffer."""


class SectionWriter:
    """Writes arrays one after another; ``finish`` makes the file whole."""

    def __init__(self, stream: Writable) -> None:
        self._stream = stream
        self._offset = 0
        self._contents: list[dict[str, Any]] = []
        self._write(HEADER.pack(MAGIC, VERSION))

    def add(self, name: str, array: AnyArray) -> None:
        """Append an array of numbers under a name."""
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        offset, digest = self._offset, hashlib.sha256()
        flat = array.reshape(-1).view(np.uint8).data
        for start in range(0, len(flat), CHUNK):
            digest.update(flat[start : start + CHUNK])
            self._write(flat[start : start + CHUNK])
        self._write(b"\0" * (-self._offset % ALIGNMENT))
        self._contents.append(
            {
                "name": name,
                "dtype": array.dtype.str,
                "shape": array.shape,
                "offset": offset,
                "sha256": digest.hexdigest(),
            }
        )

    def finish(self, about: dict[str, Any]) -> None:
        """Write the table of contents, with ``about`` in it, and the trailer."""
        table = json.dumps({"about": about, "arrays": self._contents}).encode()
        trailer = TRAILER.pack(MAGIC, self._offset, len(table), hashlib.sha256(table).digest())
        self._write(table)
        self._write(trailer)

    def _write(self, data: bytes | memoryview) -> None:
        self._stream.write(data)
        self._offset += len(data)


class Sections:
    """A file of arrays, mapped read-only; processes that map it share its memory."""

    def __init__(self, path: str | PathLike[str]) -> None:
        """Map the file; IndexCorrupt if it is not one of ours, whole and of this version."""
        self.name = Path(path).name
        with open(path, "rb") as file:
            self._size = file.seek(0, 2)
            if self._size < HEADER.size:
                raise self.corrupt("is cut short")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, version = HEADER.unpack_from(self._map, 0)
        if magic != MAGIC:
            raise self.corrupt("is not an index of known hashes")
        if version != VERSION:
            raise self.corrupt(f"has format version {version}, this program reads {VERSION}")
        table = self._table()
        self.about: dict[str, Any] = table["about"]
        self._arrays: dict[str, dict[str, Any]] = {each["name"]: each for each in table["arrays"]}

    def corrupt(self, what: str) -> IndexCorrupt:
        """Return the error to raise: which file, what is wrong, what to do."""
        return IndexCorrupt(f"{self.name} {what}; build the index again")

    def array(self, name: str) -> AnyArray:
        """Return the array of that name, a read-only view of the file; IndexCorrupt if absent."""
        entry = self._arrays.get(name)
        if entry is None:
            raise self.corrupt(f"lacks {name}")
        dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
        count = int(np.prod(shape, dtype=object)) if shape else 1
        if entry["offset"] % ALIGNMENT or entry["offset"] + count * dtype.itemsize > self._size:
            raise self.corrupt(f"names {name} outside itself")
        if count == 0:
            return np.empty(shape, dtype)
        return np.frombuffer(self._map, dtype, count, entry["offset"]).reshape(shape)

    def verify(self) -> None:
        """Read everything; IndexCorrupt naming the first array that is not as it was written."""
        for name, entry in self._arrays.items():
            flat = self.array(name).reshape(-1).view(np.uint8).data
            digest = hashlib.sha256()
            for start in range(0, len(flat), CHUNK):
                digest.update(flat[start : start + CHUNK])
            if digest.hexdigest() != entry["sha256"]:
                raise self.corrupt(f"is damaged in {name}")

    def _table(self) -> dict[str, Any]:
        if self._size < HEADER.size + TRAILER.size:
            raise self.corrupt("is cut short")
        at = self._size - TRAILER.size
        magic, offset, length, digest = TRAILER.unpack_from(self._map, at)
        if magic != MAGIC or offset + length != at:
            raise self.corrupt("is cut short or has something added")
        raw = self._map[offset:at]
        if hashlib.sha256(raw).digest() != digest:
            raise self.corrupt("is damaged in its table of contents")
        table: dict[str, Any] = json.loads(raw)  # ours: its checksum has just been proven
        return table
