"""Whatever is killed, flushed, paused or damaged in the middle of a scan: the end is the same as
that of a scan nobody disturbed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import redis
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db.models import Sum
from django.utils import timezone
from pytest_django import Settings

from config import env
from moderation import tasks
from moderation.datasets import ledger
from moderation.datasets.registering import register
from moderation.models import Revision, Scan, Shard, ShardScan
from moderation.scanning import fetching, planning
from sample.server import PictureServer
from tests.moderation.scanning.conftest import finish

from . import findings
from .conftest import Run, StartWorker

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 120  # for a scan to get somewhere
Lists = Callable[..., list[Any]]
Paths = Callable[[str], list[str]]

_undisturbed: list[tuple[findings.Findings, Counter[str]]] = []


@pytest.fixture(autouse=True)
def here(settings: Settings, surroundings: dict[str, str], pictures: PictureServer) -> None:
    """This process works under the same settings as the workers."""
    settings.FETCH_ALLOW_ADDRESSES = [f"127.0.0.1:{pictures.port}"]
    # Time enough for every picture that comes at all, also on a busy machine.
    surroundings["FETCH_TOTAL_SECONDS"] = "6"
    settings.FETCH_TOTAL_SECONDS = 6.0
    settings.FETCH_PER_HOST = 64
    settings.FETCH_MAX_BYTES = 4 << 20
    settings.SCAN_SILENCE_SECONDS = 4
    settings.SCAN_LOST_AFTER = timedelta(seconds=4)


@pytest.fixture
def paths(moved: Path, truth: dict[str, Any]) -> Paths:
    return lambda dataset: [str(moved / path) for path in truth["datasets"][dataset]["paths"]]


@pytest.fixture
def ready(paths: Paths, load_lists: Lists) -> Callable[[], Revision]:
    """Lists loaded, fetching on, laion5b registered."""

    def make() -> Revision:
        load_lists("1")
        fetching.switch_on(
            basis="test", officer="T. Ester", until=timezone.now() + timedelta(days=1), by=None
        )
        return register(paths("laion5b"), dataset="laion5b", revision="v1", by=None).revision

    return make


@pytest.fixture
def undisturbed(
    ready: Callable[[], Revision], surroundings: dict[str, str], pictures: PictureServer
) -> tuple[findings.Findings, Counter[str]]:
    """What a scan in one go finds, and what it asks of the picture server; made once."""
    if not _undisturbed:
        scan = finish(planning.start(ready(), by=None, fetch=True))
        assert scan.state == Scan.State.FINISHED
        _undisturbed.append((findings.of(scan), Counter(pictures.requests)))
        pictures.forget()
        call_command("flush", interactive=False, verbosity=0, reset_sequences=False)
        for place in ("LEDGER_URL", "EVIDENCE_URL"):
            shutil.rmtree(surroundings[place].removeprefix("file://"))
    return _undisturbed[0]


@pytest.fixture
def waiting_scan(
    surroundings: dict[str, str], tmp_path: Path
) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Start ``scan --fetch --wait`` as a process of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        with (tmp_path / "waiting.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "scan", "laion5b@v1", "--fetch", "--wait", "--json"],
                cwd=env.PROJECT,
                env=surroundings,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def until(true: Callable[[], Any], *, every: Callable[[], Any] | None = None) -> None:
    """Wait until it is true; meanwhile stand in for the schedule, which runs once a minute."""
    end, called = time.monotonic() + SECONDS, time.monotonic()
    while not true():
        assert time.monotonic() < end, "it takes too long"
        if every is not None and time.monotonic() - called > 2:
            every()
            called = time.monotonic()
        time.sleep(0.1)


def rows_done(revision: Revision) -> int:
    work = ShardScan.objects.filter(scan__in=revision.scans.order_by("-pk")[:1])
    return work.aggregate(done=Sum("rows_done"))["done"] or 0


def half_way(revision: Revision, share: float = 0.4) -> Scan:
    """Return the revision's scan once so much of it is done, with shards under work."""
    rows = revision.shards.aggregate(all=Sum("rows"))["all"]
    until(lambda: rows_done(revision) >= share * rows)
    scan = revision.scans.get()
    assert scan.shard_scans.filter(state=ShardScan.State.DONE).count() < revision.shards.count()
    assert scan.shard_scans.filter(state=ShardScan.State.RUNNING).exists()
    return scan


def over(scan: Scan) -> Callable[[], bool]:
    def check() -> bool:
        scan.refresh_from_db()
        return scan.state != Scan.State.RUNNING

    return check


