"""A bounded download of one link: picture bytes, or one reason why there are none.

The address is looked up once, checked, and connected to as checked (microsoft-antissrf); every
redirect starts from the beginning. Bytes, seconds and redirects are limited here, and what arrives
is judged by its first bytes, never by what the server calls it. No cookies, no proxies from the
environment, no credentials, no retries. Nothing of a link gets into logs or error messages.
"""

import http.client
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from AntiSSRF import (
    AntiSSRFError,
    AntiSSRFPolicy,
    PolicyConfigOptions,
)
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from moderation.media import addresses, containers
from moderation.media.deadline import Exchange, Watch
from moderation.media.room import Room

USER_AGENT = "Breakwater/1.0 (dataset safety scan)"
_PIECE = 65_536  # bytes read at a time
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_OWN_REASONS = frozenset((401, 403, 404, 410, 429, 451))
_HOSTS_KEPT = 64
_CONNECTIONS_KEPT = 64  # idle ones a host, at most

# Addresses that the library's list leaves open: retired forms of IPv4 inside IPv6, compatible
# (RFC 4291) and translated (RFC 2765).
_ALSO_DENIED = ["::/96", "::ffff:0:0:0/96"]
_LOOPBACK = ["127.0.0.0/8", "::1/128"]

_NO_SUCH_HOST = frozenset(
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY")
    if hasattr(socket, name)
)
_ERRORS = (
    addresses.LinkRefused,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    AntiSSRFError,
    OSError,
    UnicodeError,  # a host that no name server could be asked for
)


@dataclass(frozen=True)
class FetchLimits:
    """What one download may take; ``allow_addresses`` are the ``host:port`` open on loopback."""

    connect_seconds: float = 5.0
    total_seconds: float = 20.0
    max_bytes: int = 20_000_000
    max_redirects: int = 5
    allow_addresses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError, with what is wrong, for an address that cannot be opened."""
        addresses.exceptions(self.allow_addresses)


@dataclass(frozen=True)
class Fetched:
    """The bytes of something that begins like a picture, and where they came from in the end."""

    data: bytes
    http_status: int
    content_type: str
    final_url: str


class FetchFailed(Exception):
    """No picture; ``reason`` is one of outcomes.REASONS, ``http_status`` what was answered last.

    ``retry_after``: the seconds for which a server that has too much to do asks not to be asked.
    """

    def __init__(
        self, reason: str, http_status: int | None = None, *, retry_after: float | None = None
    ) -> None:
        super().__init__(reason.replace("_", " "))
        self.reason = reason
        self.http_status = http_status
        self.retry_after = retry_after


class Fetcher:
    """Downloads links; one for a process, used by many threads at once, closed at the end.

    The deadline covers connecting, TLS, headers and body. The look-up of a name cannot be broken
    off: it ends by the resolver's own timeout, and the fetch with it.
    """

    def __init__(self, *, user_agent: str = USER_AGENT) -> None:
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "image/*",
            "Accept-Encoding": "identity",
        }
        self._watch = Watch()
        self._outside = _session(allow_loopback=False)
        self._loopback = _session(allow_loopback=True)

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what still runs and close all connections."""
        self._watch.close()
        self._outside.close()
        self._loopback.close()

    def fetch(self, url: str, limits: FetchLimits, *, room: Room | None = None) -> Fetched:
        """Return what ``url`` leads to, or raise FetchFailed with exactly one reason.

        With ``room`` no body is read before there is room for it, a wait that the deadline does not
        count; what is returned keeps ``len(data)`` of it until the caller gives it back.
        """
        failed = FetchFailed("connection")
        with self._watch.exchange(limits.total_seconds) as exchange, _current(exchange):
            download = _Download(self, limits, exchange, room)
            try:
                return download.follow(url)
            except FetchFailed as error:
                failed = error
            except _ERRORS as error:
                failed = FetchFailed(download.why(error), download.status)
        # Raised here and not above: messages of the errors beneath hold links.
        raise failed

    def send(self, link: addresses.Link, limits: FetchLimits, exchange: Exchange) -> Any:
        """Return the response to one request; the body is not read yet."""
        if (link.host, link.port) in _exceptions(limits.allow_addresses):
            session = self._loopback
        else:
            addresses.check_port(link.port)
            session = self._outside
        # The adapter and not the session: a session would read the body of a redirect, keep
        # cookies, and look for credentials.
        adapter = session.get_adapter(link.url)
        timeout = (min(limits.connect_seconds, exchange.remaining()), exchange.remaining())
        return adapter.send(link.request, stream=True, timeout=timeout, verify=True)

    def link(self, url: str) -> addresses.Link:
        """Return the request for ``url``, or raise LinkRefused."""
        return addresses.link(url, headers=self._headers)


