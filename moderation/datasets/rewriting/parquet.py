"""A Parquet file again, row for row, without some of its rows."""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from moderation import files
from moderation.datasets.readers import pages, parquet
from moderation.datasets.readers.base import BATCH_BYTES, refusal

from .digesting import Digesting

GROUP_BYTES = 256 << 20  # a larger row group is written in parts: memory stays bounded
_ROWS_AT_ONCE = 65_536
_CODECS = {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4", "LZ4_HADOOP": "lz4"}


def rewrite_parquet(location: str, target: str, remove: set[int]) -> str:
    """Write a Parquet file again without some rows and return the SHA-256 of the new file."""
    if not remove:
        return files.copy(location, target)
    with (
        parquet.opened(location) as file,
        files.write_atomically(target) as out,
        Digesting(out) as stream,
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