def kill_with_children(process: "subprocess.Popen[bytes]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def flush_valkey() -> None:
    address = django_settings.REDIS_URL
    with redis.Redis.from_url(address) as client:
        client.flushall()


def test_a_killed_worker(
    undisturbed: tuple[findings.Findings, Counter[str]],
    ready: Callable[[], Revision],
    run: Run,
    worker: StartWorker,
) -> None:
    revision = ready()
    first = worker()
    run("scan", "laion5b@v1", "--fetch", here=True)
    scan = half_way(revision)
    kill_with_children(first)
    left = scan.shard_scans.filter(state=ShardScan.State.RUNNING).count()
    assert left

    worker()
    until(over(scan), every=tasks.resume_lost.delay)

    assert findings.of(scan) == undisturbed[0]
    assert scan.shard_scans.filter(attempts__gt=1).count() >= left


def test_a_flushed_valkey(
    undisturbed: tuple[findings.Findings, Counter[str]],
    ready: Callable[[], Revision],
    worker: StartWorker,
    waiting_scan: Callable[[], "subprocess.Popen[bytes]"],
) -> None:
    """The waiting command puts back what the queue lost; the schedule does the same."""
    revision = ready()
    worker()
    command = waiting_scan()
    scan = half_way(revision)
    flush_valkey()

    out, _ = command.communicate(timeout=SECONDS)

    scan.refresh_from_db()
    assert command.returncode == 0
    assert f'"scan": {scan.pk}' in out.decode()
    assert findings.of(scan) == undisturbed[0]


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def in_session(leader: int) -> list[int]:
    """Processes of a session that are still at work; one that nobody waits for is none."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(process.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
def test_a_killed_command_takes_its_worker_along(
    undisturbed: tuple[findings.Findings, Counter[str]],
    ready: Callable[[], Revision],
    waiting_scan: Callable[[], "subprocess.Popen[bytes]"],
) -> None:
    revision = ready()
    command = waiting_scan()
    until(lambda: rows_done(revision))
    (worker,) = [child for child in children_of(command.pid) if os.getsid(child) == child]
    assert worker in in_session(worker)
    command.kill()
    command.wait()

    until(lambda: not in_session(worker))

    again = waiting_scan()
    again.communicate(timeout=SECONDS)
    assert again.returncode == 0
    assert findings.of(revision.scans.get()) == undisturbed[0]


def test_two_commands_wait_for_one_scan(
    undisturbed: tuple[findings.Findings, Counter[str]],
    ready: Callable[[], Revision],
    waiting_scan: Callable[[], "subprocess.Popen[bytes]"],
    pictures: PictureServer,
) -> None:
    """Each brings its worker, as none runs: no shard is done twice, no link opened twice."""
    revision = ready()
    commands = [waiting_scan(), waiting_scan()]

    said = [command.communicate(timeout=SECONDS)[0] for command in commands]

    assert [command.returncode for command in commands] == [0, 0]
    assert said[0] == said[1]
    assert findings.of(revision.scans.get()) == undisturbed[0]
    assert Counter(pictures.requests) == undisturbed[1]


def test_pause_resume_cancel_and_start_again(
    undisturbed: tuple[findings.Findings, Counter[str]],
    ready: Callable[[], Revision],
    run: Run,
    worker: StartWorker,
    pictures: PictureServer,
) -> None:
    revision = ready()
    worker()
    worker()
    run("scan", "laion5b@v1", "--fetch", here=True)
    scan = half_way(revision, 0.2)

    planning.pause(scan, by=None)
    until(lambda: not scan.shard_scans.filter(state=ShardScan.State.RUNNING).exists())
    asked = len(pictures.requests)
    tasks.resume_lost.delay()
    time.sleep(2)
    assert len(pictures.requests) == asked
    assert not scan.shard_scans.filter(state=ShardScan.State.RUNNING).exists()
    with pytest.raises(planning.ScanRefused):
        planning.pause(scan, by=None)

    assert run("scan", "laion5b@v1", "--fetch", here=True)["scan"] == scan.pk  # goes on
    scan = half_way(revision, 0.6)
    planning.cancel(scan, by=None)
    until(lambda: not scan.shard_scans.filter(state=ShardScan.State.RUNNING).exists())
    done = set(scan.shard_scans.filter(state=ShardScan.State.DONE).values_list("shard", flat=True))
    assert 0 < len(done) < revision.shards.count()
    assert set(Shard.objects.exclude(ledger="").values_list("pk", flat=True)) == done
    with pytest.raises(planning.ScanRefused):
        planning.resume(scan, by=None)

    again = run("scan", "laion5b@v1", "--fetch", here=True)["scan"]
    assert again != scan.pk
    scan = Scan.objects.get(pk=again)
    until(over(scan), every=tasks.resume_lost.delay)
    assert findings.of(scan) == undisturbed[0]


@pytest.fixture
def scanned(paths: Paths, load_lists: Lists) -> Revision:
    """The csv form scanned by its hashes: two shards with flags."""
    load_lists("1")
    revision = register(paths("csv"), dataset="csv", revision="v1", by=None).revision
    assert to_the_end(planning.start(revision, by=None)).state == Scan.State.FINISHED
    assert findings.of(revision.scans.get()).flags
    return revision


def to_the_end(scan: Scan) -> Scan:
    """Do the work here, with the attempts after a failed one."""
    for _ in range(django_settings.SCAN_ATTEMPTS):
        if finish(scan).state != Scan.State.RUNNING:
            break
    return scan


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(4096))


def gone(path: Path) -> None:
    path.unlink()


def flipped_byte(path: Path) -> None:
    """One bit of one hash: the file still opens."""
    group = pq.read_metadata(path).row_group(0)
    chunk = next(
        column
        for column in map(group.column, range(group.num_columns))
        if column.path_in_schema == "given_md5"
    )
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    path.write_bytes(data)


def of_other_rows(path: Path) -> None:
    """A ledger in good order, of another file."""
    with ledger.LedgerWriter(
        str(path), shard_checksum="0" * 64, algorithm_version=django_settings.ALGORITHM_VERSION
    ) as other:
        other.write({"row": [0], "outcome": ["unchecked"], "reason": ["no_url"]})


@pytest.mark.parametrize("damage", [cut_short, garbage, gone, flipped_byte, of_other_rows])
def test_a_damaged_ledger_is_rebuilt(scanned: Revision, damage: Callable[[Path], None]) -> None:
    before = findings.of(scanned.scans.get())
    shard = scanned.shards.get(number=1)
    path = Path(shard.ledger.removeprefix("file://"))
    whole = path.read_bytes()
    damage(path)

    scan = to_the_end(planning.start(scanned, by=None))

    assert findings.of(scan) == before
    assert path.read_bytes() == whole
    shard.refresh_from_db()
    assert ledger.facts(shard.ledger).rows == shard.rows


def test_a_changed_shard_is_refused(scanned: Revision, run: Run) -> None:
    """One line says so, until it is registered again: under another label where entries of it are
    flagged, because a flag names a row."""
    shard = scanned.shards.get(number=1)
    before = findings.of(scanned.scans.get())
    path = Path(shard.location)
    path.write_bytes(path.read_bytes().replace(b"https://", b"http://", 1) + b"\n")

    said = run("scan", "csv@v1", "--wait", fails=1)
    failed = Scan.objects.get(state=Scan.State.FAILED)
    assert [line for line in said.splitlines() if line.startswith("Scan ")] == [
        f"Scan {failed.pk} failed: Shard 1 changed since it was registered: register it again."
    ]
    assert "Traceback" not in said
    assert findings.of(failed).flags == before.flags

    words = ["import_dataset", str(path.parent), "--dataset", "csv", "--revision"]
    with pytest.raises(CommandError, match="register the new file under another revision label"):
        run(*words, "v1", here=True)
    assert run(*words, "v2", here=True)["shards"] == 2


def test_a_changed_shard_without_flags_is_registered_anew(moved: Path, load_lists: Lists) -> None:
    load_lists("2")  # none of these lists holds md5
    path = moved / "some.csv"
    path.write_text("url\nhttps://p.invalid/a.jpg\nhttps://p.invalid/b.jpg\n")
    revision = register([str(path)], dataset="some", revision="v1", by=None).revision
    assert to_the_end(planning.start(revision, by=None)).state == Scan.State.FINISHED
    path.write_text("url\nhttps://p.invalid/a.jpg\n")
    assert to_the_end(planning.start(revision, by=None)).state == Scan.State.FAILED

    assert register([str(path)], dataset="some", revision="v1", by=None).changed == 1
    scan = to_the_end(planning.start_or_resume(revision, by=None))
    assert (scan.state, findings.of(scan).counts["entries"]) == (Scan.State.FINISHED, 1)
