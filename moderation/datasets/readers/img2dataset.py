"""What img2dataset writes: pictures in a tar or in a folder, and a Parquet sidecar of all rows.

    files:      00000/000000017.jpg .txt .json    00000.parquet  00000_stats.json
    webdataset: 00000.tar (000000017.jpg .txt .json)  00000.parquet  00000_stats.json

The sidecar names every row, in the order of completion, with those that failed; it is the order
of the shard. A tar without a sidecar is read on its own: one row for each picture in it.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from moderation import files
from moderation.datasets.readers import columns as cols
from moderation.datasets.readers import tars
from moderation.datasets.readers.base import (
    BATCH_BYTES,
    IMG2DATASET_FILES,
    IMG2DATASET_WEBDATASET,
    PICTURE_BYTES,
    Batch,
    DatasetError,
    ShardReader,
    readable,
    refusal,
)
from moderation.datasets.readers.parquet import ParquetReader
from moderation.media import containers

PICTURES = frozenset(
    {"jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"}
    | {"heic", "heif"}
)
_BESIDE = frozenset({"txt", "json"})  # what img2dataset writes beside a picture
MEMBER_LIMIT = 2_000_000  # files of one shard; img2dataset writes 30,000
_TEXT_BYTES = 1 << 20  # of a member with a caption or with JSON
_KEY = re.compile(r"[A-Za-z0-9_-]{1,200}")


def stem(location: str) -> str:
    """Return a shard's name without its ending: ``00000`` for ``.../00000.tar``."""
    return files.name_of(location).rpartition(".")[0]


def sidecar_of(tar: str) -> str | None:
    """Return the location of the Parquet file beside a tar, or None."""
    place = files.beside(tar, f"{stem(tar)}.parquet")
    return place if files.exists(place) else None


def folder_of(sidecar: str) -> str:
    """Return the folder of pictures that belongs to a sidecar of the ``files`` form."""
    return files.beside(sidecar, stem(sidecar))


def is_picture(name: str) -> bool:
    """Say by its ending whether a name is a picture's."""
    return _ending(name) in PICTURES


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _members(stream: BinaryIO, location: str) -> Iterator[tars.Member]:
    """Yield a tar's members; DatasetError for a picture with the name of something else."""
    for number, member in enumerate(tars.members(stream, location)):
        if not is_picture(member.name):
            stream.seek(member.data)
            start = stream.read(min(member.size, containers.SNIFF_BYTES))
            if containers.sniff(start) is not None:
                raise refusal(
                    location,
                    f"member {number} is a picture but not by its name; give it a picture's ending",
                )
        yield member


class SidecarReader(ShardReader):
    """Rows from the sidecar, pictures from wherever ``_sizes`` and ``_read`` find them."""

    def __init__(self, location: str, sidecar: str, columns: dict[str, str]) -> None:
        super().__init__(location, columns)
        self.sidecar = sidecar
        self._rows = ParquetReader(self.form, sidecar, columns)

    def rows(self) -> int:
        """Return the rows of the sidecar; every picture must belong to exactly one of them."""
        if "key" not in self.columns:
            raise self.refuse(f"no key column in {stem(self.sidecar)}.parquet")
        total = self._rows.rows()
        self.notes = self._rows.notes
        pictures = self._pictures()
        seen: set[str] = set()
        for batch in self._rows.batches(pictures=False):
            for row, key in enumerate(batch.row_keys, batch.start):
                if key is None or not _KEY.fullmatch(key):
                    raise self.refuse(f"row {row} of its parquet has a key that cannot be a name")
                if key in seen:
                    raise self.refuse(f"row {row} of its parquet has a key of an earlier row")
                seen.add(key)
        strays = len(pictures.keys() - seen)
        if strays:
            raise self.refuse(
                f"{strays} of its pictures are in no row of {stem(self.sidecar)}.parquet; "
                "nobody could say where they came from"
            )
        return total

    def batches(self, rows: int = 4096, pictures: bool = True, start: int = 0) -> Iterator[Batch]:
        """Yield the sidecar's rows, each with its picture if it has one."""
        if not pictures:
            yield from self._rows.batches(rows, False, start)
            return
        sizes = self._pictures()
        with readable(self.location), self._opened() as read:
            for batch in self._rows.batches(min(rows, 1024), False, start):
                begin, held = 0, 0
                found: list[bytes | None] = []
                for row, key in enumerate(batch.row_keys):
                    length = sizes.get(key or "", 0)
                    wanted = key is not None and 0 < length <= PICTURE_BYTES
                    if held and wanted and held + length > BATCH_BYTES:
                        yield batch.part(begin, row, found)
                        begin, held, found = row, 0, []
                    found.append(read(key) if wanted and key is not None else None)
                    held += length if wanted else 0
                yield batch.part(begin, len(batch), found)

    def _pictures(self) -> dict[str, int]:
        """Return the size of each picture by its key."""
        raise NotImplementedError

    def _opened(self) -> "_Opened":
        raise NotImplementedError


