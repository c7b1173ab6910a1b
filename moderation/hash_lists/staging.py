"""What a file names, in a temporary table, and the difference to what stands, all in SQL.

Values go through COPY and never through the ORM: not one of them is in a query's text, parameters
or log. Everything here runs inside the transaction of the load.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from django.db import connection

from .known import Item, Known, MorePages, Rejected
from .schemes import severity

BATCH = 4_096  # values per message of COPY
MANY = 10_000  # new values, from which on the planner should know of them at once

_TABLE = """
DROP TABLE IF EXISTS pg_temp.staged_hash;
CREATE TEMPORARY TABLE staged_hash (
    place bigint, algorithm text, value bytea, scheme text, category text, media text,
    external_id text, deleted boolean, stamp bigint, severity smallint
) ON COMMIT DROP
"""

# Between an entry and its deletion in one file the later one counts, else the deletion.
_SETTLE = (
    """DELETE FROM staged_hash d USING staged_hash s
    WHERE d.deleted AND NOT s.deleted AND s.stamp > d.stamp
    AND d.external_id <> '' AND d.external_id = s.external_id""",
    """DELETE FROM staged_hash s USING staged_hash d
    WHERE d.deleted AND NOT s.deleted
    AND d.external_id <> '' AND d.external_id = s.external_id""",
    """DELETE FROM staged_hash d USING staged_hash s
    WHERE d.deleted AND NOT s.deleted AND s.stamp > d.stamp
    AND d.value <> '' AND d.algorithm = s.algorithm AND d.value = s.value""",
    """DELETE FROM staged_hash s USING staged_hash d
    WHERE d.deleted AND NOT s.deleted
    AND d.value <> '' AND d.algorithm = s.algorithm AND d.value = s.value""",
)

# Of the same value given twice the most severe stays, of equals the first; 2^40 is past any place.
_DROP_DUPLICATES = """
DELETE FROM staged_hash s USING (
    SELECT algorithm, value, min(severity * 1099511627776 + place) AS kept
    FROM staged_hash WHERE NOT deleted GROUP BY algorithm, value HAVING count(*) > 1
) d
WHERE NOT s.deleted AND s.algorithm = d.algorithm AND s.value = d.value
AND s.severity * 1099511627776 + s.place <> d.kept
"""

_COUNTS = """
SELECT (SELECT count(*) FROM staged_hash WHERE NOT deleted),
    (SELECT count(*) FROM moderation_knownhash
        WHERE hash_list_id = %(list)s AND removed_in_id IS NULL)
"""

_COMPARE = """
SELECT count(*),
    count(*) FILTER (WHERE (k.scheme, k.category) <> (s.scheme, s.category)),
    count(*) FILTER (WHERE (k.external_id, k.media) <> (s.external_id, s.media))
FROM staged_hash s JOIN moderation_knownhash k USING (algorithm, value)
WHERE k.hash_list_id = %(list)s AND k.removed_in_id IS NULL AND NOT s.deleted
"""

_CLOSE_CHANGED = """
UPDATE moderation_knownhash k SET removed_in_id = %(version)s FROM staged_hash s
WHERE k.hash_list_id = %(list)s AND k.removed_in_id IS NULL
AND k.algorithm = s.algorithm AND k.value = s.value AND NOT s.deleted
AND (k.scheme, k.category) <> (s.scheme, s.category)
"""

_WITHDRAW_MISSING = """
UPDATE moderation_knownhash k SET removed_in_id = %(version)s
WHERE k.hash_list_id = %(list)s AND k.removed_in_id IS NULL
AND NOT EXISTS (
    SELECT 1 FROM staged_hash s
    WHERE k.algorithm = s.algorithm AND k.value = s.value AND NOT s.deleted
)
"""

# In a delta an entry that comes again replaces the one known under its reference.
_WITHDRAW_DELETED = """
UPDATE moderation_knownhash k SET removed_in_id = %(version)s
WHERE k.hash_list_id = %(list)s AND k.removed_in_id IS NULL
AND (
    EXISTS (
        SELECT 1 FROM staged_hash s
        WHERE k.algorithm = s.algorithm AND k.value = s.value AND s.deleted
    )
    OR (k.external_id <> '' AND k.external_id IN (SELECT external_id FROM staged_hash))
)
AND NOT EXISTS (
    SELECT 1 FROM staged_hash s
    WHERE k.algorithm = s.algorithm AND k.value = s.value AND NOT s.deleted
)
"""

_REFER_ANEW = """
UPDATE moderation_knownhash k SET external_id = s.external_id, media = s.media FROM staged_hash s
WHERE k.hash_list_id = %(list)s AND k.removed_in_id IS NULL
AND k.algorithm = s.algorithm AND k.value = s.value AND NOT s.deleted
AND (k.external_id, k.media) <> (s.external_id, s.media)
"""

# In order of the values: the index that keeps them unique then grows at its end.
_ADD = """
INSERT INTO moderation_knownhash (
    hash_list_id, added_in_id, algorithm, value, scheme, category, media, external_id, note
)
SELECT %(list)s, %(version)s, algorithm, value, scheme, category, media, external_id, ''
FROM staged_hash s
WHERE NOT deleted AND NOT EXISTS (
    SELECT 1 FROM moderation_knownhash k
    WHERE k.hash_list_id = %(list)s AND k.removed_in_id IS NULL
    AND k.algorithm = s.algorithm AND k.value = s.value
)
ORDER BY algorithm, value
"""

# What people noted at a value that changed goes along: few rows, found by the unique index.
_CARRY_NOTES = """
WITH noted AS MATERIALIZED (
    SELECT * FROM moderation_knownhash
    WHERE removed_in_id = %(version)s AND (
        note <> '' OR disabled_at IS NOT NULL OR set_aside_at IS NOT NULL OR released_at IS NOT NULL
    )
)
UPDATE moderation_knownhash k SET
    note = o.note, disabled_at = o.disabled_at, disabled_until = o.disabled_until,
    disabled_by_id = o.disabled_by_id, set_aside_at = o.set_aside_at, released_at = o.released_at
