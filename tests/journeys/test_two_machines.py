"""Two workers that share nothing but the database, the queue and a bucket: one scan, done once."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from moderation import files, tasks
from moderation.datasets.registering import register
from moderation.models import Entry, Flag, Match, Scan, ShardScan
from moderation.scanning import fetching, planning
from sample.server import PictureServer
from tests.moderation.datasets.s3 import bucket  # noqa: F401  # a fixture

from . import findings
from .conftest import StartWorker
from .test_interruptions import over, until

pytestmark = pytest.mark.django_db(transaction=True)
Lists = Callable[..., list[Any]]
READ = re.compile(r"GET /shards/ledgers/indexes/[0-9a-f]+\.index")


@pytest.fixture
def reads() -> Iterator[list[str]]:
    """The requests that read an index file from the bucket."""
    found: list[str] = []

    class Reading(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.extend(READ.findall(record.getMessage()))

    log, handler = logging.getLogger("werkzeug"), Reading()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield found
    log.removeHandler(handler)
    log.setLevel(before)


@pytest.fixture
def shared(
    bucket: str,  # noqa: F811
    surroundings: dict[str, str],
    settings: Settings,
) -> None:
    """Ledgers, index files and evidence in the bucket, for this process and every worker."""
    from os import environ

    for name in ("LEDGER_URL", "EVIDENCE_URL"):
        location = files.join(bucket, name.removesuffix("_URL").lower().replace("ger", "gers"))
        setattr(settings, name, location)
        surroundings[name] = location
    surroundings["FETCH_TOTAL_SECONDS"] = "10"  # enough for all that come, on a busy machine too
    surroundings.update({name: text for name, text in environ.items() if name.startswith("AWS_")})


@pytest.fixture
def scanned(
    shared: None,
    surroundings: dict[str, str],
    moved: Path,
    truth: dict[str, Any],
    load_lists: Lists,
    worker: StartWorker,
    tmp_path: Path,
) -> Callable[[int], Scan]:
    """Scan laion5b with so many workers, each with a folder of its own, on an empty database."""

    def scan(machines: int) -> Scan:
        load_lists("1")
        until_tomorrow = timezone.now() + timedelta(days=1)
        fetching.switch_on(basis="test", officer="T. Ester", until=until_tomorrow, by=None)
        paths = [str(moved / path) for path in truth["datasets"]["laion5b"]["paths"]]
        revision = register(paths, dataset="laion5b", revision="v1", by=None).revision
        started = []
        for number in range(machines):
            surroundings["BREAKWATER_DATA"] = str(tmp_path / f"machine-{machines}-{number}")
            started.append(worker())
        made = planning.start(revision, by=None, fetch=True)
        tasks.feed(made)
        until(over(made), every=tasks.resume_lost.delay)
        for process in started:
            process.terminate()
            process.wait(60)
        return made

    return scan


def emptied() -> None:
    call_command("flush", interactive=False, verbosity=0, reset_sequences=False)


def test_two_workers_find_what_one_finds_and_each_reads_the_index_once(
    scanned: Callable[[int], Scan],
    pictures: PictureServer,
    reads: list[str],
    tmp_path: Path,
) -> None:
    alone = scanned(1)
    assert alone.state == Scan.State.FINISHED
    expected, asked = findings.of(alone), Counter(pictures.requests)
    one_download = len(reads)
    assert one_download
    emptied()
    pictures.forget()
    reads.clear()

    both = scanned(2)

    assert both.state == Scan.State.FINISHED
    assert findings.of(both) == expected  # which also says that no match and no flag stands twice
    assert Counter(pictures.requests) == asked
    assert ShardScan.objects.filter(scan=both, attempts=1).count() == both.shard_scans.count()
    assert Flag.objects.count() == Entry.objects.count()
    assert Match.objects.count() == len(expected.matches)
    folders = [tmp_path / f"machine-2-{number}" / "cache" / "indexes" for number in range(2)]
    names = [sorted(path.name for path in folder.glob("*.index")) for folder in folders]
    assert names[0] == names[1]
    assert names[0]
    assert not [path for folder in folders for path in folder.glob(".*.index.*")]
    assert len(reads) == 2 * one_download
    assert all(shard.ledger.startswith("s3://") for shard in both.revision.shards.all())
    assert not (tmp_path / "ledgers").exists()
