"""One shard written again without some of its rows; the source stays as it is.

What the form lets stay equal stays equal byte for byte: lines of CSV and JSON, the files of
img2dataset's ``files`` form, members of a tar with their headers. Parquet is equal row for row,
with the schema, metadata, compression and row groups of the source. A shard that loses nothing is
copied. The same call makes the same bytes again. Everything is written aside first and moved into
place last; what stands there already and is not the same to the byte is never touched.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from moderation import files
from moderation.datasets.readers import img2dataset, pages, parquet, tars, text
from moderation.datasets.readers.base import (
    BATCH_BYTES,
    IMG2DATASET,
    IMG2DATASET_FILES,
    IMG2DATASET_WEBDATASET,
    LINKS_CSV,
    LINKS_JSONL,
    DatasetError,
    ShardReader,
    readable,
    refusal,
)
from moderation.datasets.readers.detecting import open_shard

GROUP_BYTES = 256 << 20  # a larger row group is written in parts: memory stays bounded
_ROWS_AT_ONCE = 65_536
_STATS_BYTES = 16 << 20
_CODECS = {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4", "LZ4_HADOOP": "lz4"}


@dataclass(frozen=True)
class Rewritten:
    """What became of a shard; ``files`` are (path below the output folder, SHA-256 in hex)."""

    rows_in: int
    rows_out: int
    removed: int
    files: list[tuple[str, str]]


@dataclass
class _Removed:
    """What the sidecar says of the rows that go: keys, statuses, and messages of failures."""

    keys: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)


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
        _refuse_own_place(reader, out_dir)
        _refuse_links(reader, out_dir)
        with _aside(out_dir) as folder:
            written = _write(form, reader, folder, remove)
            _place(reader, folder, out_dir, written)
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
        return [(name, _write_text(form, reader.location, target, remove))]
    written = [(name, rewrite_parquet(reader.location, target, remove))]
    if form in IMG2DATASET:
        removed = _removed(reader.location, remove)
        written += _write_stats(reader.location, out_dir, removed)
    return written


def rewrite_parquet(location: str, target: str, remove: set[int]) -> str:
    """Write a Parquet file again without some rows and return the SHA-256 of the new file."""
    if not remove:
        return files.copy(location, target)
    with (
        parquet.opened(location) as file,
        files.write_atomically(target) as out,
        _Digesting(out) as stream,
        pq.ParquetWriter(cast(Any, stream), file.schema_arrow, **_same_options(file)) as writer,
    ):
        first = 0
        for number in range(file.num_row_groups):
            for table in _tables(file, location, number):
                stays = np.fromiter(
                    (row not in remove for row in range(first, first + table.num_rows)),
                    np.bool_,
                    table.num_rows,
                )
                first += table.num_rows
                kept = table if stays.all() else table.filter(pa.array(stays))
                if kept.num_rows:
                    writer.write_table(kept, row_group_size=kept.num_rows)
        if first != file.metadata.num_rows:
            raise refusal(location, "rows are missing from the file; copy it again")
    _check_same(location, target, len(remove))
    return stream.hexdigest()


def _tables(file: pq.ParquetFile, location: str, group: int) -> Iterator[pa.Table]:
    """Yield a row group as one table, or as several of about GROUP_BYTES where it is larger."""
    with files.open_input(location) as stream:
        step = pages.rows_at_once(file, stream, location, group, None, BATCH_BYTES)
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in file.iter_batches(min(step, _ROWS_AT_ONCE), row_groups=[group]):
        if held and size + batch.nbytes > GROUP_BYTES:
            yield pa.Table.from_batches(held, file.schema_arrow)
            held, size = [], 0
        held.append(batch)
        size += batch.nbytes
    if held:
        yield pa.Table.from_batches(held, file.schema_arrow)


def _same_options(file: pq.ParquetFile) -> dict[str, Any]:
    """Return the writer's options that make a file like the one that was read."""
    chunks = [
        file.metadata.row_group(group).column(n)
        for group in range(file.num_row_groups)
        for n in range(file.metadata.num_columns)
    ]
    paths = [file.schema.column(n).path for n in range(file.metadata.num_columns)]
    version = file.metadata.format_version
    order = file.metadata.row_group(0).sorting_columns if file.num_row_groups else ()
    return {
        "version": version if version in ("1.0", "2.4", "2.6") else "2.6",
        "compression": {
            chunk.path_in_schema: _CODECS.get(chunk.compression, chunk.compression.lower())
            for chunk in chunks
        }
        or "none",
        "use_dictionary": sorted(
            {c.path_in_schema for c in chunks if any("DICTIONARY" in e for e in c.encodings)}
        ),
        "write_statistics": sorted({c.path_in_schema for c in chunks if c.is_stats_set}),
        "write_page_index": any(c.has_offset_index for c in chunks),
        "use_deprecated_int96_timestamps": any(c.physical_type == "INT96" for c in chunks),
        "use_compliant_nested_type": not any(p.endswith(".list.item") for p in paths),
        "store_schema": b"ARROW:schema" in (file.metadata.metadata or {}),
        "sorting_columns": order or None,
    }


