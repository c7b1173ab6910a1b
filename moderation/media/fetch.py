"""A bounded download of one link: picture bytes, or one reason why there are none.

The address is looked up once, checked, and connected to as checked (connections.py); every redirect
starts from the beginning. Bytes, seconds and redirects are limited here, and what arrives
is judged by its first bytes, never by what the server calls it. No cookies, no proxies from the
environment, no credentials, no retries. Nothing of a link gets into logs or error messages.
"""

import socket
import ssl
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import urljoin

from moderation.media import addresses, containers
from moderation.media.answers import Answer, BadAnswer, CutShort
from moderation.media.connections import AddressRefused, Connection, Connections, Site
from moderation.media.deadline import Exchange, Watch
from moderation.media.room import Room

USER_AGENT = "Breakwater/1.0 (dataset safety scan)"
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_OWN_REASONS = frozenset((401, 403, 404, 410, 429, 451))
_PACKED = frozenset(("gzip", "x-gzip", "deflate"))  # though nobody asked for it

_NO_SUCH_HOST = frozenset(
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY")
    if hasattr(socket, name)
)
_ERRORS = (
    addresses.LinkRefused,
    AddressRefused,
    BadAnswer,
    CutShort,
    OSError,
    zlib.error,
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
        self._headers = (
            f"User-Agent: {user_agent}\r\nAccept: image/*\r\nAccept-Encoding: identity\r\n\r\n"
        )
        self._watch = Watch()
        self.connections = Connections()

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what still runs and close all connections."""
        self._watch.close()
        self.connections.close()

    def fetch(self, url: str, limits: FetchLimits, *, room: Room | None = None) -> Fetched:
        """Return what ``url`` leads to, or raise FetchFailed with exactly one reason.

        With ``room`` no body is read before there is room for it, a wait that the deadline does not
        count; what is returned keeps ``len(data)`` of it until the caller gives it back.
        """
        failed = FetchFailed("connection")
        with self._watch.exchange(limits.total_seconds) as exchange:
            download = _Download(self, limits, exchange, room)
            try:
                return download.follow(url)
            except FetchFailed as error:
                failed = error
            except _ERRORS as error:
                failed = FetchFailed(download.why(error), download.status)
        # Raised here and not above: messages of the errors beneath hold links.
        raise failed

    def request(self, link: addresses.Link) -> bytes:
        """Return what is sent for a link."""
        head = f"GET {link.target} HTTP/1.1\r\nHost: {link.authority}\r\n"
        return (head + self._headers).encode("ascii")


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
            link = addresses.link(url)
            connection, answer = self._asked(link)
            try:
                self.status = status = answer.status
                if status == 200:
                    data = self._read(answer)
                    kind = answer.headers.get("content-type", "")
                    return Fetched(data, status, kind, link.url)
                if status not in _REDIRECTS:
                    again = retry_after(answer.headers.get("retry-after"))
                    raise FetchFailed(_reason_of_status(status), status, retry_after=again)
                url = self._target(link.url, answer)
            finally:
                self._leave(connection, keep=answer.reusable)

    def _asked(self, link: addresses.Link) -> tuple[Connection, Answer]:
        """Return the answer to the request for a link, its body not read, and where it came by."""
        loopback = (link.host, link.port) in _exceptions(self.limits.allow_addresses)
        if not loopback:
            addresses.check_port(link.port)
        site = Site(link.scheme, link.host, link.port, loopback)
        kept = self.fetcher.connections.take(site)
        if kept is not None:
            self.exchange.use(kept.guard)
            try:
                return kept, self._answer(kept, link)
            except (BadAnswer, ConnectionError):
                # A server may close a kept connection, or say more on it than it announced.
                if self.exchange.over:
                    raise
        seconds = self.limits.connect_seconds
        made = self.fetcher.connections.open(site, self.exchange, seconds=seconds)
        return made, self._answer(made, link)

    def _answer(self, connection: Connection, link: addresses.Link) -> Answer:
        try:
            connection.socket.sendall(self.fetcher.request(link))
            return Answer(connection)
        except BaseException:
            self._leave(connection, keep=False)
            raise

    def _leave(self, connection: Connection, *, keep: bool) -> None:
        self.exchange.leave()
        if keep and not self.exchange.over:
            self.fetcher.connections.keep(connection)
        else:
            connection.close()

    def _target(self, url: str, answer: Answer) -> str:
        self.redirects += 1
        if self.redirects > self.limits.max_redirects:
            raise FetchFailed("too_many_redirects", self.status)
        location = answer.headers.get("location", "")
        if not location:
            raise FetchFailed("redirect_to_nowhere", self.status)
        # Headers are read as latin-1; servers send UTF-8.
        location = location.encode("latin-1", "replace").decode("utf-8", "replace")
        with suppress(ValueError):
            return urljoin(url, location)
        raise FetchFailed("redirect_to_nowhere", self.status)

    def _read(self, answer: Answer) -> bytes:
        """Return the body, once there is room for all of it."""
        coding = answer.headers.get("content-encoding", "identity").lower()
        most = self.limits.max_bytes
        if answer.length is not None:
            if answer.length > most:
                raise FetchFailed("too_many_bytes", self.status)
            if coding == "identity":
                most = answer.length
        if self.room is None:
            return self._body(answer, coding)
        if not self.room.take_now(most):
            with self.exchange.held():
                self.room.take(most)
        kept = 0
        try:
            body = self._body(answer, coding)
            kept = len(body)
        finally:
            self.room.give(most - kept)
        return body

    def _body(self, answer: Answer, coding: str) -> bytes:
        """Return the body, checked by its first bytes before the rest is read."""
        pieces, size = [], 0
        judged = False
        for piece in self._unpacked(answer.pieces(), coding):
            pieces.append(piece)
            size += len(piece)
            if not judged and size >= containers.SNIFF_BYTES:
                self._judge(pieces)
                judged = True
            if size > self.limits.max_bytes:
                raise FetchFailed("too_many_bytes", self.status)
        if self.exchange.over:  # the end that was seen may be the one that we made
            raise FetchFailed("timeout", self.status)
        if not judged:
            self._judge(pieces)
        return b"".join(pieces)

    def _unpacked(self, pieces: Iterator[bytes], coding: str) -> Iterator[bytes]:
        """Yield the body's own bytes, never many more at once than a body may have."""
        if coding == "identity":
            yield from pieces
            return
        if coding not in _PACKED:
            raise FetchFailed("undecodable", self.status)
        unpacking = zlib.decompressobj(wbits=47)  # of zlib or gzip, whichever it is
        for piece in pieces:
            yield unpacking.decompress(piece, self.limits.max_bytes + 1)
            if unpacking.unconsumed_tail:
                raise FetchFailed("too_many_bytes", self.status)
        if not unpacking.eof:
            raise CutShort

    def _judge(self, pieces: list[bytes]) -> None:
        if containers.sniff(b"".join(pieces)[: containers.SNIFF_BYTES]) is None:
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


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (AddressRefused, "address_refused"),
    (zlib.error, "undecodable"),
    (CutShort, "truncated"),  # a reset is a failed connection
    (UnicodeError, "bad_url"),
    (ssl.SSLError, "tls"),
    (TimeoutError, "timeout"),
)


def _reason_of(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        # "Try again" and the like say nothing about whether the host exists.
        return "no_such_host" if error.errno in _NO_SUCH_HOST else "connection"
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "connection")


@lru_cache(maxsize=8)
def _exceptions(allow_addresses: tuple[str, ...]) -> frozenset[tuple[str, int]]:
    return addresses.exceptions(allow_addresses)
