"""Tar files read header by header: POSIX ustar with pax records, and GNU long names.

Our own reading instead of ``tarfile``: it says where each member's bytes begin and end, so that a
rewritten tar keeps them, it holds no more than one header, and it refuses what a dataset's tar
never has: links, devices, names that lead out of it. Layout: POSIX.1-2017, pax, ustar format.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from moderation import files
from moderation.datasets.readers.base import readable, refusal

BLOCK = 512
RECORD = 10_240  # tar pads a file to whole records of twenty blocks
_EXTENSION_BYTES = 1 << 20  # of pax records or a long name
_ZERO = b"\0" * BLOCK
_FILES = (b"0", b"\0", b"7")
_FOLDER = b"5"
_BUFFER = 1 << 20


@dataclass(frozen=True)
class Member:
    """One regular file: its bytes are at ``data``, the whole with headers and padding is
    ``start`` to ``end``."""

    name: str
    size: int
    start: int
    data: int
    end: int

    @property
    def key(self) -> str:
        """Return what webdataset calls the key: the name up to the first dot of its last part."""
        folder, slash, last = self.name.removeprefix("./").rpartition("/")
        return folder + slash + last.partition(".")[0]

    @property
    def extension(self) -> str:
        """Return what follows the key, in lower case."""
        return self.name.rpartition("/")[2].partition(".")[2].lower()


def open_tar(location: str) -> BinaryIO:
    """Open a tar for reading; DatasetError if it is compressed or cannot be opened."""
    with readable(location):
        stream = io.BufferedReader(cast(io.RawIOBase, files.open_input(location)), _BUFFER)
        if stream.peek(2)[:2] in (b"\x1f\x8b", b"BZ", b"\xfd7"):
            raise refusal(location, "the tar is compressed; unpack it to a plain .tar first")
        return stream


def members(stream: BinaryIO, location: str) -> Iterator[Member]:
    """Yield the regular files of an open tar in their order; DatasetError where it is broken.

    The caller may move the stream between two members.
    """
    with readable(location):
        length = stream.seek(0, io.SEEK_END)
        if length == 0:
            raise refusal(location, "the file is empty")
        at, number = 0, 0
        while True:
            member, end = _next(stream, location, at, length, number)
            if member is None and end == at:
                break
            if member is not None:
                yield member
            at, number = end, number + 1
        _only_zeros(stream, location, at, length)


def read(stream: BinaryIO, location: str, member: Member) -> bytes:
    """Return a member's bytes."""
    with readable(location):
        stream.seek(member.data)
        found = stream.read(member.size)
        if len(found) != member.size:
            raise _cut_short(location)
        return found


def _next(
    stream: BinaryIO, location: str, at: int, length: int, number: int
) -> tuple[Member | None, int]:
    """Return the member that starts at ``at`` (None for a folder) and where it ends."""
    start, name, size = at, None, None
    while True:
        header = _block(stream, location, at)
        if header == _ZERO:
            if at != start:
                raise _cut_short(location)
            return None, at
        kind, stated = header[156:157], _number(location, header[124:136], number)
        _checksum(location, header, number)
        data = at + BLOCK
        if data + stated > length:
            raise _cut_short(location)
        if kind in (b"x", b"g", b"L", b"K"):
            if stated > _EXTENSION_BYTES:
                raise refusal(location, f"member {number} has a header of more than 1 MiB")
            stream.seek(data)
            extension = stream.read(stated)
            if kind == b"L":
                name = extension.partition(b"\0")[0]
            elif kind in (b"x", b"g"):
                records = _pax(location, extension, number)
                if kind == b"g" and records.keys() & {b"path", b"size"}:
                    raise refusal(location, "the tar renames all its members at once")
                if any(word.startswith(b"GNU.sparse") for word in records):
                    raise refusal(location, f"member {number} is a sparse file; pack it plainly")
                name = records.get(b"path", name)
                size = int(records[b"size"]) if b"size" in records else size
            at = data + -(-stated // BLOCK) * BLOCK
            continue
        size = stated if size is None else size
        end = data + -(-size // BLOCK) * BLOCK
        if size < 0 or data + size > length:
            raise _cut_short(location)
        text = _name(location, _ustar_name(header) if name is None else name, number)
        if kind == _FOLDER or (kind == b"\0" and text.endswith("/")):
            return None, end
        if kind not in _FILES:
            raise refusal(location, f"member {number} is a link or a device; pack files only")
        return Member(text, size, start, data, min(end, length)), end


def _block(stream: BinaryIO, location: str, at: int) -> bytes:
    stream.seek(at)
    block = stream.read(BLOCK)
    if len(block) != BLOCK:
        # Also where the end mark is missing: a tar cut between two members looks like this.
        raise _cut_short(location)
    return block


def _number(location: str, field: bytes, number: int) -> int:
    if field[0] == 0x80:  # GNU's binary numbers, for sizes of 8 GiB and more
        return int.from_bytes(field[1:], "big")
    text = field.strip(b"\0 ")
    if text.strip(b"01234567"):
        raise refusal(location, f"member {number} has a broken header; is this a tar?")
    return int(text or b"0", 8)


def _checksum(location: str, header: bytes, number: int) -> None:
    stated = _number(location, header[148:156], number)
    plain = header[:148] + b" " * 8 + header[156:]
    # Some old writers summed signed bytes.
    if stated not in (sum(plain), sum(plain) - 256 * sum(byte > 127 for byte in plain)):
        raise refusal(location, f"member {number} has a broken header; is this a tar?")


def _pax(location: str, text: bytes, number: int) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    while text.strip(b"\0"):
        stated, _, _ = text.partition(b" ")
        if not stated.isdigit() or len(stated) > 7 or not len(stated) < int(stated) <= len(text):
            raise refusal(location, f"member {number} has a broken header; is this a tar?")
        word, _, value = text[len(stated) + 1 : int(stated) - 1].partition(b"=")
        if word == b"size" and not (value.isdigit() and len(value) < 20):
            raise refusal(location, f"member {number} has a broken header; is this a tar?")
        found[word] = value
        text = text[int(stated) :]
    return found


def _ustar_name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _name(location: str, raw: bytes, number: int) -> str:
    try:
        name = raw.decode()
    except UnicodeDecodeError as error:
        raise refusal(location, f"member {number} has a name that is not UTF-8") from error
    if not name or name.startswith("/") or ".." in name.split("/"):
        raise refusal(location, f"member {number} has a name that leads out of the tar")
    if not name.isprintable():
        raise refusal(location, f"member {number} has control characters in its name")
    return name


def _only_zeros(stream: BinaryIO, location: str, at: int, length: int) -> None:
    if length - at < 2 * BLOCK:
        raise _cut_short(location)
    stream.seek(at)
    while chunk := stream.read(_BUFFER):
        if chunk.strip(b"\0"):
            raise refusal(location, "there is more after the tar's end mark; pack it again")


def _cut_short(location: str) -> Exception:
    return refusal(location, "the tar is broken or cut short; copy it again")
