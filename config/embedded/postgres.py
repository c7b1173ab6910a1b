"""The embedded PostgreSQL: data folder made, server started and stopped.

Access is by the socket alone: its folder is private, and the server asks the system who is calling
(peer), so no password exists. PostgreSQL refuses to run as root; see decisions/0001.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import psycopg

from config.embedded.binaries import binaries
from config.embedded.places import SOCKET_NAME, Places, ServiceError
from config.embedded.processes import (
    as_account,
    command_of,
    end_of,
    gone,
    make_folder,
    spawn,
    wait_for,
)

NAME = "breakwater"  # of the owning role and the database
APPLICATION = "breakwater_app"  # of the role that web and workers use; see decisions/0018
SECONDS_TO_START = 60.0
SECONDS_TO_RECOVER = 600.0  # after a crash it replays its log, and says so meanwhile
SECONDS_TO_STOP = 60.0
BUSY = "starting up", "not yet accepting", "recovery", "shutting down"
# Its own log names no values (H16): no statement, no DETAIL such as "Key (value)=(...)", and no
# error of a statement at all, which may quote what it cannot read; whoever sent it logs it.
SILENT_ON_VALUES = (
    "log_error_verbosity=terse",
    "log_min_error_statement=panic",
    "log_min_messages=log",
)
UNSAFE_AND_FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


def connection(where: Places, database: str = NAME, *, role: str = NAME) -> str:
    """Return libpq's words for a connection to a database of the server."""
    return f"host={where.postgres_sockets} user={role} dbname={database} connect_timeout=2"


def answers(where: Places) -> bool:
    """Return whether the server takes connections; wait for one that is about to."""
    wait_for(lambda: _state(where) != "busy", seconds=SECONDS_TO_RECOVER)
    if _state(where) == "silent":
        return False
    _admit_application(where)
    return True


def start(where: Places, *, durable: bool = True) -> None:
    """Start the server and wait until it answers; make the data folder and database if missing.

    Raises:
        ServiceError: with one line that says what to do.
    """
    folder = binaries(where)
    make_folder(where.log, mode=0o700)
    make_folder(where.postgres_sockets, mode=0o700, account=where.account)
    if not _prepared(where):
        _make_data(where, folder, durable=durable)
    _allow_callers(where)
    _end_stray(where)
    log = where.log / "postgres.log"
    beginning = log.stat().st_size if log.exists() else 0
    settings = ["listen_addresses=", "unix_socket_permissions=0700", *SILENT_ON_VALUES]
    settings += () if durable else UNSAFE_AND_FAST
    process = spawn(
        [
            str(folder / "postgres"),
            *("-D", str(where.postgres)),
            *("-k", str(where.postgres_sockets)),
            *(word for setting in settings for word in ("-c", setting)),
        ],
        log=log,
        env=_environment(),
        account=where.account,
    )

    def ended_or_ready() -> bool:
        return process.poll() is not None or _state(where) == "ready"

    ready = wait_for(ended_or_ready, seconds=SECONDS_TO_START)
    if not ready and _state(where) == "busy":
        ready = wait_for(ended_or_ready, seconds=SECONDS_TO_RECOVER)
    if process.poll() is not None or not ready:
        if process.poll() is None:
            process.send_signal(signal.SIGQUIT)
            process.wait()
        reason = end_of(log, start=min(beginning, log.stat().st_size), words=("FATAL", "PANIC"))
        raise ServiceError(_explained("PostgreSQL did not start", reason, log))
    _make_database(where)


def stop(where: Places) -> None:
    """Stop the server at once but cleanly (fast shutdown) and wait until it is gone."""
    pid = _pid(where)
    if pid is None or not _is_ours(pid, where):
        return
    os.kill(pid, signal.SIGINT)
    if not wait_for(
        lambda: gone(pid, is_ours=lambda pid: _is_ours(pid, where)), seconds=SECONDS_TO_STOP
    ):
        os.kill(pid, signal.SIGQUIT)
        wait_for(
            lambda: gone(pid, is_ours=lambda pid: _is_ours(pid, where)), seconds=SECONDS_TO_STOP
        )


def _state(where: Places) -> str:
    """Return ready, busy (starting, stopping, or too slow to say) or silent."""
    if not (where.postgres_sockets / SOCKET_NAME).exists():
        return "silent"
    try:
        psycopg.connect(connection(where, "postgres")).close()
    except psycopg.errors.ConnectionTimeout:
        return "busy"
    except psycopg.OperationalError as error:
        if any(words in str(error) for words in BUSY):
            return "busy"
        # Whoever refuses us in these words is there all the same: too many clients, for instance.
        return "ready" if "FATAL" in str(error) else "silent"
    return "ready"


def _environment() -> dict[str, str]:
    # initdb fails under a locale that is not UTF-8.
    return {"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"}


def _explained(what: str, reason: str, log: Path | None = None) -> str:
    """Return one line: what happened, the server's own reason, what to do about it."""
    reason = re.sub(r"^.*?(?:FATAL|PANIC|error):\s*", "", reason)
    hint = f"See {log}." if log else ""
    if "No space left" in reason or "Disk quota" in reason:
        hint = "The disk is full: free some space, or set BREAKWATER_DATA to a folder elsewhere."
    elif "lock file" in reason or "in use" in reason:
        hint = "Another server uses this data folder: stop it, or set BREAKWATER_DATA."
    return f"{what}: {reason.rstrip('.') or 'it gave no reason'}. {hint}".strip()


