"""Links of one shard, many at once: rows stay in order, memory bounded, nobody waits for the slow,
hosts that ask for a pause get it, and a stopped scan stops."""

import hashlib
import io
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.utils import timezone
from PIL import Image
from pytest_django import Settings

from moderation import tasks
from moderation.datasets.registering import register
from moderation.media.fetch import Fetched, Fetcher
from moderation.models import Scan, ShardScan
from moderation.scanning import examining, fetching, flow, pipeline, planning
from moderation.scanning.hosts import MOST_SILENCES
from sample.server import PictureServer

from .conftest import LoadList, finish

pytestmark = pytest.mark.django_db(transaction=True)
Started = Callable[[list[str]], Scan]


class Timed(PictureServer):
    """Notes when each request came."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.times: list[tuple[float, str]] = []

    def note(self, path: str) -> None:
        super().note(path)
        self.times.append((time.monotonic(), path))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Timed]:
    (tmp_path / "pictures").mkdir()
    with Timed(tmp_path) as running:
        yield running


@pytest.fixture(autouse=True)
def limits(settings: Settings, server: Timed) -> None:
    settings.FETCH_ALLOW_ADDRESSES = [f"127.0.0.1:{server.port}", f"localhost:{server.port}"]
    settings.FETCH_TOTAL_SECONDS = 20.0
    settings.FETCH_THREADS = 12
    settings.FETCH_PER_HOST = 8
    settings.SCAN_SILENCE_SECONDS = 4


@pytest.fixture
def started(load_list: LoadList, tmp_path: Path) -> Started:
    """A scan with fetching of one shard of these links, not worked on yet."""

    def make(urls: list[str]) -> Scan:
        load_list("demo", "1", ["md5 " + "ab" * 16])
        fetching.switch_on(
            basis="test", officer="T. Ester", until=timezone.now() + timedelta(days=1), by=None
        )
        path = tmp_path / "links.parquet"
        pq.write_table(pa.table({"URL": urls, "TEXT": ["A quiet harbour"] * len(urls)}), path)
        revision = register([str(path)], dataset="harbour", revision="v1", by=None).revision
        return planning.start(revision, by=None, fetch=True)

    return make


def ledger_of(scan: Scan) -> list[dict]:
    location = scan.revision.shards.get().ledger
    return pq.read_table(location.removeprefix("file://")).to_pylist()


def reasons(scan: Scan) -> list[str]:
    return [row["reason"] for row in ledger_of(scan)]


def test_rows_stay_in_order_whatever_comes_first(
    server: Timed, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "LINK_ROWS", 16)
    kinds = ["slow", "404", "good", "html"]
    paths = [f"/fail/{kinds[n % 4]}/{n}.jpg" for n in range(120)]
    scan = finish(started([server.base_url + path for path in paths]))

    rows = ledger_of(scan)
    assert scan.state == Scan.State.FINISHED
    assert [row["row"] for row in rows] == list(range(120))
    expected = {"slow": "fetched", "404": "http_404", "good": "fetched", "html": "not_a_picture"}
    assert [row["reason"] for row in rows] == [expected[kinds[n % 4]] for n in range(120)]
    server.forget()
    for row, path in zip(rows, paths, strict=True):
        if row["reason"] == "fetched":
            assert row["md5"] == hashlib.md5(served(server, path)).digest()
    asked = [path for _, path in server.times]
    assert Counter(asked) == Counter(paths)


def served(server: Timed, path: str) -> bytes:
    from sample.server import _jpeg

    return _jpeg(path)


def test_a_host_that_hangs_holds_nobody_else_and_is_left_alone(
    server: Timed, started: Started, settings: Settings
) -> None:
    settings.FETCH_TOTAL_SECONDS = 5.0
    settings.FETCH_PER_HOST = 4
    silent = [f"http://localhost:{server.port}/fail/silent/{n}.jpg" for n in range(30)]
    good = [f"{server.base_url}/fail/good/{n}.jpg" for n in range(30)]
    scan = finish(started([*silent, *good]))

    found = reasons(scan)
    assert found[30:] == ["fetched"] * 30
    told = Counter(found[:30])
    assert set(told) == {"timeout", "host_left_alone"}
    assert MOST_SILENCES <= told["timeout"] <= MOST_SILENCES + 3  # those that were under way
    assert told["timeout"] == sum("silent" in path for path in server.requests)
    order = ["silent" in path for path in server.requests]
    last_good = len(order) - 1 - order[::-1].index(False)
    assert sum(order[:last_good]) <= 4  # the good ones were done before the first time-out
    outcomes = Counter(row["outcome"] for row in ledger_of(scan))
    assert outcomes["unchecked"] == told["host_left_alone"]


@pytest.mark.parametrize("kind", ["busy", "busy-until"])
def test_a_pause_that_a_host_asks_for_is_kept(server: Timed, started: Started, kind: str) -> None:
    paths = [f"/fail/{kind}/{n}.jpg" for n in range(2)]
    scan = finish(started([server.base_url + path for path in paths]))

    assert reasons(scan) == ["fetched"] * 2
    assert Counter(server.requests) == dict.fromkeys(paths, 2)
    for path in paths:
        first, second = (at for at, asked in server.times if asked == path)
        assert second - first > 0.9


def test_a_host_that_is_always_busy_ends_with_its_own_reason(
    server: Timed, started: Started
) -> None:
    scan = finish(started([f"{server.base_url}/fail/{kind}/1.jpg" for kind in ("429", "503")]))
    assert reasons(scan) == ["http_429", "http_5xx"]
    assert len(server.requests) == 6


def test_a_host_that_asks_for_an_hour_is_not_asked_again(server: Timed, started: Started) -> None:
    urls = [f"{server.base_url}/fail/busy-for-an-hour/{n}.jpg" for n in range(40)]
    scan = finish(started(urls))
    told = Counter(reasons(scan))
    assert set(told) == {"http_429", "host_left_alone"}
    assert told["http_429"] == len(server.requests) <= 8


def test_a_later_scan_asks_for_what_nobody_asked_for(
    server: Timed, started: Started, settings: Settings, load_list: LoadList
) -> None:
    urls = [f"{server.base_url}/fail/busy-for-an-hour/{n}.jpg" for n in range(12)]
    scan = finish(started([*urls, f"http://localhost:{server.port}/fail/good/1.jpg"]))
    asked = set(server.requests)
    server.forget()

    finish(planning.start(scan.revision, by=None, fetch=True))

    assert server.requests  # what has hashes is not asked for again, the others are
    assert "/fail/good/1.jpg" in asked
    assert "/fail/good/1.jpg" not in server.requests


def noise(seed: int) -> bytes:
    """A picture of about 200 kB."""
    pixels = np.random.default_rng(seed).integers(0, 256, (320, 320, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95)
    return out.getvalue()


def test_no_more_bytes_are_in_memory_than_the_limit_says(
    server: Timed, started: Started, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted from outside: what downloads return, until the entry is done with."""
    size = 0
    for number in range(60):
        data = noise(number)
        size = max(size, len(data))
        (server.pictures / f"{number}.jpg").write_bytes(data)
    settings.FETCH_MAX_BYTES = size
    settings.PICTURE_MEMORY_BYTES = 4 * size
    settings.HASH_THREADS = 1
    held, most, lock, flows = 0, 0, threading.Lock(), []
    real_fetch, real_end, real_enter = Fetcher.fetch, flow.Flow._end, flow.Flow.__enter__

    def fetch(self: Fetcher, *args: object, **kwargs: object) -> Fetched:
        nonlocal held, most
        fetched = real_fetch(self, *args, **kwargs)
        with lock:
            held += len(fetched.data)
            most = max(most, held)
        return fetched

    def end(self: flow.Flow, works: list[flow.Work]) -> None:
        nonlocal held
        with lock:
            held -= sum(len(work.data) for work in works)
        real_end(self, works)

    def enter(self: flow.Flow) -> flow.Flow:
        flows.append(self)
        return real_enter(self)

    monkeypatch.setattr(Fetcher, "fetch", fetch)
    monkeypatch.setattr(flow.Flow, "_end", end)
    monkeypatch.setattr(flow.Flow, "__enter__", enter)
    scan = finish(started([f"{server.base_url}/pictures/{n}.jpg" for n in range(60)]))

    assert reasons(scan) == ["fetched"] * 60
    assert held == 0
    assert 2 * size < most <= 4 * size
    assert flows[0]._room.most <= 4 * size
    assert flows[0]._room.take_now(4 * size)


