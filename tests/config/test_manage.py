"""manage.py: servers only where they are needed, exit codes kept, signals end it cleanly."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from config import env, services
from config.embedded import postgres, valkey
from config.embedded.places import Places, places

# A shell without job control starts what is in the background deaf to SIGINT.
SLEEP = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
print("in", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def where() -> Iterator[Places]:
    """The places of a data folder that does not exist yet, set for the commands."""
    with pytest.MonkeyPatch.context() as patch:
        yield from new_places(patch)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """The same for one test alone."""
    yield from new_places(monkeypatch)


def new_places(patch: pytest.MonkeyPatch) -> Iterator[Places]:
    for name in ("DATABASE_URL", "DATABASE_URL_FILE", "REDIS_URL", "REDIS_URL_FILE"):
        patch.delenv(name, raising=False)
    folder = env.data() / f"manage-{os.urandom(4).hex()}"
    patch.setenv("BREAKWATER_DATA", str(folder))
    patch.setenv("DJANGO_SETTINGS_MODULE", "config.settings.test")
    yield places(folder)
    assert services.discard(folder)


def manage(*arguments: str, python: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *python, "manage.py", *arguments],
        cwd=env.PROJECT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["migrate", "--help"], 0),
        (["migrate", "--no-such-option"], 2),
        (["no_such_command"], 1),
        (["version"], 0),
    ],
)
def test_no_server_starts_for_help_and_wrong_usage(
    where: Places, arguments: list[str], code: int
) -> None:
    done = manage(*arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert not where.postgres.exists()


def test_a_new_database_gets_its_tables_and_the_servers_stop(where: Places) -> None:
    count = "from moderation.models import Case; print(Case.objects.count())"
    done = manage("shell", "-v0", "-c", count)
    assert (done.returncode, done.stdout) == (0, "0\n")
    assert "Applying" in done.stderr
    assert not postgres.answers(where)
    assert not valkey.answers(where)
    assert manage("migrate", "--check").returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_stops_the_servers(where: Places, number: int, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "-v0", "-c", SLEEP],
        cwd=env.PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "in\n"
    assert postgres.answers(where)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in said
    assert not postgres.answers(where)
    assert not valkey.answers(where)


def test_without_the_environment_it_says_make_setup(where: Places) -> None:
    done = manage("migrate", python=("-S", "-E"))
    assert done.returncode == 1
    assert "make setup" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_server_that_cannot_start_is_one_line(elsewhere: Places) -> None:
    elsewhere.postgres.mkdir(parents=True)
    (elsewhere.postgres / "letter.txt").write_text("mine")
    done = manage("showmigrations")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "move it away" in done.stderr
