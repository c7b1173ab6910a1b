"""The web server's own answers, to what is no request: a real gunicorn on a socket of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from honcho.environ import parse_procfile

from config import env

APP = "wsgiref.simple_server:demo_app"
SECRET = "eel-grass-at-noon"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The web server of the Procfile, with an application that says hello."""
    command = parse_procfile((env.PROJECT / "Procfile").read_text()).processes["web"]
    options = command.partition(" --bind ")[0].removeprefix("exec gunicorn config.wsgi ").split()
    place = tmp_path_factory.mktemp("web") / "socket"
    options += ["--bind", f"unix:{place}", "--threads", "2", "--no-control-socket"]
    with place.with_name("log").open("wb") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", APP, *options],
            cwd=env.PROJECT,
            env={**os.environ, "PYTHONPATH": str(env.PROJECT)},
            stderr=log,
        )
    end = time.monotonic() + 30
    while not place.exists():
        assert running.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    yield place
    running.terminate()
    running.wait(20)


def ask(server: Path, sent: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(server))
        client.sendall(sent.encode())
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


def test_what_is_a_request_reaches_the_application(server: Path) -> None:
    answer = ask(server, "GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    assert "Hello world!" in answer


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO"])
def test_no_header_says_where_the_site_lies(server: Path, name: str) -> None:
    sent = f"GET /a HTTP/1.1\r\nHost: here\r\n{name}: /x\r\nConnection: close\r\n\r\n"
    answer = ask(server, sent)
    assert "Hello world!" in answer
    assert "PATH_INFO = '/a'" in answer
    assert "/x" not in answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (f"{SECRET}\r\n\r\n", "400 Bad Request"),
        (f"GET /{SECRET} HTTP/9.9\r\n\r\n", "400 Bad Request"),
        (f"GET / HTTP/1.1\r\nHost: here\r\n{SECRET} x: y\r\n\r\n", "400 Bad Request"),
        (f"GET /?{SECRET}={'x' * 9000} HTTP/1.1\r\nHost: here\r\n\r\n", "414 URI Too Long"),
        (
            f"GET / HTTP/1.1\r\nHost: here\r\n{SECRET}: {'x' * 9000}\r\n\r\n",
            "431 Request Header Fields Too Large",
        ),
    ],
)
def test_what_is_none_gets_a_plain_page_with_our_headers(
    server: Path, sent: str, status: str
) -> None:
    head, _, page = ask(server, sent).partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status}\r\n")
    for header in (
        "Cache-Control: no-store",
        "Content-Security-Policy: default-src 'none'",
        "X-Content-Type-Options: nosniff",
        f"Content-Length: {len(page.encode())}",
    ):
        assert header in head
    assert "That could not be read" in page
    assert SECRET not in page
    log = server.with_name("log").read_text()
    assert "A request that cannot be read was refused." in log
    assert SECRET not in log
