"""The embedded servers: started once, shared, stopped by the last, whatever is killed."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from config import env, services
from config.embedded import postgres, valkey
from config.embedded.places import Places, places
from config.embedded.processes import command_of, wait_for

HOLD = """
from config import services
with services.running(durable=False):
    print("up", flush=True)
    input()
"""


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder of its own, nothing in it running yet; all of it is gone afterwards."""
    for name in ("DATABASE_URL", "DATABASE_URL_FILE", "REDIS_URL", "REDIS_URL_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = env.data() / f"servers-{os.urandom(4).hex()}"
    monkeypatch.setenv("BREAKWATER_DATA", str(folder))
    yield folder
    assert services.discard(folder)
    assert not folder.exists()


@pytest.fixture
def where(data: Path) -> Places:
    return places(data)


@pytest.fixture
def holder(data: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Start processes that stay inside running() until their input closes."""
    started: list[subprocess.Popen[str]] = []

    def start() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD],
            cwd=env.PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def up(where: Places) -> tuple[bool, bool]:
    return postgres.answers(where), valkey.answers(where)


def test_both_answer_at_their_addresses_and_keep_what_they_were_given(where: Places) -> None:
    with services.running():
        with psycopg.connect(services.owner_url()) as database:
            database.execute("CREATE TABLE kept AS SELECT 7 AS n")
        redis.Redis.from_url(services.redis_url()).set("kept", "7")
    assert up(where) == (False, False)
    with services.running():
        with psycopg.connect(services.owner_url()) as database:
            assert database.execute("SELECT n FROM kept").fetchone() == (7,)
        assert redis.Redis.from_url(services.redis_url()).get("kept") == b"7"
    assert up(where) == (False, False)


def test_the_log_of_postgresql_names_no_values(where: Places) -> None:
    wrong = (
        "INSERT INTO held VALUES ('a-b-c')",
        "SELECT 'a-b-c'::uuid",
        "SELECT nothing FROM held WHERE name = 'a-b-c'",
    )
    with (
        services.running(where.data, durable=False),
        psycopg.connect(postgres.connection(where), autocommit=True) as server,
    ):
        server.execute("CREATE TABLE held (name text PRIMARY KEY)")
        server.execute("INSERT INTO held VALUES ('a-b-c')")
        for statement in wrong:
            with pytest.raises(psycopg.Error):
                server.execute(statement)
    log = (where.log / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "a-b-c" not in log


def test_the_application_has_a_role_that_owns_nothing(where: Places) -> None:
    with services.running(where.data, durable=False):
        with psycopg.connect(services.owner_url()) as database:
            database.execute("CREATE TABLE held AS SELECT 1 AS n")
        with psycopg.connect(services.database_url(), autocommit=True) as database:
            assert database.execute("SELECT current_user").fetchone() == (postgres.APPLICATION,)
            for refused in (
                "TABLE held",
                "CREATE TABLE own (n int)",
                "SET ROLE breakwater",
                "SET session_replication_role = replica",
                "SET SESSION AUTHORIZATION breakwater",
                "CREATE ROLE another",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    database.execute(refused)


def as_an_earlier_version_left_it(where: Places) -> None:
    """One role and no other: the data folder's callers, and the server's roles."""
    ident = where.postgres / "pg_ident.conf"
    lines = ident.read_text().splitlines(keepends=True)
    ident.write_text("".join(line for line in lines if postgres.APPLICATION not in line))
    with psycopg.connect(postgres.connection(where, "postgres"), autocommit=True) as server:
        server.execute("SELECT pg_reload_conf()")
        server.execute(f"DROP ROLE {postgres.APPLICATION}")


@pytest.mark.parametrize("running", [True, False])
def test_the_application_is_let_into_data_of_an_earlier_version(
    where: Places, holder: Callable[[], "subprocess.Popen[str]"], running: bool
) -> None:
    process = holder()
    as_an_earlier_version_left_it(where)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(services.database_url())
    if not running:
        process.communicate("\n")
    with services.running(), psycopg.connect(services.database_url()) as database:
        assert database.execute("SELECT current_user").fetchone() == (postgres.APPLICATION,)


def test_only_the_owner_comes_near(where: Places) -> None:
    with services.running(durable=False):
        for path in (where.postgres, where.postgres_sockets, where.valkey, where.log):
            assert path.stat().st_mode & 0o077 == 0
        assert where.valkey_socket.stat().st_mode & 0o077 == 0
        pid = int((where.postgres / "postmaster.pid").read_text().split()[0])
        assert os.stat(f"/proc/{pid}").st_uid != 0


def test_inside_each_other_they_start_and_stop_once(where: Places) -> None:
    with services.running(durable=False):
        with services.running(durable=False):
            pass
        assert up(where) == (True, True)
    assert up(where) == (False, False)


def test_the_last_one_out_stops_them(
    where: Places, holder: Callable[[], "subprocess.Popen[str]"]
) -> None:
    first, second = holder(), holder()
    first.communicate("\n")
    assert up(where) == (True, True)
    second.communicate("\n")
    assert up(where) == (False, False)


def test_a_killed_starter_leaves_them_to_the_others(
    where: Places, holder: Callable[[], "subprocess.Popen[str]"]
) -> None:
    first, second = holder(), holder()
    first.kill()
    first.wait()
    assert up(where) == (True, True)
    second.communicate("\n")
    assert up(where) == (False, False)


def test_what_the_only_one_left_behind_when_killed_is_used_and_stopped_by_the_next(
    where: Places, holder: Callable[[], "subprocess.Popen[str]"]
) -> None:
    only = holder()
    only.kill()
    only.wait()
    assert up(where) == (True, True)
    holder().communicate("\n")
    assert up(where) == (False, False)


def test_servers_that_were_killed_start_again(
    where: Places, holder: Callable[[], "subprocess.Popen[str]"]
) -> None:
    only = holder()
    for file in (where.postgres / "postmaster.pid", where.valkey / "valkey.pid"):
        os.kill(int(file.read_text().split()[0]), signal.SIGKILL)
    only.kill()
    only.wait()
    assert wait_for(lambda: up(where) == (False, False), seconds=10)
    holder().communicate("\n")


def test_a_pid_file_whose_pid_is_another_process_is_recognised(where: Places) -> None:
    with services.running(durable=False):
        pass
    lines = [str(os.getpid()), str(where.postgres), "1", "5432", str(where.postgres_sockets), ""]
    (where.postgres / "postmaster.pid").write_text("\n".join(lines))
    (where.valkey / "valkey.pid").write_text(str(os.getpid()))
    with services.running(durable=False):
        assert up(where) == (True, True)


def test_servers_without_their_sockets_are_replaced(
    where: Places, holder: Callable[[], "subprocess.Popen[str]"]
) -> None:
    first = holder()
    old = int((where.postgres / "postmaster.pid").read_text().split()[0])
    (where.postgres_sockets / ".s.PGSQL.5432").unlink()
    where.valkey_socket.unlink()
    first.kill()
    first.wait()
    with services.running(durable=False):
        assert up(where) == (True, True)
    assert "postgres" not in command_of(old)


def test_a_half_made_data_folder_is_made_again(where: Places) -> None:
    half = where.postgres.with_name("postgres.half-made")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    with services.running(durable=False):
        assert up(where) == (True, True)
    assert not half.exists()


def test_a_folder_of_something_else_is_left_alone(where: Places) -> None:
    where.postgres.mkdir(parents=True)
    (where.postgres / "letter.txt").write_text("mine")
    with (
        pytest.raises(services.ServiceError, match="not a whole PostgreSQL data folder"),
        services.running(),
    ):
        pass
    assert (where.postgres / "letter.txt").exists()
    assert up(where) == (False, False)


def test_data_of_another_version_names_it(where: Places) -> None:
    (where.postgres / "global").mkdir(parents=True)
    (where.postgres / "global/pg_control").touch()
    (where.postgres / "PG_VERSION").write_text("9\n")
    with pytest.raises(services.ServiceError, match="is of PostgreSQL 9"), services.running():
        pass


def test_a_reason_that_the_server_gives_is_passed_on(where: Places) -> None:
    with services.running(durable=False):
        pass
    with (where.postgres / "postgresql.auto.conf").open("a") as settings:
        settings.write("shared_buffers = 'plenty'\n")
    with pytest.raises(services.ServiceError, match="contains errors") as raised:
        services.running().__enter__()
    assert "\n" not in str(raised.value)
    assert up(where) == (False, False)


def test_given_urls_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, data: Path, where: Places
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@db.example/n")
    monkeypatch.setenv("REDIS_URL", "redis://cache.example:6379/0")
    with services.running():
        assert not data.exists()
    assert services.database_url() == services.owner_url() == "postgresql://u@db.example/n"
    monkeypatch.setenv("DATABASE_OWNER_URL", "postgresql://o@db.example/n")
    assert services.owner_url() == "postgresql://o@db.example/n"
    assert services.broker_url() == "redis://cache.example:6379/0"
    assert services.cache_url() == "redis://cache.example:6379/1"


def test_one_url_leaves_the_other_server_embedded(
    monkeypatch: pytest.MonkeyPatch, where: Places
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@db.example/n")
    with services.running(durable=False):
        assert up(where) == (False, True)
    assert services.broker_url() == f"redis+socket://{where.valkey_socket}?virtual_host=0"
    assert services.cache_url() == f"unix://{where.valkey_socket}?db=1"


def test_a_folder_in_use_is_not_discarded(
    data: Path, holder: Callable[[], "subprocess.Popen[str]"]
) -> None:
    process = holder()
    assert not services.discard(data)
    assert data.exists()
    process.communicate("\n")
    assert services.discard(data)


def test_a_full_disk_is_seen_behind_other_errors() -> None:
    def raised(cause: BaseException) -> BaseException:
        wrapped = RuntimeError("the step failed")
        wrapped.__cause__ = cause
        return wrapped

    assert services.disk_is_full(raised(OSError(errno.ENOSPC, "No space left on device")))
    assert services.disk_is_full(raised(psycopg.errors.DiskFull("could not extend file")))
    assert not services.disk_is_full(raised(OSError(errno.EACCES, "Permission denied")))
