"""A picture server on loopback: the sample's pictures by name, and every kind of bad answer.

``/pictures/NAME`` serves a file, ``/fail/KIND/ANYTHING`` one of the kinds in ``failing.py`` or of
those that take more time than a sample should (``busy``, ``silent`` and the like), ``/__count`` the
number of requests so far. It also answers as an HTTP proxy for whatever host, so that a tool which
knows no allow-list can be run without reaching the network.
"""

import io
import json
import mimetypes
import struct
import threading
import time
import zlib
from collections.abc import Callable
from email.utils import formatdate
from functools import cache, lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit
from urllib.request import ProxyHandler, build_opener

from sample import drawing
from sample.common import SampleError
from sample.failing import BOMB_SIDE, GIGABYTE

DRIP_SECONDS = 0.25  # between two bytes
PATIENCE_SECONDS = 300  # for which a slow answer goes on
CHUNK = b"\x00" * 65_536


@cache
def bomb(side: int = BOMB_SIDE) -> bytes:
    """Return a small PNG that claims, and would unpack to, ``side`` by ``side`` black pixels."""
    packer = zlib.compressobj(9)
    line = bytes(1 + -(-side // 8))
    packed = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    )


@lru_cache(maxsize=512)
def _jpeg(path: str) -> bytes:
    """Return a picture that depends on the last part of the path alone; no other path's."""
    seed = 1_000_000 + zlib.crc32(path.rsplit("/", 1)[-1].encode()) % 1_000_000
    out = io.BytesIO()
    drawing.draw(seed, size=(320, 240)).save(out, "JPEG", quality=85)
    return out.getvalue()


class PictureServer:
    """The server as a context manager: a thread of its own, port 0 for any free one."""

    def __init__(self, folder: Path, *, port: int = 0, log: Path | None = None) -> None:
        """Listen on 127.0.0.1; SampleError when the port is taken or the folder is not there.

        ``folder`` holds ``pictures/``; each request adds its path as a line to ``log``.
        """
        self.pictures = folder / "pictures"
        if not self.pictures.is_dir():
            raise SampleError(f"no pictures in {folder}: build a sample there first")
        self._paths: list[str] = []
        self._lock = threading.Lock()
        self._log = log.open("a", encoding="utf-8") if log else None
        self.ending = threading.Event()
        handler = type("Handler", (_Handler,), {"site": self})
        try:
            self._server = _Server(("127.0.0.1", port), handler)
        except OSError as error:
            raise SampleError(f"port {port} cannot be used: {error.strerror}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.daemon = True

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def base_url(self) -> str:
        """What stands before the paths of its pictures."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[str]:
        """The paths asked for so far, in order."""
        with self._lock:
            return list(self._paths)

    def note(self, path: str) -> None:
        """Count one request."""
        with self._lock:
            self._paths.append(path)
            if self._log:
                self._log.write(path.replace("\n", " ") + "\n")
                self._log.flush()

    def forget(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self._paths.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()  # ends the slow answers too
        self._server.shutdown()
        self._server.server_close()
        if self._log:
            self._log.close()

    def serve_forever(self) -> None:
        """Serve until interrupted."""
        with self:
            self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is what half of the kinds provoke: no trace of it."""


class _Handler(BaseHTTPRequestHandler):
    site: PictureServer
    protocol_version = "HTTP/1.1"
    timeout = 30
    server_version = "SamplePictures"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one request; anything but GET is refused by the base class."""
        self.close_connection = True
        path = unquote(urlsplit(self.path).path)
        if path == "/__count":
            self._send(200, str(len(self.site.requests)).encode(), "text/plain")
            return
        self.site.note(path)
        parts = path.strip("/").split("/")
        if len(parts) == 2 and parts[0] == "pictures":
            self._picture(parts[1])
        elif len(parts) >= 2 and parts[0] == "fail":
            self._fail(parts[1], path)
        else:
            self._send(404, b"not found", "text/plain")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: requests are counted by the site."""

    def _picture(self, name: str) -> None:
        file = self.site.pictures / name
        if name.startswith(".") or not file.is_file():
            self._send(404, b"not found", "text/plain")
            return
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        self._send(200, file.read_bytes(), kind)

    def _fail(self, kind: str, path: str) -> None:
        answer = _ANSWERS.get(kind)
        if answer is not None:
            answer(self, path)
        elif kind.isdigit() and 400 <= int(kind) <= 599:
            again = {"Retry-After": "1"} if kind in {"429", "503"} else {}
            self._send(int(kind), b"no picture for you", "text/plain", **again)
        else:
            self._send(404, b"not found", "text/plain")

    def _send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self._head(status, kind, length=len(body), **headers)
        self.wfile.write(body)

    def _head(self, status: int, kind: str, *, length: int | None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _redirect(self, where: str | None) -> None:
        self._send(302, b"", "text/plain", **({"Location": where} if where else {}))

    def _pour(self, chunk: bytes, *, pause: float = 0) -> None:
        """Write ``chunk`` again and again until the client leaves or the server ends."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and not self.site.ending.wait(pause):
            self.wfile.write(chunk)

    def _endless(self, path: str) -> None:
        self._head(200, "image/jpeg", length=None)
        self.wfile.write(_jpeg(path)[:4096])
        self._pour(CHUNK)

    def _oversized(self, path: str) -> None:
        self._head(200, "image/jpeg", length=GIGABYTE)
        data = _jpeg(path)
        self.wfile.write(data)
        sent = len(data)
        while sent < GIGABYTE and not self.site.ending.is_set():
            chunk = CHUNK[: GIGABYTE - sent]
            self.wfile.write(chunk)
            sent += len(chunk)

    def _drip(self, path: str) -> None:
        data = _jpeg(path)
        self._head(200, "image/jpeg", length=len(data))
        for at in range(len(data)):
            if self.site.ending.wait(DRIP_SECONDS):
                return
            self.wfile.write(data[at : at + 1])
            self.wfile.flush()

    def _truncated(self, path: str) -> None:
        data = _jpeg(path)
        self._send(200, data[: len(data) // 2], "image/jpeg")

    def _cut(self, path: str) -> None:
        data = _jpeg(path)
        self._head(200, "image/jpeg", length=len(data))
        self.wfile.write(data[: len(data) // 2])

    def _busy(self, path: str, status: int, again: str) -> None:
        """Ask for a pause the first time that a path is asked for."""
        if self.site.requests.count(path) == 1:
            self._send(status, b"not now", "text/plain", **{"Retry-After": again})
        else:
            self._good(path)

    def _slow(self, path: str) -> None:
        """A picture after up to half a second, which differs from path to path."""
        self.site.ending.wait(zlib.crc32(path.encode()) % 500 / 1000)
        self._good(path)

    def _silent(self, path: str) -> None:
        self.site.ending.wait(PATIENCE_SECONDS)

    def _good(self, path: str) -> None:
        self._send(200, _jpeg(path), "image/jpeg")


def _html(handler: _Handler, path: str) -> None:
    page = "<!doctype html><title>Gone fishing</title><p>This picture has moved. " * 20
    handler._send(200, page.encode(), "text/html; charset=utf-8")


_ANSWERS: dict[str, Callable[[_Handler, str], None]] = {
    "good": _Handler._good,
    "redirect": lambda h, path: h._redirect(path.replace("/redirect/", "/good/", 1)),
    "redirect-gone": lambda h, path: h._redirect("/fail/404/after-redirect.jpg"),
    "redirect-private": lambda h, path: h._redirect("http://10.0.0.1/a.jpg"),
    "redirect-metadata": lambda h, path: h._redirect("http://169.254.169.254/latest/meta-data/"),
    "redirect-file": lambda h, path: h._redirect("file:///etc/hostname"),
    "redirect-loop": lambda h, path: h._redirect(path),
    "redirect-nowhere": lambda h, path: h._redirect(None),
    "endless": _Handler._endless,
    "drip": _Handler._drip,
    "oversized": _Handler._oversized,
    "picture-as-text": lambda h, path: h._send(200, _jpeg(path), "text/plain"),
    "text-as-picture": lambda h, path: h._send(200, b"Only words here.\n" * 200, "image/jpeg"),
    "html": _html,
    "empty": lambda h, path: h._send(200, b"", "image/jpeg"),
    "truncated": _Handler._truncated,
    "cut": _Handler._cut,
    "bomb": lambda h, path: h._send(200, bomb(), "image/png"),
    "hang-up": lambda h, path: None,
    "busy": lambda h, path: h._busy(path, 429, "1"),
    "busy-until": lambda h, path: h._busy(path, 503, formatdate(time.time() + 2, usegmt=True)),
    "busy-for-an-hour": lambda h, path: h._send(
        429, b"not now", "text/plain", **{"Retry-After": "3600"}
    ),
    "slow": _Handler._slow,
    "silent": _Handler._silent,
}


def counted(base_url: str) -> int:
    """Return how many requests the server at ``base_url`` has answered; for another process."""
    with build_opener(ProxyHandler({})).open(f"{base_url}/__count", timeout=5) as answer:
        return int(json.load(answer))
