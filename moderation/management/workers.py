"""One Celery worker for as long as a command waits, where none is running yet."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from config import env
from config.celery import app

PING_SECONDS = 2.0
STOP_SECONDS = 30
AS_ROOT = "You're running the worker with superuser"  # Celery says so at length
QUEUES = "default,fetch,match,report"


def any_running() -> bool:
    """Whether a worker answers at this broker."""
    return bool(app.control.inspect(timeout=PING_SECONDS).ping())


@contextmanager
def one_worker() -> Iterator[None]:
    """Keep a worker up for the length of the block; nothing where one answers already."""
    if any_running():
        yield
        return
    process = subprocess.Popen(
        [
            *(sys.executable, "-W", f"ignore:{AS_ROOT}"),
            *("-m", "celery", "--quiet", "-A", "config", "worker"),
            *("--concurrency", str(os.cpu_count() or 1), "-Q", QUEUES),
            *("--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
        ],
        cwd=env.PROJECT,
        stdout=sys.stderr.fileno(),
        start_new_session=True,  # Ctrl-C reaches the command, which stops the worker in order
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
