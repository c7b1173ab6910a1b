"""A worker that fetches holds no more memory after many shards than after a few."""

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.utils import timezone

from moderation import tasks
from moderation.datasets.registering import register
from moderation.hash_lists.loading import load
from moderation.models import Flag, Scan
from moderation.scanning import fetching, planning
from sample.server import PictureServer
from tests.moderation.scanning.conftest import pdq_of
from tests.pictures import encoded, picture

from .conftest import StartWorker
from .test_interruptions import over, until

pytestmark = pytest.mark.django_db(transaction=True)

PICTURES = 20
SHARD_ROWS = 40  # each picture twice
FEW, MANY = 3, 30  # shards
BOUND = 12 << 20  # bytes; what MANY shards fetch is several times as much


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    return [encoded(picture(seed, side=400), quality=97) for seed in range(PICTURES)]


@pytest.fixture
def pictures(files: list[bytes], tmp_path: Path) -> Iterator[PictureServer]:
    """Serves these instead of the sample's."""
    (tmp_path / "pictures").mkdir()
    for number, data in enumerate(files):
        (tmp_path / "pictures" / f"{number}.jpg").write_bytes(data)
    with PictureServer(tmp_path) as server:
        yield server


def scanned(folder: Path, base_url: str, label: str, shards: int) -> Scan:
    """Let the workers fetch and scan so many shards."""
    paths = []
    for shard in range(shards):
        rows = range(SHARD_ROWS)
        urls = [f"{base_url}/pictures/{row % PICTURES}.jpg?{label}-{shard}-{row}" for row in rows]
        paths.append(folder / f"{label}-{shard:03}.parquet")
        pq.write_table(pa.table({"URL": urls, "TEXT": ["A quiet harbour"] * SHARD_ROWS}), paths[-1])
    registered = register([str(path) for path in paths], dataset="quay", revision=label, by=None)
    scan = planning.start(registered.revision, by=None, fetch=True)
    tasks.feed(scan)
    until(over(scan), every=tasks.resume_lost.delay)
    return scan


def held(worker: int) -> tuple[str, int]:
    """Return the one process below a worker that does the tasks, and its memory in bytes."""
    [process] = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
    [line] = [
        line
        for line in Path(f"/proc/{process}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    ]
    return process, int(line.split()[1]) << 10


def test_memory_does_not_grow_with_the_number_of_shards(
    files: list[bytes],
    pictures: PictureServer,
    surroundings: dict[str, str],
    worker: StartWorker,
    tmp_path: Path,
) -> None:
    assert sum(map(len, files)) * SHARD_ROWS // PICTURES * MANY > 5 * BOUND
    surroundings["FETCH_TOTAL_SECONDS"] = "20"
    # Beside that, malloc keeps arenas for the many threads of each shard: they settle after some
    # forty shards and say nothing about what is held.
    surroundings["MALLOC_ARENA_MAX"] = "1"
    known = io.BytesIO(pdq_of(files[0]).encode())
    load(known, slug="demo", label="1", format="plain")
    until_tomorrow = timezone.now() + timedelta(days=1)
    fetching.switch_on(basis="test", officer="T. Ester", until=until_tomorrow, by=None)
    started = worker(processes=1)

    scans = [scanned(tmp_path, pictures.base_url, "few", FEW)]
    process, before = held(started.pid)
    scans.append(scanned(tmp_path, pictures.base_url, "many", MANY))
    same, after = held(started.pid)

    assert [scan.state for scan in scans] == [Scan.State.FINISHED] * 2
    assert len(pictures.requests) == (FEW + MANY) * SHARD_ROWS
    assert Flag.objects.count() == (FEW + MANY) * SHARD_ROWS // PICTURES
    assert same == process  # nothing was let go by ending it
    assert after - before < BOUND, f"{before >> 20} MiB, then {after >> 20} MiB"
