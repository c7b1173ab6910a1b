"""`make run`: what it checks before it starts, and that nothing is left when it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from honcho.environ import parse_procfile

from config import env, launching, services

PROCESSES = """
import pathlib, sys
from config import env, launching
env.PROJECT = pathlib.Path(sys.argv[1])
sys.exit(launching._processes())
"""


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of loopback on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_the_procfile_has_every_process_and_every_queue() -> None:
    processes = parse_procfile((env.PROJECT / "Procfile").read_text()).processes
    assert list(processes) == ["web", "worker", "beat", "pictures"]
    assert "--queues default,fetch,match,report" in processes["worker"]


@pytest.mark.parametrize("name", ["PORT", "PICTURES_PORT"])
def test_a_port_in_use_is_one_line_before_anything_starts(
    name: str, taken: int, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    free = {"PORT": "8123", "PICTURES_PORT": "8124"} | {name: str(taken)}
    done = subprocess.run(
        [sys.executable, "-m", "config.launching"],
        cwd=env.PROJECT,
        env={**os.environ, **free, "BREAKWATER_DATA": str(data)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"make run {name}=" in done.stderr
    assert not data.exists()


@pytest.mark.parametrize("port", [70000, -1])
def test_what_is_no_port_is_one_line(port: int) -> None:
    with pytest.raises(services.ServiceError, match="PORT must be a port"):
        launching._must_be_free("PORT", port)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a Procfile of two processes that write down their pids, then sleep."""
    sleep = f"echo $$ > {tmp_path}/NAME.pid; exec sleep 60"
    lines = (f"{name}: {sleep.replace('NAME', name)}" for name in ("one", "two"))
    (tmp_path / "Procfile").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def launched(project: Path) -> "Iterator[subprocess.Popen[str]]":
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESSES, str(project)],
        cwd=env.PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def pids(project: Path) -> list[int]:
    """Return the processes' pids once both have written theirs."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        files = sorted(project.glob("*.pid"))
        if len(files) == 2 and all(file.read_text().strip() for file in files):
            return [int(file.read_text()) for file in files]
        time.sleep(0.05)
    raise AssertionError("the processes did not start")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_every_process(
    project: Path, launched: "subprocess.Popen[str]", number: int
) -> None:
    both = pids(project)
    time.sleep(0.5)
    launched.send_signal(number)
    launched.communicate(timeout=30)
    assert launched.returncode == 0
    assert not any(map(alive, both))


def test_one_that_ends_takes_the_others_along(
    project: Path, launched: "subprocess.Popen[str]"
) -> None:
    one, two = pids(project)
    time.sleep(0.5)
    os.kill(one, signal.SIGKILL)
    launched.communicate(timeout=30)
    assert launched.returncode not in (0, None)
    assert not alive(two)