def test_a_cancelled_scan_ends_its_downloads(
    server: Timed, started: Started, settings: Settings
) -> None:
    settings.FETCH_TOTAL_SECONDS = 300.0
    scan = started([f"{server.base_url}/fail/silent/{n}.jpg" for n in range(30)])
    [shard_scan] = scan.shard_scans.all()
    before = threading.active_count()

    def work() -> None:
        tasks.do_shard(shard_scan.pk)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    while len(server.requests) < 8:
        time.sleep(0.05)
    planning.cancel(scan, by=None)
    worker.join(60)  # and not 300

    assert not worker.is_alive()
    shard_scan.refresh_from_db()
    assert shard_scan.state == ShardScan.State.DUE
    assert not scan.revision.shards.exclude(ledger="").exists()
    assert len(server.requests) == 8
    while threading.active_count() > before + 8:  # the server's own threads
        time.sleep(0.05)


def test_an_error_in_a_thread_fails_the_shard_and_ends_the_others(
    server: Timed, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ValueError("nobody foresaw this")

    monkeypatch.setattr(examining, "examine", broken)
    urls = [f"{server.base_url}/fail/good/{n}.jpg" for n in range(30)]
    scan = finish(started(urls))
    assert scan.state == Scan.State.FAILED
    assert scan.error == "Unexpected: ValueError. See the log."


def test_entries_that_wait_for_a_pause_are_told(server: Timed, started: Started) -> None:
    scan = started([f"{server.base_url}/fail/429/{n}.jpg" for n in range(40)])
    [shard_scan] = scan.shard_scans.all()

    def work() -> None:
        tasks.do_shard(shard_scan.pk)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    told = 0
    while worker.is_alive():
        shard_scan.refresh_from_db()
        told = max(told, shard_scan.held_rows)
        time.sleep(0.05)
    assert 0 < told <= 40
    shard_scan.refresh_from_db()
    assert (shard_scan.state, shard_scan.held_rows) == ("done", 0)
    assert set(shard_scan.reasons) == {"http_429", "host_left_alone"}
