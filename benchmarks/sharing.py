"""The same scan by one worker process and by two, on two cores: shards are shared out by the queue.

A first hash-only scan of a dataset's md5 column, and one of pictures that the dataset carries. Each
worker hashes with one thread, so that what is compared is processes.
"""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import pictures
from benchmarks.database import own_database
from benchmarks.table import Goal, Results, Row, rate, subject
from benchmarks.working import scanned, workers

SHARDS = 8
STEP = 65_536
DISTINCT = 200  # pictures that are made; shards hold them again and again
GOAL = Goal(1.7, 1.95)


def measure(quick: bool) -> Results:
    """Return all rows of this subject."""
    results = Results()
    rows = (16_000, 80_000) if quick else (1_000_000, 10_000_000)
    carried = (80, 160) if quick else (400, 4_000)
    files = pictures.jpegs(20 if quick else DISTINCT, seed=13)
    with own_database() as folder:
        from moderation.hash_lists.loading import load

        known = io.BytesIO(b"ab" * 16 + b"\n")
        load(known, slug="known", label="1", format="plain", algorithm="md5")
        spent: dict[tuple[str, int, int], list[float]] = {}
        for turn in range(1 if quick else 3):
            for processes in (1, 2):
                with workers(folder, processes=processes, environment={"HASH_THREADS": "1"}):
                    for number in range(2 * processes):  # each process opens the index once
                        _links(folder, f"warm-{turn}-{processes}-{number}", 16_000)
                    for size in rows:
                        seconds = _links(folder, f"links-{turn}-{processes}-{size}", size)
                        spent.setdefault(("links", size, processes), []).append(seconds)
                    for size in carried:
                        label = f"pictures-{turn}-{processes}-{size}"
                        seconds = _pictures(folder, label, size, files)
                        spent.setdefault(("pictures", size, processes), []).append(seconds)
    for what, sizes in (("links", rows), ("pictures", carried)):
        for size in sizes:
            one, two = (
                sorted(spent[what, size, n])[len(spent[what, size, n]) // 2] for n in (1, 2)
            )
            name = "hash-only scan" if what == "links" else "scan of carried pictures"
            results.rows.append(
                Row(
                    f"{name}, two worker processes against one",
                    f"{size:,} entries",
                    rate(size, two),
                    f"one process {rate(size, one)}",
                    one / two,
                    GOAL if size == sizes[-1] else Goal(),
                )
            )
    results.notes.append(
        "Two processes against one: seconds of the clock of a whole scan in eight shards by real "
        "workers, the queue and the database on the same two cores."
    )
    return results


def _links(folder: Path, label: str, size: int) -> float:
    random = np.random.default_rng(size)
    schema: Any = pa.schema({"URL": pa.string(), "md5": pa.string()})
    paths = _paths(folder, label)
    with pq.ParquetWriter(paths[0], schema, compression="snappy") as writer:
        for start in range(0, size // SHARDS, STEP):
            count = min(STEP, size // SHARDS - start)
            values = random.integers(0, 256, (count, 16), dtype=np.uint8)
            urls = [f"https://h{n % 999}.invalid/{n}.jpg" for n in range(start, start + count)]
            hexes = [value.tobytes().hex() for value in values]
            writer.write_table(pa.table([urls, hexes], schema=schema))
    return _scanned(paths, label)


def _pictures(folder: Path, label: str, size: int, files: list[bytes]) -> float:
    paths = _paths(folder, label)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": files[n % len(files)], "path": f"{n}.jpg"} for n in range(size // SHARDS)]
    table = pa.table({"image": pa.array(rows, kind), "label": list(range(len(rows)))})
    pq.write_table(table, paths[0], row_group_size=64)
    return _scanned(paths, label)


def _paths(folder: Path, label: str) -> list[Path]:
    place = folder / "dataset" / label
    place.mkdir(parents=True)
    return [place / f"train-{number:05}-of-{SHARDS:05}.parquet" for number in range(SHARDS)]


def _scanned(paths: list[Path], label: str) -> float:
    """Scan so many shards of one content; return the seconds."""
    from moderation.datasets.registering import register

    for path in paths[1:]:
        os.link(paths[0], path)
    done = register([str(each) for each in paths], dataset="bench", revision=label, by=None)
    seconds, _ = scanned(done.revision, fetch=False)
    return seconds


if __name__ == "__main__":
    subject(measure, __doc__)
