"""Which column of a dataset serves which field, and its values made clean.

Names of LAION-5B, LAION-400M, Re-LAION and img2dataset are found without regard to case
(domain.md 6); ``mapping`` (field to column) comes first, and an empty column drops a field.
LAION's ``hash`` is a key of the row (MurmurHash3 of URL and text), never a hash of the picture.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from moderation.datasets.readers import digests
from moderation.datasets.readers.base import Batch, DatasetError

DIGESTS = ("md5", "sha1", "sha256")
# Field to the names that serve it, the best first.
ALIASES: dict[str, tuple[str, ...]] = {
    "url": ("url",),
    "caption": ("caption", "text"),
    "key": ("key", "sample_id", "hash"),
    "md5": ("md5",),
    "sha1": ("sha1",),
    "sha256": ("sha256",),
    "width": ("original_width", "width"),
    "height": ("original_height", "height"),
    "punsafe": ("punsafe",),
    "page_url": ("page_url",),
    "image": (),
}
FIELDS = tuple(ALIASES)
# Not a column: says whether stored pictures are re-encoded ("yes", what img2dataset does unless
# told otherwise) or the very bytes that were downloaded ("no").
REENCODED = "reencoded"
STATUS = (
    "status"  # img2dataset's own; among the columns of a shard, so it may come back in a mapping
)


def match_columns(names: Sequence[str], mapping: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return field to column for what is there; DatasetError where that is not clear."""
    found: dict[str, str] = {}
    mapping = mapping or {}
    for field, column in mapping.items():
        if field == REENCODED:
            if column.lower() not in ("yes", "no"):
                raise DatasetError("--map reencoded= takes yes or no")
            found[field] = column.lower()
        elif field not in ALIASES and field != STATUS:
            raise DatasetError(f"--map {_plain(field)}=: no such field; use {', '.join(FIELDS)}")
        elif column:
            found[field] = _one(names, column, field, exact_first=True)
    for field, aliases in ALIASES.items():
        if field in mapping:
            continue
        for alias in aliases:
            if any(name.lower() == alias for name in names):
                found[field] = _one(names, alias, field)
                break
    return found


def batch_of(
    columns: Mapping[str, str],
    column: Callable[[str], Sequence[object]],
    *,
    stored: pa.RecordBatch | None = None,
    start: int,
    count: int,
    pictures: list[bytes | None] | None = None,
    reencoded: bool = False,
    statuses: list[str | None] | None = None,
    row_keys: list[str | None] | None = None,
) -> Batch:
    """Return ``count`` rows as a batch; ``column`` gives the raw values of a column by its name.

    Where Arrow has the columns they are ``stored``, and digests need no Python object each.
    """

    def raw(field: str) -> Sequence[object]:
        return column(columns[field])

    nothing: list[str | None] = [None] * count
    bad = [False] * count
    given: dict[str, pa.Array[Any]] = {}
    for algorithm in DIGESTS:
        if algorithm in columns:
            given[algorithm], wrong = (
                digests.clean(algorithm, raw(algorithm))
                if stored is None
                else digests.clean_column(algorithm, stored.column(columns[algorithm]))
            )
            for position in wrong:
                bad[position] = True
    if row_keys is None:
        row_keys = keys(raw("key")) if "key" in columns else nothing
    return Batch(
        start=start,
        row_keys=row_keys,
        urls=texts(raw("url")) if "url" in columns else nothing,
        captions=texts(raw("caption")) if "caption" in columns else nothing,
        given=given,
        bad_given=bad,
        pictures=pictures,
        reencoded=reencoded,
        statuses=statuses,
        tie_break=numbers(raw("punsafe")) if "punsafe" in columns else None,
    )


def missing_url(names: Sequence[str]) -> str:
    """Return what to say of a file of links that has no column of links."""
    return f"no url column among {listed(names)}; name it with --map url=COLUMN"


def listed(names: Sequence[str]) -> str:
    """Return column names for a message: few, short and printable."""
    some = ", ".join(_plain(name) for name in names[:12]) or "no columns"
    return some + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def texts(values: Sequence[object]) -> list[str | None]:
    """Return the values that are text; None for what is empty, not text, or not Unicode."""
    return [
        value if type(value) is str and value.isascii() and value else _text(value)
        for value in values
    ]


def keys(values: Sequence[object]) -> list[str | None]:
    """Return row keys as text: whole numbers in decimal (LAION-400M keeps them as floats)."""
    return [None if value is None else _key(value) for value in values]


def numbers(values: Sequence[object]) -> list[float | None]:
    """Return the values that are numbers, or text that reads as one; None for the others."""
    return [None if value is None else _number(value) for value in values]


def _one(names: Sequence[str], wanted: str, field: str, *, exact_first: bool = False) -> str:
    if exact_first and names.count(wanted) == 1:
        return wanted
    fitting = [name for name in names if name.lower() == wanted.lower()]
    if not fitting:
        raise DatasetError(f"no column {_plain(wanted)} for {field} among {listed(names)}")
    if len(fitting) > 1:
        raise DatasetError(
            f"more than one column could be {field} ({listed(fitting)}); "
            f"choose one with --map {field}=COLUMN, or rename one"
        )
    return fitting[0]


def _plain(name: str) -> str:
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None
    if not isinstance(value, str) or not value:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
        return None
    return value


def _key(value: object) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if abs(value) < 1 << 128 else None
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) and value == int(value) else None
    return _text(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
