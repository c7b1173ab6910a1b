"""What every reader gives back: a shard's rows in batches, and the one error it raises."""

import contextlib
import dataclasses
import gzip
import hashlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from moderation import files

LINKS_PARQUET = "links_parquet"
LINKS_CSV = "links_csv"
LINKS_JSONL = "links_jsonl"
IMG2DATASET_FILES = "img2dataset_files"
IMG2DATASET_WEBDATASET = "img2dataset_webdataset"
IMG2DATASET_PARQUET = "img2dataset_parquet"
IMAGE_PARQUET = "image_parquet"
FORMS = (
    LINKS_PARQUET,
    LINKS_CSV,
    LINKS_JSONL,
    IMG2DATASET_FILES,
    IMG2DATASET_WEBDATASET,
    IMG2DATASET_PARQUET,
    IMAGE_PARQUET,
)
IMG2DATASET = (IMG2DATASET_FILES, IMG2DATASET_WEBDATASET, IMG2DATASET_PARQUET)
WITH_PICTURES = (*IMG2DATASET, IMAGE_PARQUET)

BATCH_BYTES = 64 << 20  # of pictures in one batch
PICTURE_BYTES = 256 << 20  # a stored picture above this is not read


class DatasetError(Exception):
    """Files that cannot be read as a dataset; the message is one line that says what to do."""


@dataclass(frozen=True)
class ShardSource:
    """One shard: the file that stands for it (a tar; the parquet of the ``files`` form)."""

    location: str
    form: str


@dataclass(frozen=True)
class Detected:
    """What a set of files is: its form, which column serves which field, and its shards."""

    form: str
    columns: dict[str, str]
    shards: list[ShardSource]


@dataclass(frozen=True)
class Batch:
    """Some consecutive rows of a shard; every list has one element for each row.

    ``start`` is the number of the first row, from 0. ``given`` holds the digests that the dataset
    came with, by algorithm, as Arrow's bytes of fixed width; ``bad_given`` says where such a column
    holds something that is no digest. ``pictures`` is None where the form carries none or none were
    asked for. With ``reencoded`` a picture is not the file that was published: its bytes serve
    perceptual hashes only. ``tie_break`` (punsafe) may order work, never decide.
    """

    start: int
    row_keys: list[str | None]
    urls: list[str | None]
    captions: list[str | None]
    given: "dict[str, pa.Array[Any]]"
    bad_given: list[bool]
    pictures: list[bytes | None] | None
    reencoded: bool
    statuses: list[str | None] | None
    tie_break: list[float | None] | None

    def __len__(self) -> int:
        return len(self.row_keys)

    def part(self, begin: int, end: int, pictures: list[bytes | None] | None) -> "Batch":
        """Return rows ``begin`` to ``end`` of this batch, with ``pictures`` for them."""
        return dataclasses.replace(
            self,
            start=self.start + begin,
            row_keys=self.row_keys[begin:end],
            urls=self.urls[begin:end],
            captions=self.captions[begin:end],
            given={name: values[begin:end] for name, values in self.given.items()},
            bad_given=self.bad_given[begin:end],
            pictures=pictures,
            statuses=None if self.statuses is None else self.statuses[begin:end],
            tie_break=None if self.tie_break is None else self.tie_break[begin:end],
        )


class ShardReader(ABC):
    """One shard of one form. Every method raises DatasetError for files that cannot be read."""

    form: str

    def __init__(self, location: str, columns: dict[str, str]) -> None:
        self.location = location
        self.columns = columns
        self.notes: list[str] = []

    @abstractmethod
    def rows(self) -> int:
        """Return how many rows there are, having checked that the shard can be read."""

    @abstractmethod
    def batches(self, rows: int = 4096, pictures: bool = True, start: int = 0) -> Iterator[Batch]:
        """Yield the rows from ``start`` on, in order, at most ``rows`` of them at a time.

        Batches with pictures are smaller where the pictures are large: memory stays bounded.
        """

    def members(self) -> list[tuple[str, str]]:
        """Return each file of the shard as (name relative to the shard's folder, location)."""
        return [(files.name_of(self.location), self.location)]

    def checksum(self) -> str:
        """Return SHA-256 in hex: of the file, or of names and digests where there are several."""
        with readable(self.location):
            members = self.members()
            if len(members) == 1:
                return files.sha256(members[0][1])
            digest = hashlib.sha256()
            for name, location in sorted(members):
                digest.update(f"{name}\0{files.sha256(location)}\n".encode())
            return digest.hexdigest()

    def size(self) -> int:
        """Return the bytes of all files of the shard."""
        with readable(self.location):
            return sum(files.size(location) for _, location in self.members())

    def refuse(self, reason: str) -> DatasetError:
        """Return the error for this shard, to be raised."""
        return refusal(self.location, reason)


def refusal(location: str, reason: str) -> DatasetError:
    """Return an error that names the file and says what is wrong with it."""
    return DatasetError(f"{files.shown(location)}: {reason}")


@contextlib.contextmanager
def readable(location: str) -> Iterator[None]:
    """Turn what libraries raise over a broken file into one DatasetError without its content."""
    try:
        yield
    except files.LocationError as error:
        raise DatasetError(str(error)) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise refusal(
            location, "the compressed data is broken or cut short; copy the file again"
        ) from error
    except UnicodeError as error:
        raise refusal(location, "the text is not UTF-8; convert it to UTF-8") from error
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise refusal(location, "the file is broken or cut short; copy it again") from error
