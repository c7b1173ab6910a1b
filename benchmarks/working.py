"""Scans as an installation does them: real Celery workers, the queue and the database included."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
START_SECONDS = 90
POLL_SECONDS = 0.1  # asking costs the database time that the scan has not


@contextmanager
def workers(folder: Path, *, processes: int, environment: dict[str, str]) -> Iterator[None]:
    """Run one Celery worker of so many processes for the block; it answers when the block begins.
    Its log goes into ``folder``."""
    from config.celery import app

    with (folder / "worker.log").open("ab") as log:
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "--quiet", "-A", "config", "worker"),
                *("--concurrency", str(processes), "-Q", "default,fetch,match,report"),
                *("--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
            ],
            cwd=PROJECT,
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            end = time.monotonic() + START_SECONDS
            while not app.control.inspect(timeout=1).ping():
                if worker.poll() is not None or time.monotonic() > end:
                    said = (folder / "worker.log").read_text(encoding="utf-8", errors="replace")
                    raise SystemExit(f"the worker does not start:\n{said[-2000:]}")
            yield
        finally:
            worker.terminate()
            worker.wait()


def scanned(revision: Any, *, fetch: bool) -> tuple[float, Any]:
    """Start a scan, wait for its end, and return its seconds and what it counted."""
    from moderation import tasks
    from moderation.models import Scan
    from moderation.scanning import planning, progress

    scan = planning.start(revision, by=None, fetch=fetch)
    begin = time.monotonic()
    tasks.feed(scan)
    while scan.state == Scan.State.RUNNING:
        time.sleep(POLL_SECONDS)
        scan.refresh_from_db()
    seconds = time.monotonic() - begin
    if scan.state != Scan.State.FINISHED:
        raise SystemExit(f"the scan is {scan.state}: {scan.error}")
    return seconds, progress.of(scan)
