"""Plain lines: ``value`` of an algorithm chosen at import, or ``algorithm value``.

Empty lines and lines that start with ``#`` say nothing.
"""

from collections.abc import Iterator
from typing import BinaryIO

from moderation.algorithms import BadValue

from .known import Item, Known, ListUnreadable, Rejected, algorithm_named, canonical
from .text import lines

CUT_OFF = frozenset({"wrong_length", "not_hex", "not_base64", "wrong_columns", "empty"})


def read(file: BinaryIO, *, algorithm: str | None) -> Iterator[Item]:
    """Yield the known and rejected values of ``file``, line by line."""
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
            if error.reason in CUT_OFF and line[-1] != "\n":
                raise ListUnreadable(
                    f"the file ends inside line {number}, in the middle of a value; "
                    "fetch it again, or end its last line"
                ) from None
            yield Rejected(error.reason, number)
        else:
            yield known


def _split(text: str) -> tuple[str, str]:
    fields = text.split(None, 1)
    if len(fields) != 2:
        raise BadValue("no_algorithm")
    name = algorithm_named(fields[0])
    if name is None:
        raise BadValue("unknown_algorithm")
    return name, fields[1]
