"""Bytes of a hash-list file to text, in bounded pieces, whatever the encoding turns out to be.

Encodings: UTF-8 with or without a byte order mark, and UTF-16 or UTF-32 where the file starts with
theirs, are accepted in every format. Anything else has to be named by a profile (csv).
"""

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

from .known import TEXT_LIMIT, ListUnreadable

CHUNK = 65_536  # bytes; no line inside one chunk can be longer than TEXT_LIMIT

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is the start of this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def is_encoding(name: str) -> bool:
    """Say whether ``pieces`` can read files in this encoding, piece by piece."""
    try:
        found = codecs.lookup(name)
        if not found._is_text_encoding or found.incrementaldecoder is None:
            return False
        # Some (punycode) take nothing but the whole at once, or fail on it in ways of their own.
        decoder = found.incrementaldecoder("strict")
        sample = "a;1\n".encode(name)
        decoded = "".join(decoder.decode(sample[at : at + 1]) for at in range(len(sample)))
        return decoded + decoder.decode(b"", final=True) == "a;1\n"
    except (LookupError, ValueError, TypeError):
        return False


def pieces(file: BinaryIO, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the text with ``\\n`` as line end; a byte order mark wins over ``encoding``.

    Raises ListUnreadable for bytes of another encoding and NUL characters.
    """
    chunk = file.read(CHUNK)
    for mark, name in _MARKS:
        if chunk.startswith(mark):
            encoding, chunk = name, chunk[len(mark) :]
            break
    decoder = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder(encoding)("strict"), translate=True
    )
    done = 0
    while True:
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeError:  # UTF-16 without its mark raises this one, not UnicodeDecodeError
            # The original error carries the bytes themselves.
            raise ListUnreadable(
                f"the text is not {encoding.upper()} (near byte {done}); "
                "save it as UTF-8, or name its encoding in a csv profile"
            ) from None
        if "\0" in text:
            raise ListUnreadable(
                "the file holds NUL characters: it is binary, or UTF-16 without a byte order mark"
            )
        yield text
        if not chunk:
            return
        done += len(chunk)
        chunk = file.read(CHUNK)


def whole_lines(file: BinaryIO, encoding: str = "utf-8") -> Iterator[str]:
    """Yield pieces that end where a line ends; only the end of the last line may lack its ``\\n``.

    Raises ListUnreadable as ``pieces`` does, and for a line longer than TEXT_LIMIT characters.
    """
    rest = ""
    number = 0
    for piece in pieces(file, encoding):
        end = piece.rfind("\n") + 1
        if end:
            whole = rest + piece[:end]
            rest = piece[end:]
            number += whole.count("\n")
            yield whole
        else:
            rest += piece
        if len(rest) > TEXT_LIMIT:
            raise ListUnreadable(
                f"line {number + 1} is longer than {TEXT_LIMIT} characters; "
                "this is not a hash list in lines"
            )
    if rest:
        yield rest


def lines(file: BinaryIO, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the lines with their ``\\n``, which only the last one may lack; raises as
    ``whole_lines`` does."""
    for piece in whole_lines(file, encoding):
        *whole, last = piece.split("\n")
        for line in whole:
            yield line + "\n"
        if last:
            yield last


class Utf8Stream:
    """A reader of UTF-8 bytes without a mark over a file in any accepted encoding."""

    def __init__(self, file: BinaryIO) -> None:
        self._pieces = pieces(file)
        self._ready = b""

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` bytes, all that is left if negative, b"" at the end."""
        if size == 0:
            return b""  # asked by readers that want to know the type only
        parts, held = [self._ready], len(self._ready)
        for piece in self._pieces:
            parts.append(piece.encode())
            held += len(parts[-1])
            if 0 < size <= held:
                break
        joined = b"".join(parts)
        if size < 0:
            size = held
        self._ready = joined[size:]
        return joined[:size]
