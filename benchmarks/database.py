"""A PostgreSQL for one measurement: its own, with our tables, gone afterwards."""

import os
import signal
import tempfile
from collections.abc import Iterator
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


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
