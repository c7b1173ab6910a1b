"""A fetching scan over loopback on two cores, beside img2dataset and what must follow it.

Ours is a scan by a real worker of two processes: HTTP, decode, every hash, the match against
an index, ledger and database. The peers' way to the same: img2dataset downloads (no re-encoding,
sha256), then each file is hashed and looked up as hasher-matcher-actioner (HMA) does it.
"""

import io
import itertools
import multiprocessing
import tarfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import downloading, pictures, serving
from benchmarks.database import own_database
from benchmarks.matching import hashes
from benchmarks.peers import QUALITY, Bytes, hma_index, hma_pdq, reference_pdq
from benchmarks.table import Goal, Results, Row, rate, subject
from benchmarks.working import scanned, workers

KNOWN = 100_000
DISTINCT = 500  # pictures that are made; the links ask for them again and again
KNOWN_ONE_IN = 500
PROCESSES = 2
SHARDS = 8
WARM = 2_000  # links before the time is taken: every process has met a known picture by then


def measure(quick: bool) -> Results:
    """Return all rows of this subject."""
    results = Results()
    files = pictures.jpegs(60 if quick else DISTINCT, seed=11)
    known = hashes(np.random.default_rng(17), KNOWN)
    planted = files[::KNOWN_ONE_IN]
    known[: len(planted)] = [np.frombuffer(reference_pdq(each)[0], np.uint8) for each in planted]
    with serving.serving(files) as address, own_database() as folder:
        environment = {
            "FETCH_ALLOW_ADDRESSES": address,
            "FETCH_PER_HOST": "64",  # one server stands for very many
        }
        _prepare(known)
        with workers(folder, processes=PROCESSES, environment=environment):
            _ours(folder, address, 64 if quick else WARM, "warm")
            for size, repeats in ((200, 1),) if quick else ((1_000, 3), (10_000, 1)):
                _compare(results, folder, address, known, size, repeats)
    results.notes.append(
        "Fetching: seconds of the clock on two cores, in turns; JPEGs of 0.5 megapixels from two "
        "small processes of our own that answer from memory, the same for all, on the same two "
        "cores. Ours decodes (what comes near in full), hashes, looks eight orientations and all "
        f"variants up among {KNOWN:,} known PDQ and writes ledger and flags; one picture in "
        f"{KNOWN_ONE_IN} is known, far more than in a real dataset. img2dataset runs in two "
        f"processes of {downloading.THREADS} threads; HMA then hashes and looks up in two. The "
        "time that processes take to start is left out for all. No limit per host."
    )
    return results


def _compare(
    results: Results, folder: Path, address: str, known: Bytes, size: int, repeats: int
) -> None:
    urls = [f"http://{address}/{number}.jpg" for number in range(size)]
    index, spent = hma_index(known), []
    for turn in range(repeats):
        out = folder / f"peers-{size}-{turn}"
        ours = _ours(folder, address, size, f"{size}-{turn}")
        kept = downloading.download(urls, out / "kept", shard_rows=size // SHARDS, keep=True)
        hashed = _hma(index, sorted((out / "kept" / "out").glob("*.tar")), size)
        bare = downloading.download(urls, out / "bare", shard_rows=size // SHARDS, keep=False)
        spent.append((ours, kept + hashed, kept, bare))
    ours, peers, kept, bare = (sorted(each)[repeats // 2] for each in zip(*spent, strict=True))
    links = f"{size:,} links"
    results.rows += [
        Row(
            "fetching scan, 2 cores",
            links,
            rate(size, ours),
            f"img2dataset, then HMA {rate(size, peers)}",
            peers / ours,
            Goal(4, 7),
        ),
        Row(
            "fetching scan, share of the bare download rate",
            links,
            rate(size, ours),
            f"img2dataset, nothing kept {rate(size, bare)}",
            bare / ours,
            Goal(0.6, 1),
        ),
        Row(
            "fetching scan, share of the rate of downloading to disk",
            links,
            rate(size, ours),
            f"img2dataset, tar files and sha256 {rate(size, kept)}",
            kept / ours,
        ),
    ]


def _prepare(known: Bytes) -> None:
    """Load the known hashes and switch fetching on."""
    from django.utils import timezone

    from moderation.hash_lists.loading import load
    from moderation.scanning import fetching

    text = "".join(f"{value.tobytes().hex()}\n" for value in known)
    load(io.BytesIO(text.encode()), slug="known", label="1", format="plain", algorithm="pdq")
    until = timezone.now() + timedelta(days=1)
    fetching.switch_on(basis="benchmark", officer="nobody", until=until, by=None)


def _ours(folder: Path, address: str, size: int, label: str) -> float:
    from moderation.datasets.registering import register

    paths = []
    for number, rows in enumerate(_batched(range(size), -(-size // SHARDS))):
        paths.append(folder / "dataset" / label / f"part-{number:05}.parquet")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        urls = [f"http://{address}/{row}.jpg" for row in rows]
        pq.write_table(pa.table({"URL": urls, "TEXT": ["a drawing"] * len(urls)}), paths[-1])
    revision = register([str(each) for each in paths], dataset="bench", revision=label, by=None)
    seconds, counted = scanned(revision.revision, fetch=True)
    if counted.outcomes != {"hashed": size} or not counted.flags:
        raise SystemExit(f"not every picture was hashed, or none was found: {counted.reasons}")
    return seconds


_shared: dict[str, Any] = {}  # what forked processes take over


def _hma(index: Any, tars: list[Path], size: int) -> float:
    """Hash and look up the files of all tars in two processes; return the seconds."""
    _shared["index"] = index
    forked = multiprocessing.get_context("fork")
    with forked.Pool(PROCESSES) as pool:
        begin = time.monotonic()
        counts = pool.map(_hma_shard, tars, chunksize=1)
        seconds = time.monotonic() - begin
    if sum(pictures for pictures, _ in counts) != size or not any(found for _, found in counts):
        raise SystemExit(f"HMA saw {counts} of {size} pictures")
    return seconds


def _hma_shard(path: Path) -> tuple[int, int]:
    count = found = 0
    with tarfile.open(path) as tar:
        for member in tar:
            if not member.name.endswith(".jpg"):
                continue
            stored = tar.extractfile(member)
            assert stored is not None
            value, quality = hma_pdq(stored.read())
            count += 1
            if quality >= QUALITY:
                found += bool(_shared["index"].query(value.hex()))
    return count, found


def _batched(rows: range, size: int) -> Iterator[range]:
    for start in itertools.count(0, size):
        if start >= len(rows):
            return
        yield rows[start : start + size]


if __name__ == "__main__":
    subject(measure, __doc__)