def _check_same(location: str, target: str, removed: int) -> None:
    """Delete what was written and raise DatasetError unless it is like its source."""
    with parquet.opened(location) as source, parquet.opened(target) as made:
        same = source.schema_arrow.equals(made.schema_arrow, check_metadata=True)
        if same and made.metadata.num_rows == source.metadata.num_rows - removed:
            return
    files.delete(target)
    raise refusal(location, "its columns cannot be written as they were; nothing was written")


def _write_text(form: str, location: str, target: str, remove: set[int]) -> str:
    zipped = location.partition("?")[0].lower().endswith(".gz")
    with files.write_atomically(target) as out, _Digesting(out) as stream:
        # No name and no time inside, so that the same rows make the same bytes.
        packed = gzip.GzipFile("", "wb", fileobj=stream, mtime=0) if zipped else None
        sink = cast(BinaryIO, packed or stream)
        row = -1 if form == LINKS_CSV else 0  # a CSV's first record is its header
        records = text.csv_records(location) if form == LINKS_CSV else text.jsonl_records(location)
        for raw, values in records:
            is_row = bool(values) if form == LINKS_CSV else values is not None
            if not (is_row and row in remove):
                sink.write(raw)
            elif raw.startswith(text.BOM):
                sink.write(text.BOM)
            row += is_row
        if packed is not None:
            packed.close()
        if stream.tell() == 0:
            # An empty file could as well be a copy that failed; a blank line holds no row.
            stream.write(b"\n")
    return stream.hexdigest()


def _write_files(
    reader: img2dataset.FilesReader, out_dir: str, remove: set[int]
) -> list[tuple[str, str]]:
    name = img2dataset.stem(reader.location)
    folder = files.join(out_dir, name)
    removed = _removed(reader.location, remove)
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
    written += _write_stats(reader.location, out_dir, removed)
    sidecar = files.name_of(reader.location)
    target = files.join(out_dir, sidecar)
    written.append((sidecar, rewrite_parquet(reader.location, target, remove)))
    return written


def _write_webdataset(reader: ShardReader, out_dir: str, remove: set[int]) -> list[tuple[str, str]]:
    name = files.name_of(reader.location)
    target = files.join(out_dir, name)
    if not isinstance(reader, img2dataset.WebdatasetReader):
        return [(name, _write_tar(reader.location, target, remove, None))]
    removed = _removed(reader.sidecar, remove)
    sidecar = files.name_of(reader.sidecar)
    return [
        (name, _write_tar(reader.location, target, remove, removed.keys)),
        *_write_stats(reader.location, out_dir, removed),
        (sidecar, rewrite_parquet(reader.sidecar, files.join(out_dir, sidecar), remove)),
    ]


def _write_tar(location: str, target: str, remove: set[int], keys: set[str] | None) -> str:
    """Copy a tar without the members of ``keys``, or of the samples ``remove``; return SHA-256."""
    if not remove:
        return files.copy(location, target)
    with (
        tars.open_tar(location) as source,
        files.write_atomically(target) as out,
        _Digesting(out) as stream,
    ):
        at = 0
        for row, sample in enumerate(img2dataset.samples(source, location)):
            for member in sample.members:
                if member.key in keys if keys is not None else row in remove:
                    _copy_range(source, stream, location, at, member.start)
                    at = member.end
        length = source.seek(0, io.SEEK_END)
        _copy_range(source, stream, location, at, length)
        if length % tars.RECORD == 0:
            stream.write(b"\0" * (-stream.tell() % tars.RECORD))
    return stream.hexdigest()


def _copy_range(
    source: BinaryIO, stream: "_Digesting", location: str, begin: int, end: int
) -> None:
    source.seek(begin)
    while begin < end:
        chunk = source.read(min(files.CHUNK, end - begin))
        if not chunk:
            raise refusal(location, "the tar is broken or cut short; copy it again")
        stream.write(chunk)
        begin += len(chunk)


def _removed(sidecar: str, remove: set[int]) -> _Removed:
    found = _Removed()
    if not remove:
        return found
    with parquet.opened(sidecar) as file:
        wanted = [n for n in ("key", "status", "error_message") if n in file.schema_arrow.names]
        row = 0
        for batch in file.iter_batches(4096, columns=wanted):
            gone = [n for n in range(batch.num_rows) if row + n in remove]
            row += batch.num_rows
            for values in batch.take(pa.array(gone, pa.int64())).to_pylist():
                status = str(values.get("status"))
                if isinstance(values.get("key"), str):
                    found.keys.add(values["key"])
                found.statuses[status] += 1
                found.messages[str(values.get("error_message") or status)] += 1
    return found