class _Download:
    """One fetch: where it is, what was answered last."""

    def __init__(
        self, fetcher: Fetcher, limits: FetchLimits, exchange: Exchange, room: Room | None
    ) -> None:
        self.fetcher = fetcher
        self.limits = limits
        self.exchange = exchange
        self.room = room
        self.status: int | None = None
        self.redirects = 0

    def follow(self, url: str) -> Fetched:
        """Return what is found at the end of the redirects."""
        while True:
            link = self.fetcher.link(url)
            response = self._send(link)
            try:
                self.status = status = int(response.status_code)
                if status == 200:
                    data = self._read(response)
                    kind = str(response.headers.get("Content-Type", ""))
                    return Fetched(data, status, kind, link.url)
                if status not in _REDIRECTS:
                    again = retry_after(response.headers.get("Retry-After"))
                    raise FetchFailed(_reason_of_status(status), status, retry_after=again)
                url = self._target(link.url, response)
            finally:
                # Closed unless read to its end: then the connection is already back in its pool.
                response.close()

    def _send(self, link: addresses.Link) -> Any:
        try:
            return self.fetcher.send(link, self.limits, self.exchange)
        except requests.ConnectionError as error:
            # A server may close a kept connection just as it is taken up again.
            if not self.exchange.reused or self.exchange.over or _holds(error, _REFUSALS):
                raise
        return self.fetcher.send(link, self.limits, self.exchange)

    def _target(self, url: str, response: Any) -> str:
        self.redirects += 1
        if self.redirects > self.limits.max_redirects:
            raise FetchFailed("too_many_redirects", self.status)
        location = str(response.headers.get("Location", ""))
        if not location:
            raise FetchFailed("redirect_to_nowhere", self.status)
        # Headers are read as latin-1; servers send UTF-8.
        location = location.encode("latin-1", "replace").decode("utf-8", "replace")
        with suppress(ValueError):
            return urljoin(url, location)
        raise FetchFailed("redirect_to_nowhere", self.status)

    def _read(self, response: Any) -> bytes:
        """Return the body, once there is room for all of it."""
        announced = response.headers.get("Content-Length", "")
        most = self.limits.max_bytes
        if announced.isdecimal():
            if int(announced) > most:
                raise FetchFailed("too_many_bytes", self.status)
            if response.headers.get("Content-Encoding", "identity") == "identity":
                most = int(announced)
        if self.room is None:
            return self._body(response)
        if not self.room.take_now(most):
            with self.exchange.held():
                self.room.take(most)
        kept = 0
        try:
            body = self._body(response)
            kept = len(body)
        finally:
            self.room.give(most - kept)
        return body

    def _body(self, response: Any) -> bytes:
        """Return the body, checked by its first bytes before the rest is read."""
        body = bytearray()
        judged = False
        for piece in response.raw.stream(_PIECE, decode_content=True):
            body += piece
            if not judged and len(body) >= containers.SNIFF_BYTES:
                self._judge(body)
                judged = True
            if len(body) > self.limits.max_bytes:
                raise FetchFailed("too_many_bytes", self.status)
        if self.exchange.over:  # the end that was seen may be the one that we made
            raise FetchFailed("timeout", self.status)
        if not judged:
            self._judge(body)
        return bytes(body)

    def _judge(self, body: bytearray) -> None:
        if containers.sniff(bytes(body[: containers.SNIFF_BYTES])) is None:
            raise FetchFailed("not_a_picture", self.status)

    def why(self, error: Exception) -> str:
        """Return the one reason for what was raised beneath."""
        reason: str
        if isinstance(error, addresses.LinkRefused):
            reason = error.reason
        elif self.exchange.over:
            return "timeout"
        else:
            reason = _reason_of(error)
        if self.redirects and reason in ("bad_url", "no_such_host"):
            return "redirect_to_nowhere"
        return reason


