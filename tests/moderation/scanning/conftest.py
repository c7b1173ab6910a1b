"""A small dataset and lists of some of its pictures, scanned in this process."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from moderation import tasks
from moderation.datasets.registering import register
from moderation.hash_lists.loading import ListOptions, Loaded, load
from moderation.media.hashing import hash_picture
from moderation.models import Revision, Scan, ShardScan
from moderation.scanning import planning, rescans
from tests import pictures

LoadList = Callable[..., Loaded]
RunScan = Callable[..., Scan]


@pytest.fixture(autouse=True)
def stores(settings: Settings, tmp_path: Path) -> None:
    """Ledgers and evidence of this test alone."""
    settings.LEDGER_URL = (tmp_path / "ledgers").as_uri()
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()


@pytest.fixture
def drawn() -> list[bytes]:
    return [pictures.encoded(pictures.picture(seed), quality=92) for seed in range(12)]


@pytest.fixture
def links(drawn: list[bytes], tmp_path: Path, transactional_db: None) -> Revision:
    """Two shards of six links each, with an md5 column."""
    for number in range(2):
        part = drawn[number * 6 : number * 6 + 6]
        pictures.links(tmp_path / f"part-{number}.parquet", part)
    paths = [str(tmp_path / f"part-{number}.parquet") for number in range(2)]
    return register(paths, dataset="harbour", revision="v1", by=None).revision


@pytest.fixture
def embedded(drawn: list[bytes], tmp_path: Path, transactional_db: None) -> Revision:
    """One shard of twelve pictures, as they were uploaded."""
    path = pictures.embedded(tmp_path / "train-00000-of-00001.parquet", drawn)
    return register([str(path)], dataset="quay", revision="v1", by=None).revision


@pytest.fixture
def load_list(transactional_db: None) -> LoadList:
    """Load values as ``algorithm value`` lines: ``load_list("demo", "1", ["md5 ..."])``."""

    def make(
        slug: str,
        label: str,
        lines: list[str],
        *,
        trust: str = "standard",
        negative: bool | None = None,
    ) -> Loaded:
        return load(
            io.BytesIO("\n".join(lines).encode()),
            slug=slug,
            label=label,
            format="plain",
            options=ListOptions(trust=trust, harm_class="csam", synthetic=True, negative=negative),
        )

    return make


@pytest.fixture
def run_scan(transactional_db: None) -> RunScan:
    """Start a scan and do its work here, shard after shard."""

    def make(revision: Revision, *, fetch: bool = False) -> Scan:
        return finish(planning.start(revision, by=None, fetch=fetch))

    return make


def finish(scan: Scan) -> Scan:
    """Do what a worker would do, without a queue."""
    for shard_scan in scan.shard_scans.exclude(state=ShardScan.State.DONE):
        tasks.do_shard(shard_scan.pk)
    tasks.close_if_done(scan)
    scan.refresh_from_db()
    return scan


def rescan(revision: Revision) -> list[Scan]:
    """Scan what is due, as the schedule would."""
    return [finish(rescans.start(each, by=None)) for each in rescans.due(revision)]


def md5_of(data: bytes) -> str:
    return "md5 " + hashlib.md5(data).hexdigest()


def pdq_of(data: bytes) -> str:
    return "pdq " + hash_picture(data, exact=True).pdq.hex()
