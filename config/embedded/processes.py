"""What the two servers share: starting in the background, waiting, naming what went wrong."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from config.embedded.places import Account, ServiceError

LOG_LIMIT = 10 * 1024 * 1024  # bytes; a longer log starts anew with the server


def make_folder(folder: Path, *, mode: int, account: Account | None = None) -> None:
    """Make a folder and its parents; ours alone get the mode, existing ones stay as they are."""
    try:
        for parent in reversed(folder.parents):
            if not parent.exists():
                parent.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, exist_ok=True)
        if not folder.exists():
            folder.mkdir(mode=mode, exist_ok=True)
            folder.chmod(mode)  # the umask may have taken some of it
        status = folder.lstat()
        if account and status.st_uid == 0:
            os.chown(folder, account.uid, account.gid)
        elif not account and status.st_uid != os.geteuid():
            raise ServiceError(
                f"{folder} belongs to another user: run as that user, hand the folder over "
                "(chown), or set BREAKWATER_DATA to a folder of your own."
            )
    except OSError as error:
        raise ServiceError(f"Cannot make the folder {folder}: {error.strerror}.") from None


def spawn(
    command: Sequence[str], *, log: Path, env: dict[str, str], account: Account | None = None
) -> subprocess.Popen[bytes]:
    """Start a server that outlives whoever starts it, its output appended to the log."""
    try:
        large = log.exists() and log.stat().st_size > LOG_LIMIT
        with log.open("wb" if large else "ab") as output:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=env,
                umask=0o077,
                start_new_session=True,  # Ctrl-C in the terminal is not for the servers
                **as_account(account),
            )
            return process
    except OSError as error:
        raise ServiceError(f"Cannot start {command[0]}: {error.strerror}.") from None


def as_account(account: Account | None) -> dict[str, Any]:
    """Return the arguments of subprocess that change to an account; none for None."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def wait_for(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Ask until the condition holds; return whether it did within the seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def command_of(pid: int) -> str:
    """Return the command line of a running process; empty for one that is gone or has exited."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline")
            .read_bytes()
            .replace(b"\0", b" ")
            .decode("utf-8", "replace")
        )
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return ""
    except OSError:
        return ""
    answer = subprocess.run(  # macOS has no /proc
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()


def gone(pid: int, *, is_ours: Callable[[int], bool]) -> bool:
    """Return whether a server has ended, reaping it where this process started it."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not is_ours(pid)


def end_of(log: Path, *, start: int = 0, words: tuple[str, ...]) -> str:
    """Return the last line of the log, from an offset on, that holds one of the words."""
    try:
        with log.open("rb") as stream:
            stream.seek(start)
            lines = stream.read(1024 * 1024).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    found = [line for line in lines if any(word in line for word in words)]
    return found[-1].strip() if found else ""
