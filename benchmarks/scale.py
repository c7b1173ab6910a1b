"""``python -m benchmarks.scale [--rows N]``: whole scans of many rows, as a worker does them.

Three scans of one dataset of links, in one process: a first hash-only scan of the dataset's md5
column, a rescan of its ledgers against 10,000 new PDQ values, and one against as many md5 values.
The rescans' ledgers hold what a fetching scan leaves (random values; nobody fetches for this). A
few shards are made and stand in the dataset again and again under other names, so that 100 M rows
need the disk of a few million; the page cache then serves what a storage would.

Beside each: the time that pyarrow takes to read the column alone, and for PDQ to read all columns
that are compared (eight orientations and the variants). Memory is told after the first tenth, at
the end, and the most there was in between: it must not grow.
"""

import argparse
import io
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.database import own_database

SHARD_ROWS = 1_000_000
DISTINCT = 2  # shards that are made; the others are links to these
NEW = 10_000
PLANTED = 5  # of the new values, from each distinct shard, spread over it
WIDTH = 32
STEP = 65_536
COMPARED = ["pdq", "pdq_turns", "pdq_variants"]
Values = NDArray[np.uint8]
LINKS: Any = {"URL": pa.string(), "TEXT": pa.string(), "hash": pa.int64(), "md5": pa.string()}


@dataclass(frozen=True)
class Measured:
    """One scan: its rows, and what it took of CPU (s), clock (s) and memory (MiB)."""

    what: str
    rows: int
    cpu: float
    wall: float
    early: int
    late: int
    most: int  # after the first tenth
    flags: int
    alone: float  # CPU seconds to read the compared column of all shards with pyarrow
    compared: float  # the same of all columns that are compared


