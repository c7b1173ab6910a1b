"""The row of a known value: what matches, notes and withdrawals point at.

The index knows a value by a number of its own. Whoever has something to say about one value asks
``materialise`` for its row and writes the row's key, never that number.
"""

from collections.abc import Iterable

from moderation.models import KnownHash


def look_up(ids: Iterable[int]) -> dict[int, KnownHash]:
    """Return, by their number in the index, what is known of these values; to read only."""
    return KnownHash.objects.in_bulk(list(ids))


def materialise(ids: Iterable[int]) -> dict[int, KnownHash]:
    """Return, by their number in the index, the rows of these values, made where there are none.

    Called inside the caller's transaction, and before it appends a custody event: it waits for a
    list that is being loaded, which ends with one.
    """
    return KnownHash.objects.in_bulk(list(ids))
