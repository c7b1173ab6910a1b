"""Plain lines: ``value`` of an algorithm chosen at import, or ``algorithm value``.

Empty lines and lines that start with ``#`` say nothing. Lines that are nothing but the hex digits
of the chosen algorithm are read many at once.
"""

from collections.abc import Iterator
from typing import BinaryIO

from moderation.algorithms import ALGORITHMS, EMPTY_DIGESTS, BadValue

from .known import Item, Known, ListUnreadable, Rejected, Values, algorithm_named, canonical
from .text import whole_lines

CUT_OFF = frozenset({"wrong_length", "not_hex", "not_base64", "wrong_columns", "empty"})
WHOLE = frozenset(2 * each.width for each in ALGORITHMS.values() if each.width)  # hex digits


def read(file: BinaryIO, *, algorithm: str | None) -> Iterator[Item]:
    """Yield the known and rejected values of ``file``, piece by piece in its order; in one piece
    the lines of nothing but digits come first, as ``Values``.

    A bad last line without an end tells of a file that was cut off, unless no line before was good:
    then it was read as something it is not.
    """
    digits = _Digits(algorithm) if algorithm is not None and ALGORITHMS[algorithm].width else None
    any_good = False
    before = 0  # lines of earlier pieces
    for piece in whole_lines(file):
        packed, others = digits.taken(piece) if digits is not None else (b"", _numbered(piece))
        if packed:
            any_good = True
            yield Values(algorithm or "", packed)
        for number, line in others:
            text = line.strip()
            if not text or text[0] == "#":
                continue
            try:
                if algorithm is None:
                    name, text = _split(text)
                else:
                    name = algorithm
                known = Known(name, canonical(name, text))
            except BadValue as error:
                if any_good and error.reason in CUT_OFF and line[-1] != "\n":
                    raise ListUnreadable(_how_it_ends(text, before + number)) from None
                yield Rejected(error.reason, before + number)
            else:
                any_good = True
                yield known
        before += piece.count("\n")


class _Digits:
    """Lines of one algorithm that hold its hex digits and nothing else."""

    def __init__(self, algorithm: str) -> None:
        self.width = ALGORITHMS[algorithm].width or 0
        self.length = 2 * self.width + 1  # of a line with its end
        flat = {bytes([byte]) * self.width for byte in (0x00, 0xFF)}
        # Refused one by one. Across two values they are as good as never found.
        self.refused = [*flat, *(each for each in EMPTY_DIGESTS if len(each) == self.width)]

    def taken(self, piece: str) -> tuple[bytes, Iterator[tuple[int, str]]]:
        """Return the values of such lines side by side, and the other lines with their numbers."""
        count, rest = divmod(len(piece), self.length)
        if not rest and piece[self.length - 1 :: self.length] == "\n" * count:
            packed = self._packed(piece)
            # White space between digits is skipped: as many bytes mean that the ends are all.
            if packed is not None and len(packed) == count * self.width:
                return packed, iter(())
        found: list[bytes] = []
        others: list[tuple[int, str]] = []
        for number, line in _numbered(piece):
            value = self._packed(line) if len(line) == self.length and line[-1] == "\n" else None
            if value is not None and len(value) == self.width:
                found.append(value)
            else:
                others.append((number, line))
        return b"".join(found), iter(others)

    def _packed(self, text: str) -> bytes | None:
        try:
            packed = bytes.fromhex(text)
        except ValueError:
            return None
        return None if any(each in packed for each in self.refused) else packed


def _numbered(piece: str) -> Iterator[tuple[int, str]]:
    *whole, last = piece.split("\n")
    for number, line in enumerate(whole, start=1):
        yield number, line + "\n"
    if last:
        yield len(whole) + 1, last


def _how_it_ends(text: str, number: int) -> str:
    if len(text) in WHOLE:
        return (
            f"line {number} is the last, has no end, and is as long as a value of another "
            "algorithm: end the line if it is one, or fetch the file again if it was cut off"
        )
    return (
        f"the file ends inside line {number}, in the middle of a value; "
        "fetch it again, or end its last line"
    )


def _split(text: str) -> tuple[str, str]:
    fields = text.split(None, 1)
    if len(fields) != 2:
        raise BadValue("no_algorithm")
    name = algorithm_named(fields[0])
    if name is None:
        raise BadValue("unknown_algorithm")
    return name, fields[1]
