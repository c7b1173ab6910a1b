"""Plain lines: ``value`` of an algorithm chosen at import, or ``algorithm value``.

Empty lines and lines that start with ``#`` say nothing.
"""

from collections.abc import Iterator
from typing import BinaryIO

from moderation.algorithms import ALGORITHMS, BadValue

from .known import Item, Known, ListUnreadable, Rejected, algorithm_named, canonical
from .text import lines

CUT_OFF = frozenset({"wrong_length", "not_hex", "not_base64", "wrong_columns", "empty"})
WHOLE = frozenset(2 * each.width for each in ALGORITHMS.values() if each.width)  # hex digits


def read(file: BinaryIO, *, algorithm: str | None) -> Iterator[Item]:
    """Yield the known and rejected values of ``file``, line by line.

    A bad last line without an end tells of a file that was cut off, unless no line before was good:
    then it was read as something it is not.
    """
    any_good = False
    for number, line in enumerate(lines(file), start=1):
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
                raise ListUnreadable(_how_it_ends(text, number)) from None
            yield Rejected(error.reason, number)
        else:
            any_good = True
            yield known


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
