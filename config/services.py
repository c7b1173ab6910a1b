"""PostgreSQL and Valkey: the addresses in use, and the embedded servers where no URL names others.

Importing this starts nothing. `running()` does, and any number of processes may be inside it at
once: each holds a shared lock on one file, the last one out stops the servers. The locks are the
kernel's, so a killed process holds none; servers it left behind are used, and stopped, by the next.
"""

import errno
import fcntl
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg

from config import env
from config.embedded import postgres, valkey
from config.embedded.places import ROOT_HOME, Places, ServiceError, places
from config.embedded.processes import make_folder

__all__ = [
    "ServiceError",
    "alone",
    "broker_url",
    "cache_url",
    "database_url",
    "discard",
    "disk_is_full",
    "embedded",
    "owner_url",
    "redis_url",
    "running",
]

_inside: dict[tuple[int, Path], int] = {}  # how deep this process is inside running()


def database_url() -> str:
    """Return DATABASE_URL, or the address of the embedded PostgreSQL, running or not."""
    if url := env.secret("DATABASE_URL", ""):
        return url
    return _embedded_url(postgres.APPLICATION)


def owner_url() -> str:
    """Return the address of the role that owns the tables: DATABASE_OWNER_URL, else DATABASE_URL,
    else that of the embedded PostgreSQL."""
    if url := env.secret("DATABASE_OWNER_URL", "") or env.secret("DATABASE_URL", ""):
        return url
    return _embedded_url(postgres.NAME)


def redis_url() -> str:
    """Return REDIS_URL, or the address of the embedded Valkey (``unix:///…?db=0``)."""
    if url := env.secret("REDIS_URL", ""):
        return url
    return f"unix://{quote(str(places(env.data()).valkey_socket))}?db=0"


def broker_url() -> str:
    """Return the same address in the form that Celery reads."""
    url = redis_url()
    if not url.startswith("unix://"):
        return url
    path, _, query = url.removeprefix("unix://").partition("?")
    return f"redis+socket://{path}?virtual_host={query.removeprefix('db=') or '0'}"


def cache_url() -> str:
    """Return CACHE_URL, or the address with database 1: clearing the cache spares the broker."""
    if url := env.secret("CACHE_URL", ""):
        return url
    url = redis_url()
    if url.startswith("unix://"):
        return url.partition("?")[0] + "?db=1"
    return urlunsplit(urlsplit(url)._replace(path="/1"))


@contextmanager
def running(data: Path | None = None, *, durable: bool = True) -> Iterator[None]:
    """Keep the embedded servers up for the length of the block; nothing where URLs name others.

    Args:
        data: another data folder than the configured one.
        durable: False gives up safety on power loss for speed, for data that is thrown away.

    Raises:
        ServiceError: a server cannot be started; one line says what to do.
    """
    servers = _embedded()
    if not servers:
        yield
        return
    where = places(data or env.data())
    key = (os.getpid(), where.data)
    if _inside.get(key):
        _inside[key] += 1
        try:
            yield
        finally:
            _inside[key] -= 1
        return
    make_folder(where.run, mode=0o711 if where.account else 0o700)
    with _open(where.run / "users") as users:
        with alone("servers", where.data):
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                for server in servers:
                    if not server.answers(where):
                        server.start(where, durable=durable)
            except BaseException:
                _leave(users, where, servers)
                raise
        _inside[key] = 1
        try:
            yield
        finally:
            _inside[key] = 0
            if os.getpid() == key[0]:  # a forked child that falls out of the block only goes
                with alone("servers", where.data):
                    _leave(users, where, servers)


@contextmanager
def alone(name: str, data: Path | None = None) -> Iterator[None]:
    """Let one process at a time into the block of this name; a killed one leaves it open."""
    where = places(data or env.data())
    make_folder(where.run, mode=0o711 if where.account else 0o700)
    with _open(where.run / f"{name}.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def discard(data: Path) -> bool:
    """Stop what runs on a data folder and delete it, and return True; False while in use."""
    where = places(data)
    if (where.run / "users").exists():
        with _open(where.run / "users") as users, alone("servers", where.data):
            if not _last(users):
                return False
            for server in (valkey, postgres):
                server.stop(where)
    for folder in (where.postgres, where.postgres_sockets, where.valkey_socket.parent, where.data):
        shutil.rmtree(folder, ignore_errors=True)
    if where.postgres_sockets.is_relative_to(ROOT_HOME):
        shutil.rmtree(where.postgres_sockets.parent.parent, ignore_errors=True)
    return True


def disk_is_full(error: BaseException | None) -> bool:
    """Return whether an error, or one that it came from, says that the disk is full."""
    while error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if isinstance(error, psycopg.errors.DiskFull):
            return True
        error = error.__cause__ or error.__context__
    return False


def embedded() -> bool:
    """Return whether PostgreSQL is the embedded one."""
    return not env.secret("DATABASE_URL", "")


def _embedded_url(role: str) -> str:
    folder = quote(str(places(env.data()).postgres_sockets))
    return f"postgresql://{role}@/{postgres.NAME}?host={folder}"


def _embedded() -> list[ModuleType]:
    redis = [] if env.secret("REDIS_URL", "") else [valkey]
    return [postgres, *redis] if embedded() else redis


def _open(file: Path) -> IO[bytes]:
    try:
        return file.open("ab")
    except OSError as error:
        raise ServiceError(
            f"Cannot open {file}: {error.strerror}. Run as the user who owns it, free some space, "
            "or set BREAKWATER_DATA to another folder."
        ) from None


def _last(users: IO[bytes]) -> bool:
    """Return whether no other process has its share; only for the holder of `servers`."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _leave(users: IO[bytes], where: Places, servers: list[ModuleType]) -> None:
    """Stop the servers if nobody else uses them; a second Ctrl-C meanwhile changes nothing."""
    if not _last(users):
        return
    with _deaf():
        for server in reversed(servers):
            server.stop(where)


@contextmanager
def _deaf() -> Iterator[None]:
    """Do not hear SIGINT and SIGTERM inside the block."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals arrive in the main thread only
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
