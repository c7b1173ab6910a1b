"""One shard written again without some of its rows; the source stays as it is.

What the form lets stay equal stays equal byte for byte: lines of CSV and JSON, the files of
img2dataset's ``files`` form, members of a tar with their headers. Parquet is equal row for row,
with the schema, metadata, compression and row groups of the source. A shard that loses nothing is
copied. The same call makes the same bytes again. Everything is written aside first and moved into
place last; what stands there already and is not the same to the byte is never touched.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from moderation import files
from moderation.datasets.readers import img2dataset
from moderation.datasets.readers.base import (
    IMG2DATASET,
    IMG2DATASET_FILES,
    IMG2DATASET_WEBDATASET,
    LINKS_CSV,
    LINKS_JSONL,
    ShardReader,
    readable,
)
from moderation.datasets.readers.detecting import open_shard

from . import placing
from .lines import rewrite_text
from .parquet import rewrite_parquet
from .sidecars import removed_of, rewrite_stats
from .tar import rewrite_tar


@dataclass(frozen=True)
class Rewritten:
    """What became of a shard; ``files`` are (path below the output folder, SHA-256 in hex)."""

    rows_in: int
    rows_out: int
    removed: int
    files: list[tuple[str, str]]


def rewrite_shard(
    form: str,
    location: str,
    columns: dict[str, str],
    out_dir: str,
    remove_rows: Collection[int],
) -> Rewritten:
    """Write the shard at ``location`` below ``out_dir`` without ``remove_rows`` (from 0).

    Names stay as they are. DatasetError if the shard cannot be read, has no such row, would be
    written over itself, or if something else stands in its place, a link included; then nothing
    is written. A file that could not be finished is not there.
    """
    reader = open_shard(form, location, columns)
    rows = reader.rows()
    remove = set(remove_rows)
    if remove and not (min(remove) >= 0 and max(remove) < rows):
        raise reader.refuse(f"asked to remove a row that it does not have; it has {rows}")
    with readable(location):
        placing.refuse_own_place(reader, out_dir)
        placing.refuse_links(reader, out_dir)
        with placing.aside(out_dir) as folder:
            written = _write(form, reader, folder, remove)
            placing.place(reader, folder, out_dir, written)
    return Rewritten(rows, rows - len(remove), len(remove), sorted(written))


def _write(form: str, reader: ShardReader, out_dir: str, remove: set[int]) -> list[tuple[str, str]]:
    name = files.name_of(reader.location)
    target = files.join(out_dir, name)
    if form == IMG2DATASET_FILES:
        return _write_files(cast(img2dataset.FilesReader, reader), out_dir, remove)
    if form == IMG2DATASET_WEBDATASET:
        return _write_webdataset(reader, out_dir, remove)
    if form in (LINKS_CSV, LINKS_JSONL):
        if not remove:
            return [(name, files.copy(reader.location, target))]
        return [(name, rewrite_text(form, reader.location, target, remove))]
    written = [(name, rewrite_parquet(reader.location, target, remove))]
    if form in IMG2DATASET:
        removed = removed_of(reader.location, remove)
        written += rewrite_stats(reader.location, out_dir, removed)
    return written


def _write_files(
    reader: img2dataset.FilesReader, out_dir: str, remove: set[int]
) -> list[tuple[str, str]]:
    name = img2dataset.stem(reader.location)
    folder = files.join(out_dir, name)
    removed = removed_of(reader.location, remove)
    kept = [
        each.name for each in reader.listed() if each.name.partition(".")[0] not in removed.keys
    ]
    written = [
        (
            f"{name}/{each}",
            files.copy(files.join(reader.folder, each), files.join(folder, each), sync=False),
        )
        for each in kept
    ]
    written += rewrite_stats(reader.location, out_dir, removed)
    sidecar = files.name_of(reader.location)
    target = files.join(out_dir, sidecar)
    written.append((sidecar, rewrite_parquet(reader.location, target, remove)))
    return written


def _write_webdataset(reader: ShardReader, out_dir: str, remove: set[int]) -> list[tuple[str, str]]:
    name = files.name_of(reader.location)
    target = files.join(out_dir, name)
    if not isinstance(reader, img2dataset.WebdatasetReader):
        return [(name, rewrite_tar(reader.location, target, remove, None))]
    removed = removed_of(reader.sidecar, remove)
    sidecar = files.name_of(reader.sidecar)
    return [
        (name, rewrite_tar(reader.location, target, remove, removed.keys)),
        *rewrite_stats(reader.location, out_dir, removed),
        (sidecar, rewrite_parquet(reader.sidecar, files.join(out_dir, sidecar), remove)),
    ]
