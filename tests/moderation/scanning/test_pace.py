"""The pace of a scan and its end: of the last minute, and unknown rather than wrong."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from moderation.management.waiting import in_words
from moderation.models import Scan, ShardScan
from moderation.scanning import planning, progress
from moderation.scanning.pace import Pace
from tests.moderation.views import rows


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def test_a_steady_worker_does_as_much_in_every_minute() -> None:
    clock = Clock()
    pace, told = Pace(clock=clock), []
    for second in range(1, 301):
        clock.now += 1
        told.append(pace.recent(second * 7))
    assert told[29] == 210
    assert set(told[60:]) <= {419, 420, 421}


def test_what_was_done_before_the_last_minute_does_not_count() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    for _ in range(30):
        clock.now += 1
        pace.recent(1000)
    for _ in range(90):
        clock.now += 1
        last = pace.recent(1000)
    assert last == 0


def test_a_long_silence_is_spread_over_its_time() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    clock.now += 600  # one large picture, or a machine that slept
    assert pace.recent(100) == 10


@pytest.fixture(autouse=True)
def still() -> Iterator[None]:
    """The clock stands still, however long a test takes."""
    with time_machine.travel(timezone.now(), tick=False):
        yield


@pytest.fixture
def scan(db: None) -> Scan:
    """Four shards of 1,000 entries: one done, one half done, two due; begun ten minutes ago."""
    made = rows.scan(rows.revision(shards=4, rows=1000))
    Scan.objects.update(started_at=timezone.now() - timedelta(minutes=10))
    heard(made, 0, recent=400)
    running = heard(made, 1, recent=200)
    running.update(state="running", rows_done=500)
    made.refresh_from_db()
    return made


def heard(scan: Scan, number: int, *, recent: int, ago: float = 0):
    found = ShardScan.objects.filter(scan=scan, shard__number=number)
    found.update(recent_rows=recent, heard_at=timezone.now() - timedelta(seconds=ago))
    return found


def test_rate_and_end_come_from_the_last_minute_of_all_workers(scan: Scan) -> None:
    now = progress.of(scan)
    assert now.rate == pytest.approx(10, rel=0.05)
    assert now.seconds_left == pytest.approx(250, rel=0.05)
    assert re.match(r"(9|10)\.\d/s, 0:04:\d\d left, exact", in_words(now))


def test_what_was_heard_of_long_ago_counts_less_and_then_nothing(scan: Scan) -> None:
    heard(scan, 0, recent=400, ago=30)
    assert progress.of(scan).rate == pytest.approx(400 / 60, rel=0.05)
    heard(scan, 0, recent=400, ago=90)
    heard(scan, 1, recent=200, ago=90)
    now = progress.of(scan)
    assert (now.rate, now.seconds_left) == (0, None)
    assert "end unknown" in in_words(now)


def test_nothing_is_said_in_the_first_seconds_nor_after_the_end(scan: Scan) -> None:
    Scan.objects.update(started_at=timezone.now() - timedelta(seconds=3))
    scan.refresh_from_db()
    assert progress.of(scan).rate is None
    Scan.objects.update(started_at=timezone.now() - timedelta(seconds=20))
    scan.refresh_from_db()
    assert progress.of(scan).rate == pytest.approx(30, rel=0.1)
    planning.pause(scan, by=None)
    now = progress.of(scan)
    assert (now.rate, now.seconds_left, now.held) == (None, None, 0)


def test_after_a_break_the_minute_begins_anew(scan: Scan) -> None:
    planning.pause(scan, by=None)
    planning.resume(scan, by=None)
    assert progress.of(scan).rate is None


def test_entries_that_wait_for_their_hosts_are_said(scan: Scan) -> None:
    ShardScan.objects.filter(scan=scan, state="running").update(held_rows=12)
    now = progress.of(scan)
    assert now.held == 12
    assert "12 waiting for hosts" in in_words(now)