def _write_stats(location: str, out_dir: str, removed: _Removed) -> list[tuple[str, str]]:
    """Write ``_stats.json`` with its counts lessened by what is removed, if there is one."""
    name = f"{img2dataset.stem(location)}_stats.json"
    source, target = files.beside(location, name), files.join(out_dir, name)
    if not files.exists(source):
        return []
    if not removed.statuses:
        return [(name, files.copy(source, target))]
    with files.open_input(source) as stream:
        raw = stream.read(_STATS_BYTES)
    try:
        stats = json.loads(raw)
        stats["count"] -= removed.statuses.total()
        for status, count in removed.statuses.items():
            key = "successes" if status == "success" else status
            if key in stats:
                stats[key] -= count
        messages = stats["status_dict"]
        for message, count in removed.messages.items():
            if message in messages:
                messages[message] -= count
                if messages[message] <= 0:
                    del messages[message]
        data = json.dumps(stats, indent=4).encode()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(
            f"{files.shown(source)}: not the statistics that img2dataset writes; "
            "take the file away and apply again"
        ) from error
    with files.write_atomically(target) as out:
        out.write(data)
    return [(name, hashlib.sha256(data).hexdigest())]


def _refuse_own_place(reader: ShardReader, out_dir: str) -> None:
    home = files.beside(reader.location, "")
    places = [(out_dir, home)]
    names = [files.name_of(reader.location)]
    if isinstance(reader, img2dataset.FilesReader):
        names.append(img2dataset.stem(reader.location))
        inside = files.is_within(out_dir, reader.folder)
    else:
        inside = False
    places += [(files.join(out_dir, name), files.beside(reader.location, name)) for name in names]
    if inside or any(files.same_place(one, other) for one, other in places):
        raise reader.refuse("would be written over itself; give another output folder")


@contextlib.contextmanager
def _aside(out_dir: str) -> Iterator[str]:
    """Yield a new folder to write into, beside the shard's place if that is on this machine."""
    local = files.local_path(out_dir)
    if local is None:
        with tempfile.TemporaryDirectory() as folder:
            yield folder
        return
    made = not os.path.isdir(local)
    folder = os.path.join(local, f".{secrets.token_hex(8)}.part")
    os.makedirs(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        if made:
            with contextlib.suppress(OSError):  # no longer empty, as it should be
                os.rmdir(local)


def _names(reader: ShardReader) -> list[str]:
    """Return the names that belong to a shard in its folder, whether it has them or not."""
    names = [files.name_of(reader.location)]
    if reader.form in IMG2DATASET:
        name = img2dataset.stem(reader.location)
        names += [name, f"{name}.parquet", f"{name}_stats.json"]
    return sorted(set(names))


def _refuse_links(reader: ShardReader, out_dir: str) -> None:
    for name in _names(reader):
        local = files.local_path(files.join(out_dir, name))
        if local is not None and os.path.islink(local):
            raise _occupied(reader)


def _place(reader: ShardReader, folder: str, out_dir: str, written: list[tuple[str, str]]) -> None:
    """Move what was written to where it belongs, if nothing but the same stands there."""
    made: dict[str, dict[str, str]] = {name: {} for name in _names(reader)}
    for path, digest in written:
        made[path.partition("/")[0]][path] = digest
    absent = []
    for name, digests in made.items():
        target = files.join(out_dir, name)
        if not files.exists(target):
            absent.append(name)
        elif not _holds(out_dir, name, digests):
            raise _occupied(reader)
    local = files.local_path(out_dir)
    for name in absent:
        if not made[name]:
            continue
        if local is None:
            for path in made[name]:
                files.copy(files.join(folder, path), files.join(out_dir, path))
        else:
            os.rename(os.path.join(folder, name), os.path.join(local, name))


def _holds(out_dir: str, name: str, digests: dict[str, str]) -> bool:
    """Say whether a file, or a folder with all in it, is the same as what was written."""
    target = files.join(out_dir, name)
    if not files.is_folder(target):
        return list(digests) == [name] and files.sha256(target) == digests[name]
    found = files.listing(target, hidden=True)
    return {f"{name}/{each.name}" for each in found} == set(digests) and all(
        not (each.link or each.folder)
        and files.sha256(files.join(target, each.name)) == digests[f"{name}/{each.name}"]
        for each in found
    )


def _occupied(reader: ShardReader) -> DatasetError:
    return reader.refuse(
        "something else stands in its place in the output folder; nothing was changed there, "
        "give an empty folder"
    )


class _Digesting(io.RawIOBase):
    """A stream that passes on what is written and keeps the SHA-256 of it."""

    def __init__(self, out: BinaryIO) -> None:
        super().__init__()
        self._out = out
        self._digest = hashlib.sha256()
        self._length = 0

    def writable(self) -> bool:
        """Say that this stream is for writing."""
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._length

    def write(self, data: Any, /) -> int:
        """Write the whole of ``data``."""
        self._out.write(data)
        self._digest.update(data)
        self._length += memoryview(data).nbytes
        return memoryview(data).nbytes

    def hexdigest(self) -> str:
        """Return the SHA-256 of all that was written."""
        return self._digest.hexdigest()
