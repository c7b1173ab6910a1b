"""Known values in the database: read in blocks, added and withdrawn in blocks.

No value is ever in a query's text or parameters: they come and go as columns, in binary.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from django.db import connection
from django.db.models import QuerySet
from numpy.typing import NDArray

from moderation.models import HashListVersion, KnownBlock, KnownWithdrawal
from moderation.models.known_block import MOST, number_of

from .keys import Keys, Places, as_keys, key_width
from .labels import Kinds, Labels, pack

AT_ONCE = 4 * MOST  # values asked of the database in one query

_READ = "SELECT id, keys, labels FROM moderation_knownblock WHERE id = ANY(%s) ORDER BY id"
_KEYS_AT = """
SELECT substring(b.keys FROM w.start FOR w.width)
FROM unnest(%s::bigint[], %s::int[], %s::int[]) WITH ORDINALITY AS w (block, start, width, n)
JOIN moderation_knownblock b ON b.id = w.block ORDER BY w.n
"""
_ADD = (
    "COPY moderation_knownblock (hash_list_id, added_in_id, algorithm, count, lowest, highest,"
    " keys, labels) FROM STDIN (FORMAT binary)"
)
_ADD_TYPES = ("int8", "int8", "varchar", "int4", "bytea", "bytea", "bytea", "bytea")
_WITHDRAW = (
    "COPY moderation_knownwithdrawal (block_id, removed_in_id, count, places)"
    " FROM STDIN (FORMAT binary)"
)
_WITHDRAW_TYPES = ("int8", "int8", "int4", "bytea")


@dataclass(frozen=True)
class Block:
    """One block as it stands: its keys, its packed labels, and which of its places stand."""

    pk: int
    algorithm: str
    keys: Keys
    labels: bytes
    stands: NDArray[np.bool_]


def read(blocks: QuerySet[KnownBlock], *, upto: int | None = None) -> Iterator[Block]:
    """Yield these blocks one after another, as they stood in version number ``upto`` of their list;
    None: as they stand now."""
    page: list[tuple[int, str, int]] = []
    for each in blocks.order_by("pk").values_list("pk", "algorithm", "count"):
        if page and sum(count for _, _, count in page) + each[2] > AT_ONCE:
            yield from _page(page, upto)
            page = []
        page.append(each)
    yield from _page(page, upto)


def withdrawn(block_ids: Sequence[int], *, upto: int | None = None) -> dict[int, list[Places]]:
    """Return the places of each of these blocks that versions up to this one took back."""
    taken = KnownWithdrawal.objects.filter(block__in=block_ids)
    if upto is not None:
        taken = taken.filter(removed_in__number__lte=upto)
    found: dict[int, list[Places]] = {}
    for block, places in taken.values_list("block", "places"):
        found.setdefault(block, []).append(as_places(places))
    return found


def as_places(packed: bytes | memoryview) -> Places:
    """Return the places of a withdrawal."""
    return np.frombuffer(packed, dtype="<i4").astype(np.int64)


def numbers(block_ids: Sequence[int], at: Places) -> list[int]:
    """Return the numbers in the index of values that were added as these blocks, in that order."""
    return [number_of(block_ids[each // MOST], each % MOST) for each in at.tolist()]


def keys_at(wanted: Iterable[tuple[int, int, str]]) -> list[bytes]:
    """Return the key at each (block, place, algorithm), without reading the rest of the block."""
    listed = list(wanted)
    columns = [
        [block for block, _, _ in listed],
        [place * key_width(algorithm) + 1 for _, place, algorithm in listed],
        [key_width(algorithm) for _, _, algorithm in listed],
    ]
    return [key for (key,) in _rows(_KEYS_AT, columns)] if listed else []


def add(
    version: HashListVersion, algorithm: str, keys: Keys, labels: Labels, kinds: Kinds
) -> list[int]:
    """Write these keys, which ascend, as blocks of what ``version`` added; return their ids."""

    def rows() -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(keys), MOST):
            part = keys[start : start + MOST]
            yield (
                version.hash_list_id,
                version.pk,
                algorithm,
                len(part),
                part[:1].tobytes(),
                part[-1:].tobytes(),
                part.tobytes(),
                pack(labels.cut(start, start + len(part)), kinds),
            )

    _copy(_ADD, _ADD_TYPES, rows())
    added = KnownBlock.objects.filter(added_in=version, algorithm=algorithm)
    return list(added.order_by("pk").values_list("pk", flat=True))


def withdraw(version: HashListVersion, places: dict[int, Places]) -> None:
    """Write which places, ascending, of which blocks ``version`` took back."""
    _copy(
        _WITHDRAW,
        _WITHDRAW_TYPES,
        (
            (block, version.pk, len(taken), taken.astype("<i4").tobytes())
            for block, taken in places.items()
        ),
    )


def _page(page: list[tuple[int, str, int]], upto: int | None) -> Iterator[Block]:
    if not page:
        return
    ids = [pk for pk, _, _ in page]
    taken = withdrawn(ids, upto=upto)
    for (pk, algorithm, count), (_, keys, labels) in zip(page, _rows(_READ, [ids]), strict=True):
        stands = np.ones(count, dtype=np.bool_)
        for places in taken.get(pk, ()):
            stands[places] = False
        yield Block(pk, algorithm, as_keys(keys, algorithm), labels, stands)


def _rows(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return what the database answers in binary: as text, bytes arrive as twice as many digits."""
    connection.ensure_connection()
    with psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(sql, parameters, binary=True)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _copy(sql: str, types: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with connection.cursor() as cursor, cursor.copy(sql) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
