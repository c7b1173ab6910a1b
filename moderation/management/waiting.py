"""Watches scans until they end, with a progress bar, and keeps their work in the queue."""

import sys
import time
from collections.abc import Sequence
from datetime import timedelta

from tqdm import tqdm

from moderation import tasks
from moderation.models import Scan
from moderation.scanning import progress

from .workers import one_worker

POLL_SECONDS = 0.5
FEED_SECONDS = 5.0


def until_over(scans: Sequence[Scan]) -> None:
    """Return when every scan is over or paused; Ctrl-C leaves them to go on later."""
    with one_worker():
        for scan in scans:
            tasks.feed(scan)
            _watch(scan)


def in_words(now: progress.Progress) -> str:
    """What stands behind the bar: pace, end, what holds it up, and what was found."""
    told = []
    if now.rate is not None:
        told.append(f"{now.rate:,.1f}/s")
    left = now.seconds_left
    told.append("end unknown" if left is None else f"{timedelta(seconds=left)} left")
    if now.held:
        told.append(f"{now.held:,} waiting for hosts")
    return ", ".join([*told, f"exact {now.exact:,}, near {now.near:,}"])


def _watch(scan: Scan) -> None:
    fed = time.monotonic()
    with tqdm(
        total=progress.of(scan).rows,
        desc=f"scan {scan.pk}",
        unit=" entries",
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]",
    ) as bar:
        while scan.state == Scan.State.RUNNING:
            now = progress.of(scan)
            bar.n = now.rows_done
            bar.set_postfix_str(in_words(now), refresh=True)
            time.sleep(POLL_SECONDS)
            if time.monotonic() - fed > FEED_SECONDS:
                tasks.feed(scan)  # a flushed queue or a killed worker loses nothing
                fed = time.monotonic()
            scan.refresh_from_db()
        bar.n = progress.of(scan).rows_done
        bar.refresh()