def main() -> int:
    """Measure and print; exit code 1 where a planted value was not found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="default: %(default)s")
    parser.add_argument("--folder", help="where to make the files (default: the system's own)")
    options = parser.parse_args()
    count = max(1, options.rows // SHARD_ROWS)
    with own_database(options.folder) as folder:
        results, right = _measure(folder, count)
    print("\n".join(machine.described()))
    print(f"\n{count * SHARD_ROWS:,} rows in {count} shards, one process\n")
    print(
        "| scan | rows/s/core | CPU s | clock s | x the column alone | x all that is compared "
        "| MiB early, late, most | flags |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for each in results:
        print(
            f"| {each.what} | {each.rows / each.cpu:,.0f} | {each.cpu:.1f} | {each.wall:.1f} "
            f"| {each.cpu / each.alone:.1f} | {each.cpu / each.compared:.1f} "
            f"| {each.early}, {each.late}, {each.most} | {each.flags:,} |"
        )
    return 0 if right else 1


def _measure(folder: Path, count: int) -> tuple[list[Measured], bool]:
    from moderation.datasets.registering import register
    from moderation.models import Flag
    from moderation.scanning import planning, rescans

    made = [_links(folder / f"made-{n}.parquet", n) for n in range(min(DISTINCT, count))]
    paths = []
    for n in range(count):
        paths.append(folder / "dataset" / f"part-{n:05}.parquet")
        paths[-1].parent.mkdir(exist_ok=True)
        os.link(folder / f"made-{n % DISTINCT}.parquet", paths[-1])
    registered = register([str(path) for path in paths], dataset="scale", revision="1", by=None)
    revision = registered.revision
    random = np.random.default_rng(7)
    planted = np.concatenate([md5[:: SHARD_ROWS // PLANTED] for md5 in made])
    repeats = [len(range(n, count, DISTINCT)) for n in range(len(made))]
    expected = PLANTED * sum(repeats)

    _load("first", "md5", np.concatenate([planted, _random(random, NEW, 16)]))
    results = [
        _scanned("first scan, md5 column", planning.start(revision, by=None), paths, "md5"),
    ]
    right = Flag.objects.count() == expected

    ledgers, pdqs, digests = _ledgers(folder, revision, len(made))
    for slug, algorithm, hashes in (("pdq", "pdq", pdqs), ("md5", "md5", digests)):
        new = np.concatenate([each[-PLANTED:] for each in hashes])
        _load(f"new-{slug}", algorithm, np.concatenate([new, _random(random, NEW, new.shape[1])]))
        [due] = rescans.due()
        what = f"rescan, {NEW:,} new {algorithm}"
        results.append(_scanned(what, rescans.start(due, by=None), ledgers, algorithm))
        right = right and results[-1].flags == expected
    return results, right


def _scanned(what: str, scan: Any, files: list[Path], column: str) -> Measured:
    from moderation import tasks
    from moderation.models import ShardScan
    from moderation.scanning import progress

    shards = list(scan.shard_scans.order_by("shard__number").values_list("pk", flat=True))
    early, cpu, wall = 0, time.process_time(), time.monotonic()
    for number, pk in enumerate(shards, 1):
        tasks.do_shard(pk)
        if number == max(1, len(shards) // 10):
            early = _resident()
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak anew
    tasks.close_if_done(scan)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    scan.refresh_from_db()
    if scan.shard_scans.exclude(state=ShardScan.State.DONE).exists():
        raise SystemExit(f"{what}: {scan.error or 'shards are left over'}")
    late, most = _resident(), _peak()
    alone = _reading(files, [column])
    compared = _reading(files, COMPARED) if column == "pdq" else alone
    rows, flags = len(shards) * SHARD_ROWS, progress.as_json(scan)["flags"]
    return Measured(what, rows, cpu, wall, early, late, most, flags, alone, compared)


def _reading(files: list[Path], columns: list[str]) -> float:
    """Return the CPU seconds that pyarrow takes to read these columns of all files, and no more."""
    begin = time.process_time()
    for path in files:
        for _ in pq.ParquetFile(path, pre_buffer=False).iter_batches(STEP, columns=columns):
            pass
    return time.process_time() - begin


def _links(path: Path, seed: int) -> Values:
    """Write a shard of links as LAION has them and return its md5 values."""
    random = np.random.default_rng(seed)
    md5 = _random(random, SHARD_ROWS, 16)
    with pq.ParquetWriter(path, pa.schema(LINKS), compression="snappy") as writer:
        for start in range(0, SHARD_ROWS, STEP):
            part = md5[start : start + STEP]
            rows = range(start, start + len(part))
            keys = random.integers(-(2**62), 2**62, len(part))
            urls = [f"https://h{n % 999}.invalid/{seed}/{keys[n - start]:x}/{n}.jpg" for n in rows]
            texts = [f"a drawing of harbour number {n}, seen from pier {n % 77}" for n in rows]
            hexes = [value.tobytes().hex() for value in part]
            writer.write_table(pa.table([urls, texts, keys, hexes], schema=pa.schema(LINKS)))
    return md5


def _ledgers(
    folder: Path, revision: Any, distinct: int
) -> tuple[list[Path], list[Values], list[Values]]:
    """Give each shard the ledger of a scan that fetched, and return their files and values."""
    pdqs, digests, locations = [], [], []
    shards = list(revision.shards.order_by("number"))
    for n in range(distinct):
        path = folder / f"ledger-{n}.parquet"
        pdq, md5 = _ledger(path, n, shards[n].checksum)
        pdqs.append(pdq)
        digests.append(md5)
    for shard in shards:
        place = folder / "ledgers" / f"{shard.number:05}.parquet"
        place.parent.mkdir(exist_ok=True)
        os.link(folder / f"ledger-{shard.number % DISTINCT}.parquet", place)
        shard.ledger = place.as_uri()
        shard.lacks = []  # unlike that of the scan before, which had digests alone
        shard.save(update_fields=["ledger", "lacks"])
        locations.append(place)
    return locations, pdqs, digests


def _ledger(path: Path, seed: int, checksum: str) -> tuple[Values, Values]:
    from django.conf import settings

    from moderation.datasets.ledger import TURNS_WIDTH, LedgerWriter

    random = np.random.default_rng(1000 + seed)
    kept: list[tuple[Values, Values]] = []
    about = {"shard_checksum": checksum, "algorithm_version": settings.ALGORITHM_VERSION}
    with LedgerWriter(str(path), **about) as writer:
        for start in range(0, SHARD_ROWS, STEP):
            count = min(STEP, SHARD_ROWS - start)
            pdq, md5 = _random(random, count, WIDTH), _random(random, count, 16)
            kept.append((pdq[:1], md5[-1:]))
            variants = _variants(random, count)
            writer.write(
                {
                    "row": np.arange(start, start + count),
                    "row_key": [str(n) for n in range(start, start + count)],
                    "url_key": _random(random, count, 16),
                    "md5": md5,
                    "sha1": _random(random, count, 20),
                    "sha256": _random(random, count, 32),
                    "pdq": pdq,
                    "pdq_turns": _random(random, count, TURNS_WIDTH),
                    "pdq_quality": np.full(count, 90, np.uint8),
                    "pdq_variants": variants,
                    "phash": _random(random, count, 8),
                    "outcome": ["hashed"] * count,
                    "reason": ["fetched"] * count,
                    "fetched_at": np.full(count, np.datetime64("2026-01-01", "s")),
                }
            )
    pdqs, digests = zip(*kept, strict=True)
    return np.concatenate(pdqs), np.concatenate(digests)


def _variants(random: np.random.Generator, count: int) -> pa.Array:
    """Two variants of each entry."""
    from moderation.datasets.ledger import SCHEMA

    kind: Any = SCHEMA.field("pdq_variants").type
    names = pa.array(["uncropped_5", "uncropped_10"] * count)
    quality = pa.array(np.full(2 * count, 90, np.uint8))
    values = pa.py_buffer(_random(random, 2 * count, WIDTH).data)
    pdq = pa.Array.from_buffers(pa.binary(WIDTH), 2 * count, [None, values])
    each: Any = pa.StructArray.from_arrays([names, quality, pdq], fields=list(kind.value_type))
    offsets: Any = pa.array(np.arange(0, 2 * count + 1, 2, np.int32))
    return pa.ListArray.from_arrays(offsets, each, type=kind)


def _load(slug: str, algorithm: str, values: Values) -> None:
    from moderation.hash_lists.loading import load

    text = "".join(f"{value.tobytes().hex()}\n" for value in values)
    load(io.BytesIO(text.encode()), slug=slug, label="1", format="plain", algorithm=algorithm)


def _random(random: np.random.Generator, count: int, width: int) -> Values:
    return random.integers(0, 256, (count, width), dtype=np.uint8)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() >> 20


def _peak() -> int:
    """Return the most that was resident since the peak was last set back, in MiB (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    [line] = [each for each in status.splitlines() if each.startswith("VmHWM")]
    return int(line.split()[1]) >> 10


if __name__ == "__main__":
    raise SystemExit(main())
