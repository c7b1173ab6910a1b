"""A PostgreSQL for one measurement: its own, with our tables, gone afterwards."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType


@contextmanager
def own_database(
    folder: str | None = None, *, settings: str = "config.settings.test"
) -> Iterator[Path]:
    """Start it, set up Django on it, and yield a folder for files, below ``folder`` or the system's
    own place. No model can be imported before. Ended by SIGTERM, nothing of it stays either."""
    with ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, _end))
        made = tempfile.TemporaryDirectory(prefix="breakwater-bench-", dir=folder)
        data = Path(stack.enter_context(made))
        data.chmod(0o711)  # a server started by root runs as another user and passes through
        os.environ["BREAKWATER_DATA"] = str(data / "data")
        os.environ["DJANGO_SETTINGS_MODULE"] = settings
        os.environ.pop("DATABASE_URL", None)
        os.environ.pop("REDIS_URL", None)
        from config import services  # not above: it reads BREAKWATER_DATA

        stack.callback(services.discard, data / "data")
        stack.enter_context(services.running())
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield data
        finally:
            connections.close_all()


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Return CPU seconds of this process and of the database's own for its connection together,
    and seconds by the clock. Linux only."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    begin = time.process_time() + _cpu_of(pid), time.monotonic()
    work()
    return time.process_time() + _cpu_of(pid) - begin[0], time.monotonic() - begin[1]


def _cpu_of(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="utf-8").split()[0]) / 1e9


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