# Data folder


def _prepared(where: Places) -> bool:
    """Return whether the data folder is there and whole.

    Raises:
        ServiceError: it holds something else.
    """
    try:
        if not where.postgres.exists() or not any(where.postgres.iterdir()):
            return False
    except PermissionError:
        raise ServiceError(
            f"{where.postgres} belongs to another user: run as that user, or set BREAKWATER_DATA."
        ) from None
    if (where.postgres / "PG_VERSION").exists() and (where.postgres / "global/pg_control").exists():
        return True
    raise ServiceError(
        f"{where.postgres} is not a whole PostgreSQL data folder: move it away and start again."
    )


def _make_data(where: Places, folder: Path, *, durable: bool) -> None:
    # Made under another name: what an interrupted start left is never taken for a data folder.
    half = where.postgres.with_name("postgres.half-made")
    shutil.rmtree(half, ignore_errors=True)
    make_folder(half, mode=0o700, account=where.account)
    made = subprocess.run(
        [
            str(folder / "initdb"),
            *("-D", str(half), "-U", NAME, "-E", "UTF8"),
            *("--auth-local=peer", "--auth-host=reject", "--no-instructions"),
            *(() if durable else ("--no-sync",)),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd="/",
        env=_environment(),
        check=False,
        start_new_session=True,
        **as_account(where.account),
    )
    if made.returncode:
        shutil.rmtree(half, ignore_errors=True)
        lines = [line for line in made.stderr.splitlines() if "error:" in line or "FATAL" in line]
        reason = lines[-1] if lines else made.stderr.strip().splitlines()[-1:] or [""]
        raise ServiceError(
            _explained(
                "PostgreSQL could not make its data folder",
                reason if isinstance(reason, str) else reason[0],
            )
        )
    if where.postgres.exists():
        where.postgres.rmdir()
    half.rename(where.postgres)


def _allow_callers(where: Places) -> None:
    """Let the user who started us, and the one PostgreSQL runs as, in as our two roles."""
    callers = {os.geteuid()} | ({where.account.uid} if where.account else set())
    names = sorted(pwd.getpwuid(uid).pw_name for uid in callers)
    files = {
        "pg_hba.conf": f"local all all peer map={NAME}\n",
        "pg_ident.conf": "".join(
            f'{NAME} "{name}" {role}\n' for role in (NAME, APPLICATION) for name in names
        ),
    }
    for name, wanted in files.items():
        file = where.postgres / name
        if file.exists() and file.read_text(encoding="utf-8") == wanted:
            continue
        descriptor, temporary = tempfile.mkstemp(dir=where.postgres, prefix=name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(wanted)
        if where.account:
            os.chown(temporary, where.account.uid, where.account.gid)
        os.replace(temporary, file)


def _make_database(where: Places) -> None:
    with psycopg.connect(connection(where, "postgres"), autocommit=True) as server:
        known = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone()
        if not known:
            server.execute(f"CREATE DATABASE {NAME}")
        known = server.execute("SELECT to_regrole(%s)", [APPLICATION]).fetchone()
        if known == (None,):
            server.execute(f"CREATE ROLE {APPLICATION} LOGIN")


def _admit_application(where: Places) -> None:
    """Let the application's role into a server that an earlier version started and left running."""
    try:
        psycopg.connect(connection(where, "postgres", role=APPLICATION)).close()
    except psycopg.OperationalError:
        with suppress(psycopg.OperationalError):  # whoever needs the server is told what it is
            _allow_callers(where)
            with psycopg.connect(connection(where, "postgres"), autocommit=True) as server:
                server.execute("SELECT pg_reload_conf()")
            _make_database(where)


# Processes


def _pid(where: Places) -> int | None:
    try:
        return int((where.postgres / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _is_ours(pid: int, where: Places) -> bool:
    """Return whether the process is a server on this data folder: a pid may have a new owner."""
    words = command_of(pid)
    return f"postgres -D {where.postgres} " in words


def _end_stray(where: Places) -> None:
    """Clear what a lost server left: one without its socket, or a pid file that means nothing.

    PostgreSQL takes any live process, even one that nobody reaped, for the owner of the pid file.
    """
    pid = _pid(where)
    if pid is not None and _is_ours(pid, where):
        stop(where)
    # Without the pid file PostgreSQL does not see the children of a killed server; they go at once.
    if wait_for(lambda: not _working_in(where.postgres), seconds=SECONDS_TO_STOP):
        socket = where.postgres_sockets / SOCKET_NAME
        for left in (where.postgres / "postmaster.pid", socket, socket.with_suffix(".5432.lock")):
            left.unlink(missing_ok=True)


def _working_in(folder: Path) -> bool:
    """Return whether a process has its working directory there, as all of PostgreSQL's have."""
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):  # gone meanwhile, or of another user and so none of ours
            if link.readlink() == folder:
                return True
    return False
