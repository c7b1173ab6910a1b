"""The row of a known value: what matches, notes and withdrawals point at.

The index knows a value by its place in a block, as one number. Whoever has something to say about
a value asks ``materialise`` for its row and writes the row's key, never that number.
"""

from collections.abc import Iterable

from django.db import connection

from moderation.models import HashList, KnownBlock, KnownHash, KnownWithdrawal
from moderation.models.known_block import block_and_place, number_of

from . import blocks
from .keys import Places, as_keys, holds, key_of
from .keys import find as find_keys
from .labels import Kinds, unpack

LOCK = 0x524F5753  # class of the advisory locks; one key per list


def lock(hash_list: int, *, shared: bool = False) -> None:
    """Until the transaction ends, let nobody else change which values of the list have rows: who
    loads it sees every row, and who makes one sees what the load withdrew."""
    how = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {how}(%s, hashint8(%s))", [LOCK, hash_list])


def look_up(ids: Iterable[int]) -> dict[int, KnownHash]:
    """Return, by their number in the index, what is known of these values; to read only.

    Those about which nothing is said have no key. Numbers of no block are left out.
    """
    wanted = {number: block_and_place(number) for number in ids}
    found = _rows(wanted)
    missing = {number: at for number, at in wanted.items() if number not in found}
    return found | _unsaid(missing)


def materialise(ids: Iterable[int]) -> dict[int, KnownHash]:
    """Return, by their number in the index, the rows of these values, made where there are none.

    Called inside the caller's transaction, and before it appends a custody event: it waits for a
    list that is being loaded, which ends with one.
    """
    wanted = {number: block_and_place(number) for number in ids}
    lists = KnownBlock.objects.filter(pk__in={block for block, _ in wanted.values()})
    for each in sorted(set(lists.values_list("hash_list", flat=True))):
        lock(each, shared=True)
    found = _rows(wanted)
    made = _unsaid({number: at for number, at in wanted.items() if number not in found})
    _make(made)
    return found | _rows({number: wanted[number] for number in made})


def find(algorithm: str, value: bytes, *, hash_list: HashList) -> list[int]:
    """Return the numbers in the index under which the list ever named exactly this value, the
    latest last; ``look_up`` says from which version to which."""
    key = key_of(algorithm, value)
    of = KnownBlock.objects.filter(hash_list=hash_list, algorithm=algorithm)
    holding = [
        pk
        for pk, lowest, highest in of.values_list("pk", "lowest", "highest")
        if bytes(lowest) <= key <= bytes(highest)
    ]
    query = as_keys(key, algorithm)
    found = []
    for block in blocks.read(of.filter(pk__in=holding)):
        place = int(find_keys(query, block.keys)[0])
        if place >= 0:
            found.append(number_of(block.pk, place))
    return found


def _rows(wanted: dict[int, tuple[int, int]]) -> dict[int, KnownHash]:
    rows = KnownHash.objects.filter(
        block__in={block for block, _ in wanted.values()},
        place__in={place for _, place in wanted.values()},
    )
    found = {number_of(row.block_id, row.place): row for row in rows}
    return {number: found[number] for number in wanted if number in found}


def _unsaid(wanted: dict[int, tuple[int, int]]) -> dict[int, KnownHash]:
    """Return the rows that these values would have."""
    ids = {block for block, _ in wanted.values()}
    of = KnownBlock.objects.defer("keys", "lowest", "highest").in_bulk(ids)
    wanted = {number: at for number, at in wanted.items() if at[0] in of}
    keys = blocks.keys_at((block, place, of[block].algorithm) for block, place in wanted.values())
    kinds = Kinds()
    labels = {pk: unpack(bytes(block.labels), kinds) for pk, block in of.items()}
    removed = _removed(ids)
    found = {}
    for (number, (pk, place)), key in zip(wanted.items(), keys, strict=True):
        block, said = of[pk], labels[pk]
        kind, reference = said.of(place, kinds)
        found[number] = KnownHash(
            hash_list_id=block.hash_list_id,
            block_id=pk,
            place=place,
            algorithm=block.algorithm,
            value=key if said.texts is None else said.texts[place].as_py(),
            external_id=reference,
            added_in_id=block.added_in_id,
            removed_in_id=next(
                (version for version, places in removed.get(pk, ()) if holds(places, place)), None
            ),
            **kind._asdict(),
        )
    return found


def _removed(ids: Iterable[int]) -> dict[int, list[tuple[int, Places]]]:
    """Return for each block which versions took which of its places back."""
    found: dict[int, list[tuple[int, Places]]] = {}
    taken = KnownWithdrawal.objects.filter(block__in=ids)
    for block, version, places in taken.values_list("block", "removed_in", "places"):
        found.setdefault(block, []).append((version, blocks.as_places(places)))
    return found


def _make(unsaid: dict[int, KnownHash]) -> None:
    """Write these rows, and one for each later time that the list names the same value."""
    again: set[int] = set()
    for number, row in unsaid.items():
        if row.removed_in_id is not None:
            found = find(row.algorithm, bytes(row.value), hash_list=row.hash_list)
            again |= {each for each in found if each > number and each not in unsaid}
    later = _unsaid({number: block_and_place(number) for number in again})
    rows = [*unsaid.values(), *later.values()]
    KnownHash.objects.bulk_create(rows, ignore_conflicts=True)  # another worker may be first
