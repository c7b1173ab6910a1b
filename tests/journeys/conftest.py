"""The sample, the real commands, a real worker and the picture server, all on one test database."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from config import env, services
from config.celery import app
from sample.building import Options, build, read_truth
from sample.moving import move
from sample.server import PictureServer

SECONDS = 240  # for one command

Run = Callable[..., Any]
StartWorker = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(scope="session")
def sample_folder() -> Path:
    """The sample that `make sample` builds, built here where it is missing."""
    folder = Path(os.environ.get("SAMPLE_DIR") or env.PROJECT / "data" / "sample")
    build(folder, Options(img2dataset=True), data=env.PROJECT / "data")
    return folder


@pytest.fixture(scope="session")
def truth(sample_folder: Path) -> dict[str, Any]:
    return read_truth(sample_folder)


@pytest.fixture
def pictures(sample_folder: Path) -> Iterator[PictureServer]:
    with PictureServer(sample_folder) as server:
        yield server


@pytest.fixture
def moved(sample_folder: Path, pictures: PictureServer, tmp_path: Path) -> Path:
    """The sample's link forms with links to this test's picture server."""
    return move(sample_folder, pictures.base_url, tmp_path / "moved")


@pytest.fixture
def surroundings(
    transactional_db: None, settings: Settings, tmp_path: Path, pictures: PictureServer
) -> dict[str, str]:
    """The environment of a command or worker: this test's database, stores and allowed address."""
    settings.LEDGER_URL = (tmp_path / "ledgers").as_uri()
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()
    here = connection.settings_dict
    where = f"host={here['HOST']}" + (f"&port={here['PORT']}" if here["PORT"] else "")
    role = env.database(services.database_url())  # the application's: the tests are the owner
    login = role["USER"] + (f":{role['PASSWORD']}" if role["PASSWORD"] else "")
    app.control.purge()
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": f"postgresql://{login}@/{here['NAME']}?{where}",
        "REDIS_URL": django_settings.REDIS_URL,
        "LEDGER_URL": settings.LEDGER_URL,
        "EVIDENCE_URL": settings.EVIDENCE_URL,
        "FETCH_ALLOW_ADDRESSES": f"127.0.0.1:{pictures.port}",
        "FETCH_TOTAL_SECONDS": "3",
        "FETCH_PER_HOST": "64",  # the one server stands for many
        "FETCH_MAX_BYTES": str(4 << 20),
        "SCAN_SILENCE_SECONDS": "4",
        "SCAN_LOST_SECONDS": "4",
    }


@pytest.fixture
def run(surroundings: dict[str, str], tmp_path: Path) -> Run:
    """Run a command and return its JSON object, or its JSON lines; ``fails=1`` returns what it
    said on standard error instead. All output is kept in ``commands.log``.

    ``here=True`` runs it inside this process: a new one takes seconds to import everything.
    """

    def command(*words: str, fails: int = 0, lines: bool = False, here: bool = False) -> Any:
        if here:
            out, err = io.StringIO(), io.StringIO()
            call_command(*words, "--json", stdout=out, stderr=err)
            with (tmp_path / "commands.log").open("a") as log:
                log.write(f"{words[0]}\n{err.getvalue()}")
            said = [json.loads(line) for line in out.getvalue().splitlines()]
            return said if lines else said[0]
        done = subprocess.run(
            [sys.executable, "manage.py", *words, "--json"],
            cwd=env.PROJECT,
            env=surroundings,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        with (tmp_path / "commands.log").open("a") as log:
            log.write(f"{words[0]}\n{done.stderr}")
        assert done.returncode == fails, done.stderr
        if fails:
            return done.stderr
        objects = [json.loads(line) for line in done.stdout.splitlines()]
        return objects if lines else objects[0]

    return command


@pytest.fixture
def worker(surroundings: dict[str, str], tmp_path: Path) -> Iterator[StartWorker]:
    """Start Celery workers; each one's log goes to ``worker.log``; all are stopped at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*, processes: int = 2) -> "subprocess.Popen[bytes]":
        with (tmp_path / "worker.log").open("a") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "celery", "-A", "config", "worker"),
                    *("--concurrency", str(processes), "-Q", "default,fetch,match,report"),
                    *("--loglevel", "INFO", "--without-gossip", "--without-mingle"),
                ],
                cwd=env.PROJECT,
                env=surroundings,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def load_lists(run: Run, sample_folder: Path, truth: dict[str, Any]) -> Callable[..., list[Any]]:
    """Load the sample's lists of one version; ``load_lists("1")``."""

    def load(version: str) -> list[Any]:
        loaded = []
        for each in truth["lists"]:
            if each["version"] != version:
                continue
            words = ["load_hash_list", str(sample_folder / each["path"]), "--list", each["list"]]
            words += ["--version", version, "--format", each["format"], "--synthetic"]
            for option in ("algorithm", "profile"):
                if each[option]:
                    words += [f"--{option}", each[option]]
            loaded.append((each, run(*words, here=True)))
        return loaded

    return load
