"""How custody events are bound to each other by hashes, and the check of events in a file.

The standard library alone: whoever is given a file can read here how it is proven, and needs no
database for it (docs/decisions/0023-custody-export.md).
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

FIRST = b"\x00" * 32  # before the first event
FORM = "breakwater custody export 1"
EXPORTED = "custody_exported"
IN_FULL, LEFT_OUT = {"event", "salt", "hash"}, {"seq", "digest", "hash"}
HEX = re.compile("([0-9a-f]{32}|[0-9a-f]{64})?")  # a salt, a hash, and where there is no salt
WRITTEN_OUT = 1e16  # from here on floats have an exponent in JSON, and no fraction
LONGEST = 1_000_000  # characters of one line; an event has a few thousand at most


class NotProven(Exception):
    """The file is not what was taken out; the message says where."""


@dataclass(frozen=True)
class Proven:
    """What a file proves: events ``first`` to ``last``, so many of them in full, and the head.

    ``noted``: whether the head that was noted elsewhere is among the file's; None if none is given.
    """

    first: int
    last: int
    in_full: int
    head: str
    noted: bool | None


def written(content: Any) -> str:
    """Return the one way in which something is written: JSON, keys sorted, no space."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def stored(content: Any) -> Any:
    """Return JSON as the database gives it back, so that its hash fits what is read later.

    jsonb keeps numbers without the sign of zero, and writes those beyond 16 digits out in full.
    ValueError for a number that JSON cannot hold (NaN, infinite).
    """
    if isinstance(content, dict):
        return {key: stored(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [stored(value) for value in content]
    if isinstance(content, float):
        if not math.isfinite(content):
            raise ValueError("no event holds a number that is not finite")
        return int(content) if abs(content) >= WRITTEN_OUT else content + 0.0
    return content


def digest_of(content: dict[str, Any], salt: bytes) -> bytes:
    """Return what stands for an event in the chain; its salt keeps others from guessing it."""
    return hashlib.sha256(salt + written(content).encode()).digest()


def linked(previous: bytes, content: dict[str, Any], salt: bytes) -> bytes:
    """Return the hash of an event behind ``previous``; those of before the salt have none."""
    covered = digest_of(content, salt) if salt else written(content).encode()
    return hashlib.sha256(previous + covered).digest()


def prove(lines: Iterable[str], *, events: int | None = None, head: str | None = None) -> Proven:
    """Check the lines of an export, one at a time, and return what they prove.

    Args:
        events, head: what was noted of the chain elsewhere: so many events, this head.

    Raises:
        NotProven: a line was changed, left out, added or moved, or the end is missing.
    """
    rows = enumerate(lines, 1)
    opening = _parsed(*next(rows, (1, "")))
    if opening.get("form") != FORM or opening.keys() != {"form", "first", "previous"}:
        raise NotProven("Line 1 is not the beginning of an export of this kind.")
    first, previous = opening["first"], _bytes(opening["previous"], 1)
    if type(first) is not int:
        raise NotProven("Line 1 does not say where the export begins.")
    found = _fits(first - 1, previous, events, head)
    last, in_full, end = first - 1, 0, {}
    for number, line in rows:
        row = _parsed(number, line)
        if row.keys() == IN_FULL and isinstance(row["event"], dict):
            end = row["event"]
            now = linked(previous, end, _bytes(row["salt"], number))
            seq, in_full = end.get("seq"), in_full + 1
        elif row.keys() == LEFT_OUT:
            end = {}
            now = hashlib.sha256(previous + _bytes(row["digest"], number)).digest()
            seq = row["seq"]
        else:
            raise NotProven(f"Line {number} is neither an event nor the place of one.")
        if seq != last + 1 or now.hex() != row["hash"]:
            raise NotProven(f"Line {number} does not follow from the line before it.")
        last, previous = last + 1, now
        found = found or _fits(last, previous, events, head)
    said = end.get("after")
    if end.get("action") != EXPORTED or not isinstance(said, dict) or said.get("first") != first:
        raise NotProven("The end is missing: the last line is not the event of this export.")
    if said.get("in_full") != in_full - 1:
        raise NotProven(
            "Events that the export held in full were taken out of it, or others put in."
        )
    asked = events is not None or head is not None
    return Proven(first, last, in_full, previous.hex(), found if asked else None)


def _fits(seq: int, hash_: bytes, events: int | None, head: str | None) -> bool:
    return events in (None, seq) and head in (None, hash_.hex())


def _parsed(number: int, line: str) -> dict[str, Any]:
    """One line, which stands there as we write it: what another reader could read in another way,
    as a name given twice, was not written by us."""
    try:
        row = json.loads(line) if line.endswith("\n") and len(line) <= LONGEST else None
        if isinstance(row, dict) and f"{written(row)}\n" == line:
            return row
    except (ValueError, RecursionError):
        row = None
    raise NotProven(f"Line {number} is not as it was written.")


def _bytes(text: Any, number: int) -> bytes:
    if isinstance(text, str) and HEX.fullmatch(text):
        return bytes.fromhex(text)
    raise NotProven(f"Line {number} is not as it was written.")