def _reason_of_status(status: int) -> str:
    if status in _OWN_REASONS:
        return f"http_{status}"
    if 400 <= status < 600:
        return "http_4xx" if status < 500 else "http_5xx"
    return "http_other"


def retry_after(text: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, of either form; None if of none."""
    text = (text or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


_REFUSALS = (AntiSSRFError, ssl.SSLError, urllib3.exceptions.SSLError, TimeoutError)
_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_TLS = (requests.exceptions.SSLError, urllib3.exceptions.SSLError, ssl.SSLError)
_BAD_URL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
    UnicodeError,
)


def _reason_of(error: Exception) -> str:
    if isinstance(error, AntiSSRFError):
        return "address_refused"
    if isinstance(error, socket.gaierror):
        # "Try again" and the like say nothing about whether the host exists.
        return "no_such_host" if error.errno in _NO_SUCH_HOST else "connection"
    if isinstance(error, urllib3.exceptions.DecodeError):
        return "undecodable"
    if isinstance(error, urllib3.exceptions.ProtocolError) and not _holds(error, (OSError,)):
        return "truncated"  # of the body, said by its length; a reset is a failed connection
    for kinds, reason in (
        (_BAD_URL, "bad_url"),
        (_TLS, "tls"),
        # urllib3 counts a refused connection among the timeouts
        ((urllib3.exceptions.NewConnectionError,), "connection"),
        (_TIMEOUTS, "timeout"),
    ):
        if _holds(error, kinds):
            return reason
    return "connection"


def _holds(error: BaseException | None, kinds: tuple[type[BaseException], ...]) -> bool:
    """Return whether ``error`` or one that it was raised from is of ``kinds``."""
    while error is not None:
        if isinstance(error, kinds):
            return True
        error = error.__cause__ or error.__context__
    return False


@lru_cache(maxsize=8)
def _exceptions(allow_addresses: tuple[str, ...]) -> frozenset[tuple[str, int]]:
    return addresses.exceptions(allow_addresses)


def _session(*, allow_loopback: bool) -> requests.Session:
    """Return a session that connects to checked addresses only, with watched connections."""
    policy = AntiSSRFPolicy(PolicyConfigOptions.EXTERNAL_ONLY_LATEST)
    policy.allow_plain_text_http = True
    policy.add_xff_header = False
    policy.add_denied_addresses(_ALSO_DENIED)
    if allow_loopback:
        policy.add_allowed_addresses(_LOOPBACK)
    session: requests.Session = policy.get_antissrf_session()
    session.trust_env = False
    for prefix in ("http://", "https://"):
        adapter: Any = session.get_adapter(prefix)
        adapter.init_poolmanager(_HOSTS_KEPT, _CONNECTIONS_KEPT)
        adapter.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        adapter.add_headers = _name_host
    return session


def _name_host(request: requests.PreparedRequest, **_: object) -> None:
    """Set the Host header with its port, which the library leaves out."""
    request.headers["Host"] = urlsplit(str(request.url)).netloc


_thread = threading.local()


@contextmanager
def _current(exchange: Exchange) -> Iterator[None]:
    """Make ``exchange`` the one that this thread's connections belong to."""
    _thread.exchange = exchange
    try:
        yield
    finally:
        _thread.exchange = None


def _outside_of_a_fetch(_: logging.LogRecord) -> bool:
    """Return whether a log record may pass: urllib3 writes hosts and paths into its own."""
    return getattr(_thread, "exchange", None) is None


for _name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_outside_of_a_fetch)


class _Connection(HTTPConnection):
    """A connection that is shut when the time of its exchange is over."""

    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        _thread.exchange.use(connection)
        return connection

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _thread.exchange.use(self.sock, again=True)
        super().request(*args, **kwargs)


class _SecureConnection(HTTPSConnection):
    """The same over TLS; the handshake too is under the deadline."""

    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        _thread.exchange.use(connection)
        return connection

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _thread.exchange.use(self.sock, again=True)
        super().request(*args, **kwargs)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
