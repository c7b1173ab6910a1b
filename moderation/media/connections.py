"""Connections to checked addresses, kept for the next link of the same site.

A name is looked up once for a connection, all its addresses are checked, and what was checked is
what is connected to: a name server cannot answer the check with one address and the connection
with another.
"""

import ipaddress
import os
import socket
import ssl
import threading
import time
from collections import OrderedDict
from functools import cache
from typing import NamedTuple

from AntiSSRF import IPAddressRanges
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from moderation.media.deadline import Exchange

_MOST_IDLE = 256  # connections that are kept, of all sites together

# Beside the library's list: retired forms of IPv4 inside IPv6, compatible (RFC 4291) and
# translated (RFC 2765), which it leaves open.
_DENIED = tuple(
    ipaddress.ip_network(each)
    for each in (*IPAddressRanges.recommended_latest, "::/96", "::ffff:0:0:0/96")
)


class AddressRefused(Exception):
    """A site with an address that must not be connected to."""


class Site(NamedTuple):
    """What a connection is good for; ``loopback``: this machine is open for it."""

    scheme: str
    host: str
    port: int
    loopback: bool


class Connection:
    """An open connection. ``guard`` is a second descriptor of it, by which others may shut it."""

    def __init__(self, site: Site, plain: socket.socket) -> None:
        self.site = site
        self.socket = plain
        self.guard = socket.socket(fileno=os.dup(plain.fileno()))

    @property
    def secure(self) -> bool:
        return isinstance(self.socket, ssl.SSLSocket)

    def close(self) -> None:
        self.guard.close()
        self.socket.close()


class Connections:
    """Makes connections and keeps those that are idle, for many threads at once."""

    def __init__(self) -> None:
        self._idle: OrderedDict[Site, list[Connection]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()
        self._closed = False

    def take(self, site: Site) -> Connection | None:
        """Return a connection that was kept, if any is left."""
        with self._lock:
            kept = self._idle.get(site)
            if not kept:
                return None
            connection = kept.pop()
            self._count -= 1
            if not kept:
                del self._idle[site]
            return connection

    def keep(self, connection: Connection) -> None:
        """Let the next one have it; the site that was idle for longest makes room."""
        surplus = None
        with self._lock:
            if self._closed:
                surplus = connection
            else:
                self._idle.setdefault(connection.site, []).append(connection)
                self._idle.move_to_end(connection.site)
                self._count += 1
                if self._count > _MOST_IDLE:
                    oldest = next(iter(self._idle))
                    surplus = self._idle[oldest].pop(0)
                    self._count -= 1
                    if not self._idle[oldest]:
                        del self._idle[oldest]
        if surplus is not None:
            surplus.close()

    def open(self, site: Site, exchange: Exchange, *, seconds: float) -> Connection:
        """Return a new connection, which ``exchange`` shuts when its time is over.

        ``seconds`` are for the connection alone; the handshake of TLS has those of the exchange.
        Raises AddressRefused or OSError.
        """
        plain = _connected(_checked(site), exchange, seconds=seconds)
        plain.settimeout(None)  # from here on the exchange's end is the end
        try:
            connection = Connection(site, plain)
        except BaseException:
            plain.close()
            raise
        exchange.use(connection.guard)
        if site.scheme == "https":
            try:
                connection.socket = _tls().wrap_socket(plain, server_hostname=site.host)
            except BaseException:
                exchange.leave()
                connection.close()
                raise
        return connection

    def close(self) -> None:
        """Close those that are idle; what is handed back later is closed at once."""
        with self._lock:
            self._closed = True
            idle = [each for kept in self._idle.values() for each in kept]
            self._idle.clear()
        for connection in idle:
            connection.close()


@cache
def _tls() -> ssl.SSLContext:
    """Return the one context of this process: its certificates take a tenth of a second to read."""
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _checked(site: Site) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """Return the addresses to connect to. One that is refused speaks against the name."""
    found = socket.getaddrinfo(site.host, site.port, type=socket.SOCK_STREAM)
    if not found:
        raise AddressRefused
    for _, _, _, _, address in found:
        if not _is_open(str(address[0]), loopback=site.loopback):
            raise AddressRefused
    return [(family, (str(address[0]), site.port)) for family, _, _, _, address in found]


def _connected(
    addresses: list[tuple[socket.AddressFamily, tuple[str, int]]],
    exchange: Exchange,
    *,
    seconds: float,
) -> socket.socket:
    """Return a socket connected to the first address that answers, in ``seconds`` for all of them.

    Raises OSError, that of the last address, where none does.
    """
    end = time.monotonic() + min(seconds, exchange.remaining())
    failed: OSError | None = None
    for tried, (family, address) in enumerate(addresses):
        # The ones behind it must have their time too, or an address that swallows all takes it.
        share = (end - time.monotonic()) / (2 if addresses[tried + 1 :] else 1)
        if share <= 0:
            break
        try:
            return _connect(family, address, share)
        except OSError as error:
            failed = error
    raise failed or TimeoutError


def _connect(
    family: socket.AddressFamily, address: tuple[str, int], seconds: float
) -> socket.socket:
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.settimeout(seconds)
        plain.connect(address)
    except BaseException:
        plain.close()
        raise
    return plain


def _is_open(text: str, *, loopback: bool) -> bool:
    """Return whether an address may be connected to."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if loopback and address.is_loopback:
        return True
    return not any(address in network for network in _DENIED)
