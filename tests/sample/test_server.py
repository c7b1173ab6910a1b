"""The picture server gives every answer it is there for, and counts."""

import io
from collections.abc import Iterator
from http.client import HTTPConnection, IncompleteRead, RemoteDisconnected
from pathlib import Path

import pytest
from PIL import Image

from sample import failing
from sample.common import SampleError
from sample.server import PictureServer, bomb, counted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "00001.jpg").write_bytes(b"\xff\xd8 a picture")
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[PictureServer]:
    with PictureServer(folder, log=folder / "log") as running:
        yield running


class Answer:
    """What came back for one path, body included unless ``most`` bytes were enough."""

    def __init__(self, server: PictureServer, path: str, *, most: int | None = None) -> None:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            self.status, self.headers = answer.status, answer.headers
            self.body = answer.read(most) if most else answer.read()
        finally:
            connection.close()


def test_a_picture_is_served_by_name_and_counted(server: PictureServer, folder: Path) -> None:
    answer = Answer(server, "/pictures/00001.jpg")
    assert (answer.status, answer.body) == (200, b"\xff\xd8 a picture")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert Answer(server, "/pictures/none.jpg").status == 404
    assert server.requests == ["/pictures/00001.jpg", "/pictures/none.jpg"]
    assert counted(server.base_url) == 2
    assert (folder / "log").read_text().splitlines() == server.requests
    server.forget()
    assert server.requests == []


@pytest.mark.parametrize("path", ["/pictures/..%2fsecret", "/pictures/../secret", "/secret", "/"])
def test_nothing_outside_the_pictures_is_served(
    server: PictureServer, folder: Path, path: str
) -> None:
    (folder / "secret").write_text("x")
    assert Answer(server, path).status == 404


@pytest.mark.parametrize("kind", [name for name in failing.KINDS if name.isdigit()])
def test_statuses(server: PictureServer, kind: str) -> None:
    answer = Answer(server, f"/fail/{kind}/1.jpg")
    assert answer.status == int(kind)
    assert answer.headers["Retry-After"] == ("1" if kind in {"429", "503"} else None)


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("redirect", "/fail/good/1.jpg"),
        ("redirect-gone", "/fail/404/after-redirect.jpg"),
        ("redirect-private", "http://10.0.0.1/a.jpg"),
        ("redirect-metadata", "http://169.254.169.254/latest/meta-data/"),
        ("redirect-file", "file:///etc/hostname"),
        ("redirect-loop", "/fail/redirect-loop/1.jpg"),
        ("redirect-nowhere", None),
    ],
)
def test_redirects(server: PictureServer, kind: str, where: str | None) -> None:
    answer = Answer(server, f"/fail/{kind}/1.jpg")
    assert (answer.status, answer.headers["Location"]) == (302, where)


@pytest.mark.parametrize(
    ("kind", "content_type", "is_picture"),
    [
        ("good", "image/jpeg", True),
        ("picture-as-text", "text/plain", True),
        ("text-as-picture", "image/jpeg", False),
        ("html", "text/html; charset=utf-8", False),
        ("empty", "image/jpeg", False),
        ("truncated", "image/jpeg", False),
    ],
)
def test_bodies(server: PictureServer, kind: str, content_type: str, is_picture: bool) -> None:
    answer = Answer(server, f"/fail/{kind}/1.jpg")
    assert (answer.status, answer.headers["Content-Type"]) == (200, content_type)
    try:
        Image.open(io.BytesIO(answer.body)).load()
        decoded = True
    except OSError:
        decoded = False
    assert decoded is is_picture


def test_the_transfer_is_cut(server: PictureServer) -> None:
    with pytest.raises(IncompleteRead):
        Answer(server, "/fail/cut/1.jpg")
    with pytest.raises(RemoteDisconnected):
        Answer(server, "/fail/hang-up/1.jpg")


def test_bodies_that_do_not_end(server: PictureServer) -> None:
    assert len(Answer(server, "/fail/endless/1.jpg", most=3_000_000).body) == 3_000_000
    oversized = Answer(server, "/fail/oversized/1.jpg", most=100_000)
    assert int(oversized.headers["Content-Length"]) == failing.GIGABYTE
    assert len(Answer(server, "/fail/drip/1.jpg", most=2).body) == 2


def test_the_bomb_is_small_and_claims_a_lot() -> None:
    assert len(bomb()) < 200_000
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(bomb()))
    small = Image.open(io.BytesIO(bomb(64)))
    small.load()
    assert small.size == (64, 64)


def test_it_answers_as_a_proxy(server: PictureServer) -> None:
    answer = Answer(server, "http://pictures.invalid/pictures/00001.jpg")
    assert (answer.status, answer.body) == (200, b"\xff\xd8 a picture")


def test_every_kind_that_is_served_has_an_answer(server: PictureServer) -> None:
    for kind in failing.KINDS.values():
        url = failing.link(kind, 7, server.base_url)
        if not url or not url.startswith(f"{server.base_url}/") or kind.name in {"hang-up", "drip"}:
            continue
        answer = Answer(server, url.removeprefix(server.base_url), most=9)
        assert answer.status != 404 or kind.name == "404"
        assert answer.body != b"not found"


def test_a_port_in_use_and_a_missing_folder_are_said_in_one_line(
    server: PictureServer, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(SampleError, match=f"port {server.port} cannot be used"):
        PictureServer(folder, port=server.port)
    with pytest.raises(SampleError, match="build a sample there first"):
        PictureServer(tmp_path / "none")
