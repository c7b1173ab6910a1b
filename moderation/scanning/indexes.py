"""Index files of known hashes: built once from PostgreSQL for a set of list versions, then shared.

A file is named by what it holds, so it is never changed: another set of versions is another file.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import connection
from django.db.models import Q
from numpy.typing import NDArray

from config import env
from moderation import files
from moderation.algorithms import MATCHED, width_of
from moderation.matching.index import VERSION, KnownIndex, write_index
from moderation.models import HashList, HashListVersion, KnownHash

LAYOUT = 1  # of the choice of rows; part of the name
CHUNK = 100_000  # values asked of the database at once
MOST_OPEN = 2  # mappings in one process: of the lists that flag, and of the negative lists
_open: dict[str, KnownIndex] = {}  # one mapping per file and process, the last used at the end


@dataclass(frozen=True, order=True)
class Span:
    """What one list added after version number ``after``, as it stands in version ``upto``."""

    list_id: int
    after: int
    upto: int


def spans_in_force(lists: Iterable[HashList] | None = None) -> list[Span]:
    """The whole current version of every list in force, or of those given."""
    chosen = HashList.objects.in_force() if lists is None else lists
    return [Span(each.pk, 0, each.current.number) for each in chosen if each.current]


def name_of(spans: Iterable[Span]) -> str:
    """The file name of the index for these spans. When a version was loaded is part of it: after
    a database was restored its numbers are given once more, to other values. So is the version of
    the format: a program that writes another one builds its own file."""
    text = ";".join(
        f"{s.list_id}:{s.after}-{s.upto}:"
        + ",".join(
            at.isoformat()
            for at in HashListVersion.objects.filter(hash_list=s.list_id, number__lte=s.upto)
            .order_by("number")
            .values_list("loaded_at", flat=True)
        )
        for s in sorted(spans)
    )
    whole = f"{VERSION}|{LAYOUT}|{_database()}|{text}"
    return hashlib.sha256(whole.encode()).hexdigest()[:32] + ".index"


def open_index(spans: Iterable[Span]) -> KnownIndex:
    """Return the mapped index for these spans, building its file where there is none."""
    spans = sorted(spans)
    name = name_of(spans)
    index = _open.pop(name, None)
    if index is None:
        location = files.join(settings.LEDGER_URL, "indexes", name)
        if not files.exists(location):
            _build(spans, location)
        index = KnownIndex.open(_local(location, name))
    _open[name] = index
    for old in list(_open)[:-MOST_OPEN]:
        _open.pop(old, None)
    return index


def _build(spans: list[Span], location: str) -> None:
    parts: dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]] = {}
    for algorithm in MATCHED:
        values, ids = _known(spans, algorithm)
        if len(ids):
            parts[algorithm] = (values, ids)
    with files.write_atomically(location, private=True) as stream:
        write_index(stream, parts)


def _known(spans: list[Span], algorithm: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    width = width_of(algorithm)
    chosen = Q(pk__in=[])
    for span in spans:
        chosen |= Q(
            hash_list=span.list_id,
            added_in__number__gt=span.after,
            added_in__number__lte=span.upto,
        ) & (Q(removed_in__isnull=True) | Q(removed_in__number__gt=span.upto))
    values: list[NDArray[np.uint8]] = [np.empty((0, width), dtype=np.uint8)]
    ids: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    last = 0
    while True:
        page = KnownHash.objects.filter(chosen, algorithm=algorithm, pk__gt=last)
        sql, parameters = page.order_by("pk").values("pk", "value")[:CHUNK].query.sql_with_params()
        with connection.cursor() as cursor:
            # The rows arrive as two columns packed by the server: a row of Python objects for each
            # of millions of values would cost ten times as long.
            cursor.execute(
                "SELECT string_agg(value, ''::bytea ORDER BY id),"  # noqa: S608  ORM's own SQL
                " string_agg(int8send(id), ''::bytea ORDER BY id)"
                f" FROM ({sql}) AS page (id, value)",
                parameters,
            )
            packed, packed_ids = cursor.fetchone()
        if packed is None:
            return np.concatenate(values), np.concatenate(ids)
        page_ids = np.frombuffer(bytes(packed_ids), dtype=">i8").astype(np.int64)
        values.append(np.frombuffer(bytes(packed), dtype=np.uint8).reshape(-1, width))
        ids.append(page_ids)
        last = int(page_ids[-1])


def _database() -> str:
    """Ids mean something in one database only, and a folder may outlive it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT oid::text FROM pg_database WHERE datname = current_database()")
        oid: str = cursor.fetchone()[0]
    return f"{connection.settings_dict['NAME']}:{oid}"


def _local(location: str, name: str) -> Path:
    filesystem, path = files.resolve(location)
    if filesystem.type_name == "local":
        return Path(path)
    folder = env.DATA / "cache" / "indexes"
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / name
    if not copy.exists():
        fresh = folder / f".{name}.{os.getpid()}"
        with files.open_input(location) as source, fresh.open("wb") as target:
            while block := source.read(1 << 22):
                target.write(block)
        fresh.rename(copy)
    return copy
