"""A server on loopback that answers in every good and bad way, for the tests of fetching."""

import gzip
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.moderation.media.drawing import encoded, scene

PICTURE = encoded(scene(64, 48), "JPEG")
GZIP_BOMB = gzip.compress(b"\xff\xd8\xff" + bytes(100_000_000), 6)
STATUSES = (204, 206, 300, 400, 401, 403, 404, 410, 418, 429, 451, 500, 503)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path; the server's ``seen`` lists the headers of every request."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.server.seen.append(dict(self.headers))
        self.server.peers.add(self.client_address)
        name = self.path.partition("?")[0].strip("/").replace("-", "_").replace(".", "_")
        if name.isdecimal():
            self.whole(b"<p>no</p>", int(name))
        elif name.startswith("hops_"):
            left = int(name[5:])
            self.redirect(f"/hops-{left - 1}" if left else "/picture")
        else:
            getattr(self, name)()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def whole(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, location: str | None, status: int = 302) -> None:
        self.send_response(status)
        if location is not None:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def open_end(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def picture(self) -> None:
        self.whole(PICTURE, Content_Type="image/jpeg", Set_Cookie="who=me; Path=/")

    def picture_named_text(self) -> None:
        self.whole(PICTURE, Content_Type="text/html")

    def page_named_picture(self) -> None:
        self.whole(b"<!DOCTYPE html><title>gone</title>" + b" " * 500, Content_Type="image/jpeg")

    def short_page(self) -> None:
        self.whole(b"no", Content_Type="image/jpeg")

    def nothing(self) -> None:
        self.whole(b"")

    def chunked(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(PICTURE), 100):
            piece = PICTURE[start : start + 100]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def gzipped(self) -> None:
        self.whole(gzip.compress(PICTURE), Content_Encoding="gzip")

    def gzip_bomb(self) -> None:
        self.whole(GZIP_BOMB, Content_Encoding="gzip")

    def broken_gzip(self) -> None:
        self.whole(b"\x1f\x8b\x08" + bytes(range(200)), Content_Encoding="gzip")

    def large(self) -> None:
        self.whole(PICTURE + bytes(3_000_000))

    def large_unannounced(self) -> None:
        self.open_end()
        self.wfile.write(PICTURE + bytes(3_000_000))

    def endless(self) -> None:
        self.open_end()
        self.wfile.write(PICTURE)
        while not self.server.stopping.is_set():
            self.wfile.write(bytes(65_536))

    def endless_redirect(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/picture")
        self.end_headers()
        while not self.server.stopping.is_set():
            self.wfile.write(bytes(65_536))

    def drip(self) -> None:
        self.open_end()
        for at in range(len(PICTURE)):
            self.wfile.write(PICTURE[at : at + 1])
            self.wait(0.1)

    def drip_announced(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PICTURE)))
        self.end_headers()
        for at in range(len(PICTURE)):
            self.wfile.write(PICTURE[at : at + 1])
            self.wait(0.1)

    def drip_headers(self) -> None:
        for sign in b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 1000:
            self.wfile.write(bytes([sign]))
            self.wait(0.1)

    def drip_chunks(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for sign in b"0" * 1000:
            self.wfile.write(bytes([sign]))
            self.wait(0.1)

    def silent(self) -> None:
        self.wait(30)

    def cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PICTURE) + 1000))
        self.end_headers()
        self.wfile.write(PICTURE)
        self.close_connection = True

    def cut_chunks(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(PICTURE), PICTURE))
        self.close_connection = True

    def hang_up(self) -> None:
        self.close_connection = True

    def odd_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nno colon here\r\nX: y\r\n\r\n<html>")
        self.close_connection = True

    def no_http(self) -> None:
        self.wfile.write(b"SSH-2.0-x\r\n" * 10)
        self.close_connection = True

    def to_picture(self) -> None:
        self.redirect("/picture")

    def to_picture_utf8(self) -> None:
        self.redirect("/picture?q=\u00fc".encode().decode("latin-1"))

    def to_private(self) -> None:
        self.redirect("http://10.0.0.1/a.jpg")

    def to_metadata(self) -> None:
        self.redirect("http://169.254.169.254/latest")

    def to_other_port(self) -> None:
        self.redirect(f"http://127.0.0.1:{self.server.server_port + 1}/picture")

    def to_file(self) -> None:
        self.redirect("file:///etc/hostname")

    def to_credentials(self) -> None:
        self.redirect(f"http://user:word@127.0.0.1:{self.server.server_port}/picture")

    def to_itself(self) -> None:
        self.redirect("/to-itself")

    def to_no_host(self) -> None:
        self.redirect("http://gone.example.invalid/a.jpg")

    def to_bad_url(self) -> None:
        self.redirect("http://[::1/picture")

    def to_nothing(self) -> None:
        self.redirect(None)

    def to_gone(self) -> None:
        self.redirect("/404", 301)

    def wait(self, seconds: float) -> None:
        self.server.stopping.wait(seconds)


class Server(http.server.ThreadingHTTPServer):
    """Listens on 127.0.0.1 at a free port."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[dict[str, str]] = []
        self.peers: set[tuple[str, int]] = set()
        self.stopping = threading.Event()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are what is tested here."""


@contextmanager
def running() -> Iterator[Server]:
    """Run a server for the block."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join()


def seconds_since(start: float) -> float:
    """Return the seconds since ``start`` on the monotonic clock."""
    return time.monotonic() - start
