"""Where the embedded servers keep data, sockets and logs, and as whom PostgreSQL runs.

Everything here is worked out from the data folder, the user and what is already on the disk, so
that every process arrives at the same addresses; nothing is written.
"""

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

SOCKET_LIMIT = 100  # bytes; the system's own is 107 on Linux and 103 on macOS
SOCKET_NAME = ".s.PGSQL.5432"
ROOT_HOME = Path("/var/lib/breakwater")
SHORT_HOME = Path("/tmp")  # noqa: S108


class ServiceError(Exception):
    """An embedded server cannot run; the message is one line that says what to do."""


@dataclass(frozen=True)
class Account:
    """A user of the system."""

    uid: int
    gid: int
    name: str


@dataclass(frozen=True)
class Places:
    """The folders of one data folder's servers; ``account`` runs PostgreSQL, None: whoever asks."""

    data: Path
    run: Path
    log: Path
    postgres: Path
    postgres_sockets: Path
    valkey: Path
    valkey_socket: Path
    account: Account | None


def places(data: Path) -> Places:
    """Return the places for a data folder.

    Raises:
        ServiceError: as root, where the user that PostgreSQL would run as does not exist.
    """
    data = data.resolve()
    run, postgres = data / "run", data / "postgres"
    sockets = run
    account = _account(postgres) if os.geteuid() == 0 else None
    if account:
        if not reachable(data, account):
            # Opening the parents to other users is not ours to do: the data lives elsewhere.
            home = ROOT_HOME / _short_name(data)
            postgres, sockets = home / "postgres", home / "run"
        elif _too_long(run):
            sockets = ROOT_HOME / _short_name(data) / "run"
    elif _too_long(run):
        # Short, and the same for every shell; make_folder refuses one that is somebody else's.
        sockets = SHORT_HOME / f"breakwater-{_short_name(data)}"
    return Places(
        data=data,
        run=run,
        log=data / "log",
        postgres=postgres,
        postgres_sockets=sockets / "postgres",
        valkey=data / "valkey",
        valkey_socket=sockets / "valkey.sock",
        account=account,
    )


def reachable(folder: Path, account: Account) -> bool:
    """Return whether the account may pass through every existing folder down to this one."""
    for parent in [*reversed(folder.parents), folder]:
        try:
            status = parent.stat()
        except FileNotFoundError:
            return True  # what is missing is made by us, and open enough
        except NotADirectoryError:
            return False
        if status.st_uid == account.uid:
            bit = stat.S_IXUSR
        elif status.st_gid == account.gid:
            bit = stat.S_IXGRP
        else:
            bit = stat.S_IXOTH
        if not status.st_mode & bit:
            return False
    return True


def _account(postgres: Path) -> Account:
    """Return whom PostgreSQL runs as when root asks: the data's owner, or a user without rights."""
    try:
        owner = postgres.stat().st_uid
        if owner != 0:
            entry = pwd.getpwuid(owner)
            return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    except (OSError, KeyError):
        pass  # no data yet, or its owner has no name: the configured user decides
    name = os.environ.get("BREAKWATER_POSTGRES_USER", "nobody")
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ServiceError(
            f"PostgreSQL does not run as root and there is no user {name}: "
            "set BREAKWATER_POSTGRES_USER to an unprivileged user, or DATABASE_URL."
        ) from None
    if entry.pw_uid == 0:
        raise ServiceError("BREAKWATER_POSTGRES_USER must name a user other than root.")
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _short_name(data: Path) -> str:
    return hashlib.sha256(f"{os.geteuid()}:{data}".encode()).hexdigest()[:12]


def _too_long(run: Path) -> bool:
    longest = run / "postgres" / f"{SOCKET_NAME}.lock"
    return len(os.fsencode(longest)) >= SOCKET_LIMIT