FROM noted o
WHERE k.hash_list_id = %(list)s AND k.removed_in_id IS NULL
AND k.algorithm = o.algorithm AND k.value = o.value
"""


@dataclass
class Staged:
    """How many values a file named, counted while they went into the table."""

    known: int = 0
    deleted: int = 0
    more_pages: bool = False
    rejected: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Difference:
    """Counts of values: ``changed`` ones stand with another category of the supplier, ``standing``
    ones stood before."""

    new: int
    same: int
    changed: int
    removed: int
    standing: int


def stage(items: Iterable[Item], *, progress: Callable[[], None]) -> Staged:
    """Copy ``items`` into the temporary table; ``progress`` is called after each batch.

    What the file both names and takes back, and values it names twice, are settled: afterwards the
    table holds each value once, with the most severe of its categories. Raises what ``items`` does.
    """
    staged = Staged()
    with connection.cursor() as cursor:
        # Sorts and hash joins of a million values stay in memory.
        cursor.execute("SET LOCAL work_mem = '256MB'")
        cursor.execute(_TABLE)
        with cursor.copy("COPY staged_hash FROM STDIN") as copy:
            rows: list[str] = []
            for item in items:
                if isinstance(item, Known):
                    rows.append(_row(item, staged.known + staged.deleted))
                    if item.deleted:
                        staged.deleted += 1
                    else:
                        staged.known += 1
                    if len(rows) == BATCH:
                        copy.write("".join(rows))
                        rows.clear()
                        progress()
                elif isinstance(item, Rejected):
                    staged.rejected[item.reason] += 1
                elif isinstance(item, MorePages):
                    staged.more_pages = True
            copy.write("".join(rows))
        progress()
        cursor.execute("ANALYZE staged_hash")
        if staged.deleted:
            for query in _SETTLE:
                cursor.execute(query)
        cursor.execute(_DROP_DUPLICATES)
        duplicates = int(cursor.rowcount)
    if duplicates:
        staged.rejected["duplicate"] += duplicates
    return staged


def apply(*, hash_list: int, version: int, delta: bool) -> Difference:
    """Make the staged values the standing ones of the list and return the difference.

    A changed value is closed and added anew, so that earlier versions keep saying what they said;
    what people noted at it goes along. Without ``delta`` everything not staged is withdrawn.
    """
    ids = {"list": hash_list, "version": version}
    with connection.cursor() as cursor:

        def run(query: str) -> int:
            cursor.execute(query, ids)
            return int(cursor.rowcount)

        def row(query: str) -> tuple[int, ...]:
            cursor.execute(query, ids)
            return tuple(cursor.fetchone())

        # Each statement below passes over the whole list: those with nothing to do are left out.
        staged, standing = row(_COUNTS)
        matched, changed, referred = row(_COMPARE) if standing else (0, 0, 0)
        removed = 0
        if changed:
            run(_CLOSE_CHANGED)
        if delta or matched < standing:
            removed = run(_WITHDRAW_DELETED if delta else _WITHDRAW_MISSING)
        if referred:
            run(_REFER_ANEW)
        added = staged - matched + changed
        if added:
            run(_ADD)
        if added > MANY:
            cursor.execute("ANALYZE moderation_knownhash")  # the next scan plans by what is there
        if changed:
            run(_CARRY_NOTES)
    return Difference(added - changed, staged - added, changed, removed, standing)


def _row(known: Known, place: int) -> str:
    # Readers let printable text through only: a backslash is all that COPY could misread.
    external_id, category, scheme = known.external_id, known.category, known.scheme
    if "\\" in external_id or "\\" in category or "\\" in scheme:
        external_id, category, scheme = (
            text.replace("\\", "\\\\") for text in (external_id, category, scheme)
        )
    return (
        f"{place}\t{known.algorithm}\t\\\\x{known.value.hex()}\t{scheme}\t{category}\t{known.media}"
        f"\t{external_id}\t{'t' if known.deleted else 'f'}\t{known.stamp}"
        f"\t{_severity(known.scheme, known.category)}\n"
    )


_severity = lru_cache(maxsize=1_024)(severity)
