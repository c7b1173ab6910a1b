"""Entries of a JSON file of any size, one small dictionary at a time.

Only the keys asked for are kept, so that what a supplier says about persons never enters memory as
an object, let alone the database.
"""

from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

import ijson

from .known import TEXT_LIMIT, ListUnreadable
from .text import Utf8Stream

DEPTH_LIMIT = 64
HASHES_LIMIT = 100  # nested hashes of one entry
HASHES = "hashes"  # where they are found in an entry

Entry = dict[str, Any]


class _Array:
    def __init__(self, of_entries: bool) -> None:
        self.of_entries = of_entries


class _Map:
    """``entry`` is what it belongs to: itself, the entry around it, or None outside of entries."""

    def __init__(self, values: Entry, entry: Entry | None) -> None:
        self.values, self.entry = values, entry


def entries(
    file: BinaryIO, *, top: str, nested: str | None = None, keys: Collection[str], what: str
) -> Iterator[Entry]:
    """Yield the entries: members of an array that is the whole file, or stands under ``top``.

    With ``nested``, members of arrays under that key are entries wherever they stand. Keys are
    compared and returned in lower case. Objects inside an entry that hold ``hashname`` and
    ``hashvalue`` come as pairs under HASHES. Raises ListUnreadable; ``what`` names the format.
    """
    stack: list[_Array | _Map] = []
    key = ""
    found = False
    for event, value in _events(file, what):
        if event == "map_key":
            key = value.lower()
        elif event == "start_map":
            parent = stack[-1] if stack else None
            if isinstance(parent, _Array) and parent.of_entries:
                values: Entry = {HASHES: []}
                stack.append(_Map(values, values))
            else:
                stack.append(_Map({}, _entry_of(stack)))
        elif event == "start_array":
            in_map = bool(stack) and isinstance(stack[-1], _Map)
            of_entries = not stack or (
                in_map and (key == nested or (key == top and len(stack) == 1))
            )
            found = found or of_entries
            stack.append(_Array(of_entries))
        elif event == "end_map":
            closed = stack.pop()
            if not isinstance(closed, _Map):  # the parser lets nothing else through
                raise ListUnreadable(f"the file is no valid JSON; check --format ({what} is JSON)")
            if closed.entry is closed.values:
                yield closed.values
            elif closed.entry is not None:
                _keep_hash(closed.values, closed.entry, what)
        elif event == "end_array":
            stack.pop()
        elif stack and isinstance(stack[-1], _Map) and stack[-1].entry is not None and key in keys:
            if isinstance(value, str) and len(value) > TEXT_LIMIT:
                raise ListUnreadable(
                    f"an entry holds a text of more than {TEXT_LIMIT} characters; "
                    f"this is no usable {what} file"
                )
            stack[-1].values[key] = value
        if len(stack) > DEPTH_LIMIT:
            raise ListUnreadable(f"the file is nested too deeply for {what}; check --format")
    if not found:
        raise ListUnreadable(f"the file holds no list of {what} entries; check --format")


def text_of(value: object) -> str:
    """Return a JSON scalar as text: whole numbers as integers, null and flags as ""."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str):
        return value.strip()
    text = str(value)
    return text.removesuffix(".0")


def _entry_of(stack: list[_Array | _Map]) -> Entry | None:
    for frame in reversed(stack):
        if isinstance(frame, _Map):
            return frame.entry
    return None


def _keep_hash(values: Entry, entry: Entry, what: str) -> None:
    if "hashname" not in values:
        return
    if len(entry[HASHES]) >= HASHES_LIMIT:
        raise ListUnreadable(f"one entry holds more than {HASHES_LIMIT} hashes; not {what}")
    entry[HASHES].append((values["hashname"], values.get("hashvalue")))


def _events(file: BinaryIO, what: str) -> Iterator[tuple[str, Any]]:
    try:
        yield from ijson.basic_parse(Utf8Stream(file), buf_size=65_536, use_float=True)
    except ijson.IncompleteJSONError:
        # The parser's own messages quote the text around the error.
        raise ListUnreadable(
            f"the file is cut off or is no JSON; fetch it again, or check --format ({what} is JSON)"
        ) from None
    except (ijson.JSONError, ValueError, ArithmeticError):
        raise ListUnreadable(
            f"the file is no valid JSON; fetch it again, or check --format ({what} is JSON)"
        ) from None