@dataclass
class _Opened:
    """Reads a picture by its key while it is open."""

    read: Callable[[str], bytes]
    close: Callable[[], None] = field(default=lambda: None)

    def __enter__(self) -> Callable[[str], bytes]:
        return self.read

    def __exit__(self, *_: object) -> None:
        self.close()


class FilesReader(SidecarReader):
    """The ``files`` form; the location is the sidecar."""

    form = IMG2DATASET_FILES

    def __init__(self, location: str, columns: dict[str, str]) -> None:
        super().__init__(location, location, columns)
        self.folder = folder_of(location)
        self._names: dict[str, str] = {}

    def listed(self) -> list[files.Listed]:
        """Return what lies in the folder, hidden files too; DatasetError for links, folders and
        files of other kinds among it: passed over, they could be pictures that nobody looked at.

        No folder is an empty one: a shard of which nothing was downloaded, or nothing is left.
        """
        with readable(self.folder):
            there = files.exists(self.folder)
            found = files.listing(self.folder, hidden=True) if there else []
        if len(found) > MEMBER_LIMIT:
            raise self.refuse(f"its folder holds more than {MEMBER_LIMIT} files; split it")
        for number, each in enumerate(found):
            if each.link or each.folder:
                raise self.refuse(f"file {number} of its folder is a link or a folder")
            if not each.name.isprintable():
                raise self.refuse(f"file {number} of its folder has control characters in its name")
            if not is_picture(each.name) and _ending(each.name) not in _BESIDE:
                raise self.refuse(
                    f"file {number} of its folder is no picture by its name, and no .txt or .json; "
                    "rename it or take it away"
                )
        return found

    def members(self) -> list[tuple[str, str]]:
        """Return the sidecar and every file of the folder."""
        name = stem(self.location)
        inside = [
            (f"{name}/{each.name}", files.join(self.folder, each.name)) for each in self.listed()
        ]
        return [*super().members(), *inside]

    def size(self) -> int:
        """Return the bytes of the sidecar and of every file of the folder."""
        with readable(self.location):
            return files.size(self.location) + sum(each.size for each in self.listed())

    def _pictures(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        self._names = {}
        for each in self.listed():
            if not is_picture(each.name):
                continue
            key = each.name.partition(".")[0]
            if key in sizes:
                raise self.refuse("its folder holds two pictures for one key")
            sizes[key], self._names[key] = each.size, each.name
        return sizes

    def _opened(self) -> _Opened:
        def read(key: str) -> bytes:
            with files.open_input(files.join(self.folder, self._names[key])) as stream:
                return bytes(stream.read(PICTURE_BYTES))

        return _Opened(read)


class WebdatasetReader(SidecarReader):
    """A tar with its sidecar; the location is the tar."""

    form = IMG2DATASET_WEBDATASET

    def __init__(self, location: str, sidecar: str, columns: dict[str, str]) -> None:
        super().__init__(location, sidecar, columns)
        self._index: dict[str, tars.Member] = {}

    def members(self) -> list[tuple[str, str]]:
        """Return the tar and the sidecar."""
        return [*super().members(), (files.name_of(self.sidecar), self.sidecar)]

    def _pictures(self) -> dict[str, int]:
        self._index = {}
        with tars.open_tar(self.location) as stream:
            for number, member in enumerate(_members(stream, self.location)):
                if number >= MEMBER_LIMIT:
                    raise self.refuse(f"the tar holds more than {MEMBER_LIMIT} files; split it")
                if is_picture(member.name):
                    if member.key in self._index:
                        raise self.refuse(f"member {number} is a second picture for its key")
                    self._index[member.key] = member
        return {key: member.size for key, member in self._index.items()}

    def _opened(self) -> _Opened:
        stream = tars.open_tar(self.location)

        def read(key: str) -> bytes:
            return tars.read(stream, self.location, self._index[key])

        return _Opened(read, stream.close)


@dataclass
class Sample:
    """Consecutive members of a tar with one key: what webdataset calls a sample."""

    key: str
    members: list[tars.Member]

    @property
    def picture(self) -> tars.Member | None:
        """Return the member that is the picture, if there is one."""
        return next((m for m in self.members if is_picture(m.name)), None)


def samples(stream: BinaryIO, location: str) -> Iterator[Sample]:
    """Yield the samples of a tar; DatasetError for one with two pictures, or with no end."""
    current: Sample | None = None
    for number, member in enumerate(_members(stream, location)):
        if current is None or member.key != current.key:
            if current is not None:
                yield current
            current = Sample(member.key, [])
        current.members.append(member)
        if len(current.members) > 100:
            raise refusal(location, f"member {number} is one of more than 100 with one key")
        if is_picture(member.name) and sum(is_picture(m.name) for m in current.members) > 1:
            raise refusal(location, f"member {number} is a second picture for its key")
    if current is not None:
        yield current


def tar_columns(location: str) -> list[str]:
    """Return the names used in the JSON of the first sample of a tar without a sidecar."""
    with readable(location), tars.open_tar(location) as stream:
        for sample in samples(stream, location):
            return list(_facts(stream, location, sample))
    return []


class TarReader(ShardReader):
    """A tar without a sidecar: what is known of a picture stands in its ``.json`` and ``.txt``."""

    form = IMG2DATASET_WEBDATASET

    def rows(self) -> int:
        """Return how many samples there are; every header is read."""
        with tars.open_tar(self.location) as stream:
            return sum(1 for _ in samples(stream, self.location))

    def batches(self, rows: int = 4096, pictures: bool = True, start: int = 0) -> Iterator[Batch]:
        """Yield the samples in the tar's order."""
        held: list[tuple[Sample, dict[str, object]]] = []
        found: list[bytes | None] = []
        begin, bytes_held = start, 0
        with readable(self.location), tars.open_tar(self.location) as stream:
            for row, sample in enumerate(samples(stream, self.location)):
                if row < start:
                    continue
                picture = sample.picture if pictures else None
                wanted = picture is not None and 0 < picture.size <= PICTURE_BYTES
                length = picture.size if picture is not None and wanted else 0
                if held and (len(held) == rows or bytes_held + length > BATCH_BYTES):
                    yield self._batch(begin, held, found if pictures else None)
                    held, found, begin, bytes_held = [], [], row, 0
                held.append((sample, _facts(stream, self.location, sample)))
                found.append(
                    tars.read(stream, self.location, picture)
                    if picture is not None and wanted
                    else None
                )
                bytes_held += length
        if held:
            yield self._batch(begin, held, found if pictures else None)

    def _batch(
        self,
        start: int,
        held: list[tuple[Sample, dict[str, object]]],
        pictures: list[bytes | None] | None,
    ) -> Batch:
        return cols.batch_of(
            self.columns,
            lambda name: [facts.get(name) for _, facts in held],
            start=start,
            count=len(held),
            pictures=pictures,
            reencoded=self.columns.get(cols.REENCODED) != "no",
            statuses=cols.texts([facts.get("status") for _, facts in held]),
            row_keys=[sample.key for sample, _ in held],
        )


def _facts(stream: BinaryIO, location: str, sample: Sample) -> dict[str, object]:
    found: dict[str, object] = {}
    for member in sample.members:
        if member.extension not in ("json", "txt") or member.size > _TEXT_BYTES:
            continue
        raw = tars.read(stream, location, member)
        try:
            if member.extension == "txt":
                found.setdefault("caption", raw.decode())
            elif isinstance(value := json.loads(raw), dict):
                found.update(value)
        except (ValueError, RecursionError) as error:
            raise DatasetError(
                f"{files.shown(location)}: the {member.extension} of a sample cannot be read; "
                "is it UTF-8 and whole?"
            ) from error
    return found
