"""Start PostgreSQL and Valkey for the tests, in a data folder of their own, and stop them after.

Loaded with ``-p tests.services_plugin``: pytest-django reads the settings before any conftest.
Where DATABASE_URL and REDIS_URL name servers those are used, and nothing is started. Of a run in
several processes (``-n 2``) each has servers of its own: tests empty the queue and the database.
"""

import atexit
import os
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SECONDS_TO_BEGIN = 60  # a younger folder may be of a run that is just starting
ONLY_ASKED = {
    "--help",
    "-h",
    "--version",
    "-V",
    "--markers",
    "--fixtures",
    "--collect-only",
    "--co",
}

_open = ExitStack()


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, args: list[str]
) -> Generator[None, None, None]:
    """Set where the servers are before the settings are read."""
    # The Celery app names the development settings for whoever names none, before pytest-django.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # a browser and the ORM in one test
    one_of_many = "PYTEST_XDIST_WORKER" in os.environ
    processes = 0 if one_of_many else early_config.known_args_namespace.numprocesses
    if processes and any(os.environ.get(each) for each in ("DATABASE_URL", "REDIS_URL")):
        raise pytest.UsageError(
            "Several processes would share the servers that DATABASE_URL and REDIS_URL name: "
            "leave out -n."
        )
    if not processes and not ONLY_ASKED & set(args):
        _start()
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop what was started, once every connection is closed."""
    _open.close()


def _start() -> None:
    data = Path(os.environ.get("BREAKWATER_DATA") or PROJECT / "data")
    os.environ.setdefault("SAMPLE_DATA", str(data))  # what was fetched for the sample is kept
    base = data / "test"
    base.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=base))
    if os.geteuid() == 0:
        folder.chmod(0o711)  # PostgreSQL runs as another user and passes through
    os.environ["BREAKWATER_DATA"] = str(folder)
    from config import services  # not above: it reads BREAKWATER_DATA

    for left in base.glob("run-*"):
        if left != folder and time.time() - left.stat().st_mtime > SECONDS_TO_BEGIN:
            services.discard(left)  # of a run that was killed; one in use stays
    atexit.register(_open.close)
    _open.callback(services.discard, folder)
    try:
        _open.enter_context(services.running(durable=False))
    except services.ServiceError as error:
        raise pytest.UsageError(str(error)) from None
