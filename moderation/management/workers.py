"""One Celery worker for as long as a command waits, where none is running yet."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from config import env
from config.celery import app

PING_SECONDS = 2.0
STOP_SECONDS = 30
AS_ROOT = "You're running the worker with superuser"  # Celery says so at length
QUEUES = "default,fetch,match,report"
PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>


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
        preexec_fn=_ends_with_this_process(),  # noqa: PLW1509  # no threads yet; it takes no lock
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


def _ends_with_this_process() -> Callable[[], None] | None:
    """What a child calls so that it is asked to stop, as by SIGTERM, when this process is killed.

    None where the kernel has no such service: there a worker outlives a killed command.
    """
    if sys.platform != "linux":
        return None
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl  # looked up before the fork

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # killed before it could be asked for
            os._exit(1)

    return ask
