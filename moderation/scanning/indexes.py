"""Index files of known hashes: built once from PostgreSQL for a set of list versions, then shared.

A file is named by what it holds, so it is never changed: another set of versions is another file,
or the same one and beside it a small file of what changed since (`generations`). While a new large
file is not built yet, the one before and a larger change do.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import connection
from numpy.typing import NDArray

from config import env
from moderation import files
from moderation.algorithms import MATCHED, width_of
from moderation.hash_lists import blocks
from moderation.matching.index import VERSION, KnownIndex, Segment, write_index
from moderation.models import HashList, HashListVersion, KnownBlock
from moderation.models.known_block import number_of

from . import generations
from .generations import Span

__all__ = [
    "Span",
    "build_outgrown",
    "location_of",
    "names_of",
    "open_index",
    "spans_in_force",
    "standing_sets",
]

Parts = dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]
Contents = Callable[[], tuple[Parts, dict[str, NDArray[np.int64]]]]

LAYOUT = 3  # of the choice of rows; part of the name
LOCK = 0x494E4458  # class of the advisory locks; one key per file
BUILD_SECONDS = 900.0  # to wait for another process that builds the same file
MOST_OPEN = 4  # files in one process: base and change of the lists that flag, and of the negative
_open: dict[str, Segment] = {}  # by name, mapped; the last used at the end


def spans_in_force(lists: Iterable[HashList] | None = None) -> list[Span]:
    """The whole current version of every list in force, or of those given."""
    chosen = HashList.objects.in_force() if lists is None else lists
    return [Span(each.pk, 0, each.current.number) for each in chosen if each.current]


def standing_sets() -> list[list[Span]]:
    """What is opened whenever something is scanned or screened from now on."""
    lists = HashList.objects.in_force().select_related("current")
    flagging = lists.flagging()
    sets = (flagging, flagging.exclude(trust=HashList.Trust.TRIAL), lists.negative())
    return [spans_in_force(each) for each in sets]


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


def names_of(spans: Iterable[Span]) -> list[str]:
    """The names of the files that make the index for these spans: one, or a base and its change."""
    spans = _filled(spans)
    return _names(name_of(generations.base_of(spans)), name_of(spans))


def location_of(name: str) -> str:
    """Where the index file of that name lies."""
    return files.join(settings.LEDGER_URL, "indexes", name)


def open_index(spans: Iterable[Span]) -> KnownIndex:
    """Return the mapped index for these spans, building those of its files that are missing.

    Whoever holds another index keeps it: files are never changed, and one that is deleted stays
    mapped for those that have it.
    """
    spans = _filled(spans)
    base, name = _at_hand(generations.bases_of(spans))
    names = _names(name, name_of(spans))
    first = _segment(names[0], partial(_whole, base))
    if len(names) == 1:
        return KnownIndex(first)
    return KnownIndex(first, _segment(names[1], lambda: _changed(first, base, spans)))


def build_outgrown() -> int:
    """Build those large files of `standing_sets` in whose place an earlier one is opened; return
    how many."""
    built = 0
    for spans in standing_sets():
        bases = generations.bases_of(_filled(spans))
        if _at_hand(bases)[0] != bases[0]:
            _build(name_of(bases[0]), partial(_whole, bases[0]))
            built += 1
    return built


def _at_hand(bases: list[list[Span]]) -> tuple[list[Span], str]:
    """Return the first of these bases and its name; or while nobody has built that one, those of
    one that is there."""
    named = ((base, name_of(base)) for base in bases)
    newest = next(named)
    if len(bases) == 1 or _used(location_of(newest[1])):
        return newest
    return next((each for each in named if _used(location_of(each[1]))), newest)


def _names(base: str, whole: str) -> list[str]:
    if base == whole:
        return [base]
    return [base, hashlib.sha256(f"{base}|{whole}".encode()).hexdigest()[:32] + ".index"]


def _filled(spans: Iterable[Span]) -> list[Span]:
    """Return the spans that can hold anything, in their order."""
    return sorted(each for each in spans if each.after < each.upto)


def _segment(name: str, contents: Contents) -> Segment:
    location = location_of(name)
    if not _used(location):
        _build(name, contents)
    segment = _open.pop(name, None) or Segment.open(_local(location, name))
    _open[name] = segment
    for old in list(_open)[:-MOST_OPEN]:
        _open.pop(old, None)
    return segment


def _build(name: str, contents: Contents) -> None:
    location = location_of(name)
    with _alone(name):
        if files.exists(location):
            return  # somebody else has built it meanwhile
        parts, withdrawn = contents()
        with files.write_atomically(location, private=True) as stream:
            write_index(stream, parts, withdrawn)


def _used(location: str) -> bool:
    """Note that the file is in use, so that the sweep leaves it; False where there is none."""
    path = files.local_path(location)
    if path is None:
        return files.exists(location)
    try:
        os.utime(path)
    except OSError:  # there is none, or it may only be read
        return files.exists(location)
    return True


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Wait while another process builds this file, whichever machine it runs on.

    It loses the lock when it dies. After BUILD_SECONDS both build: the file is put in its place as
    a whole, and both are the same.
    """
    until = time.monotonic() + BUILD_SECONDS
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [LOCK, name])
            held = cursor.fetchone()[0]
            if held or time.monotonic() > until:
                break
            time.sleep(0.2)
    try:
        yield
    finally:
        if held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [LOCK, name])


def _parts(spans: list[Span]) -> Parts:
    parts = {algorithm: _known(spans, algorithm) for algorithm in MATCHED}
    return {algorithm: part for algorithm, part in parts.items() if len(part[1])}


def _whole(base: list[Span]) -> tuple[Parts, dict[str, NDArray[np.int64]]]:
    return _parts(base), {}


def _changed(
    first: Segment, base: list[Span], spans: list[Span]
) -> tuple[Parts, dict[str, NDArray[np.int64]]]:
    """What came after the base, and which of its ids do not stand in these spans any more."""
    withdrawn = {}
    if generations.withdraws(base, spans):
        for algorithm in (name for name, size in first.sizes.items() if size):
            _, standing = _known(spans, algorithm)
            withdrawn[algorithm] = np.setdiff1d(first.ids(algorithm), standing)
    return _parts(generations.after(base, spans)), withdrawn


def _known(spans: list[Span], algorithm: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the values and their numbers in the index, the numbers ascending."""
    width = width_of(algorithm)
    parts = []
    for span in spans:
        of = KnownBlock.objects.filter(
            hash_list=span.list_id,
            algorithm=algorithm,
            added_in__number__gt=span.after,
            added_in__number__lte=span.upto,
        )
        for block in blocks.read(of, upto=span.upto):
            places = np.flatnonzero(block.stands)
            values = block.keys.view(np.uint8).reshape(-1, width)[places]
            parts.append((block.pk, values, places + number_of(block.pk, 0)))
    parts.sort(key=lambda part: part[0])
    empty = np.empty((0, width), dtype=np.uint8), np.empty(0, dtype=np.int64)
    return (
        np.concatenate([empty[0], *(values for _, values, _ in parts)]),
        np.concatenate([empty[1], *(numbers for _, _, numbers in parts)]),
    )


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
    with (folder / ".lock").open("w") as lock:
        # One of the processes here downloads, the others wait for it. A killed one holds no lock.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.exists():
            fresh = folder / f".{name}.{os.getpid()}"
            with files.open_input(location) as source, fresh.open("wb") as target:
                while block := source.read(1 << 22):
                    target.write(block)
            fresh.rename(copy)
    return copy
