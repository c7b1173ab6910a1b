"""Debian packages unpacked under a folder of ours, by apt but without root and without installing.

Sources and proxies come from the system's apt configuration. State, cache and the lists live in
a temporary folder, so the machine is left as it was.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from sample.common import SampleError

UPDATE_SECONDS = 120
DOWNLOAD_SECONDS = 420
STATUS = Path("/var/lib/dpkg/status")
LOADER = frozenset({"libc6", "libc-bin", "libcrypt1"})  # must be those of the system's ld.so
LANGUAGE = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def unpack(packages: Sequence[str], *, into: Path) -> Path:
    """Return a folder with the files of ``packages`` and of what they need that is not installed.

    ``into`` is that folder; when it exists already it is complete and nothing is fetched.
    Raises SampleError when apt is missing, offline, or knows no such package.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise SampleError(f"{tool} not found: only Debian and its relatives can fetch packages")
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(into):
            if not into.is_dir():
                _unpack(packages, into)
    except OSError as error:
        raise SampleError(f"packages cannot be unpacked into {into}: {error.strerror}") from error
    return into


def _unpack(packages: Sequence[str], into: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=f".{into.name}-", dir=into.parent) as folder:
        home = Path(folder)
        root = home / "root"
        root.mkdir(mode=0o755)
        for archive in _download(packages, home):
            _run(["dpkg-deb", "-x", str(archive), str(root)], seconds=DOWNLOAD_SECONDS)
        root.chmod(0o755)
        root.rename(into)


def _download(packages: Sequence[str], home: Path) -> list[Path]:
    apt = ["apt-get", "-c", str(_configure(home)), "-y"]
    status = home / "state" / "status"
    skipped = set(LOADER)
    _run([*apt, "update"], seconds=UPDATE_SECONDS)
    if STATUS.is_file():
        shutil.copyfile(STATUS, status)
    try:
        _run([*apt, "--download-only", "install", *packages], seconds=DOWNLOAD_SECONDS)
    except SampleError as error:
        if not re.search(r"held|broken|[Uu]nmet", str(error)):
            raise
        # The machine's own packages do not fit together: take everything, except what it has.
        skipped |= _installed(status)
        status.write_text("")
        _run([*apt, "--download-only", "install", *packages], seconds=DOWNLOAD_SECONDS)
    archives = sorted((home / "cache" / "archives").glob("*.deb"))
    archives += _in_place(_run([*apt, "-qq", "--print-uris", "install", *packages], seconds=60))
    kept = [archive for archive in archives if archive.name.split("_")[0] not in skipped]
    if not kept and not (STATUS.is_file() and set(packages) <= _installed(STATUS)):
        raise SampleError(f"apt fetched nothing for {' '.join(packages)}")
    return kept


def _in_place(uris: str) -> list[Path]:
    """Return the archives that apt uses where they lie: those of sources that are folders."""
    found = (re.match(r"'file:(?://)?(/[^']+)'", line) for line in uris.splitlines())
    return [Path(unquote(match[1])) for match in found if match]


def _configure(home: Path) -> Path:
    """Return an apt configuration that is read after the system's and keeps all state in home."""
    for name in ("state/lists/partial", "cache/archives/partial", "log"):
        (home / name).mkdir(parents=True)
    (home / "state" / "status").write_text("")
    config = home / "apt.conf"
    config.write_text(
        f"""\
Dir::State "{home}/state";
Dir::State::status "{home}/state/status";
Dir::State::extended_states "{home}/state/extended_states";
Dir::Cache "{home}/cache";
Dir::Cache::archives "archives/";
Dir::Log "{home}/log";
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Keep-Downloaded-Packages "true";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
"""
    )
    return config


def _installed(status: Path) -> set[str]:
    """Return the names of the installed packages in dpkg's status file."""
    return {
        match[1]
        for block in status.read_text(encoding="utf-8", errors="replace").split("\n\n")
        if "\nStatus: install ok installed" in block
        and (match := re.match(r"Package: (\S+)", block.lstrip()))
    }


def _run(command: list[str], *, seconds: float) -> str:
    """Return the standard output of ``command``; the whole process group ends when time is up."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, **LANGUAGE},
        start_new_session=True,
    )
    what = Path(command[0]).name
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise SampleError(
            f"{what} took longer than {seconds:.0f} s: check the network and apt's sources"
        ) from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode != 0:
        said = [line for line in errors.splitlines() if line.startswith(("E:", "dpkg-deb"))]
        reason = said[-1].removeprefix("E: ") if said else f"exit code {process.returncode}"
        raise SampleError(f"{what} failed ({reason}): check the network and apt's sources")
    return output


@contextmanager
def _one_at_a_time(into: Path) -> Iterator[None]:
    """Hold a lock beside ``into``, so that two test workers do not fetch the same packages."""
    with (into.parent / f".{into.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
