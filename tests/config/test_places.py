"""Where the embedded servers live, for any data folder and user."""

import os
import pwd
from pathlib import Path

import pytest

from config.embedded import places as module
from config.embedded.places import SOCKET_LIMIT, SOCKET_NAME, Account, ServiceError, places


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("BREAKWATER_POSTGRES_USER", raising=False)


@pytest.fixture
def as_ann(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234)


@pytest.mark.usefixtures("as_ann")
def test_a_user_has_everything_in_the_data_folder() -> None:
    data = Path("/srv/water")
    where = places(data)
    assert where.account is None
    assert where.postgres == data / "postgres"
    assert where.postgres_sockets == data / "run/postgres"
    assert where.valkey_socket == data / "run/valkey.sock"


@pytest.mark.usefixtures("as_ann")
def test_a_long_path_moves_the_sockets_alone() -> None:
    data = Path("/srv") / ("long" * 30)
    where = places(data)
    assert len(os.fsencode(where.postgres_sockets / f"{SOCKET_NAME}.lock")) < SOCKET_LIMIT
    assert len(os.fsencode(where.valkey_socket)) < SOCKET_LIMIT
    assert where.postgres == data / "postgres"
    assert places(data) == where
    assert places(data / "other").postgres_sockets != where.postgres_sockets


@pytest.mark.usefixtures("as_root")
def test_as_root_it_runs_as_nobody_in_a_folder_that_nobody_can_reach(tmp_path: Path) -> None:
    where = places(Path("/srv/water"))
    assert where.account == Account(*pwd.getpwnam("nobody")[2:4], "nobody")
    assert where.postgres == Path("/srv/water/postgres")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    where = places(private / "data")
    assert where.postgres.is_relative_to(module.ROOT_HOME)
    assert where.postgres_sockets.is_relative_to(module.ROOT_HOME)
    assert where.valkey == private / "data/valkey"


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("name", ["root", "no-such-user-here"])
def test_as_root_an_unfit_account_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("BREAKWATER_POSTGRES_USER", name)
    with pytest.raises(ServiceError, match="BREAKWATER_POSTGRES_USER"):
        places(Path("/srv/water"))


@pytest.mark.parametrize(("mode", "expected"), [(0o700, False), (0o701, True), (0o711, True)])
def test_reachable(tmp_path: Path, mode: int, expected: bool) -> None:
    status = tmp_path.stat()
    (tmp_path / "a/b").mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("pytest-", "popen-", tmp_path.name)):
            folder.chmod(0o711)  # pytest's own folders are private
    (tmp_path / "a").chmod(mode)
    other = Account(status.st_uid + 1, status.st_gid + 1, "other")
    owner = Account(status.st_uid, status.st_gid, "owner")
    assert module.reachable(tmp_path / "a/b", other) is expected
    assert module.reachable(tmp_path / "a/missing", other) is expected
    assert module.reachable(tmp_path / "a/b", owner)
