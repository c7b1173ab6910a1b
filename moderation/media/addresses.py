"""Which links may be followed: scheme, port, no credentials, and the addresses open by exception.

Where a name leads is decided when the connection is made (fetch.py), on the address that is then
connected to; what is decided here needs no look-up.
"""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from requests import PreparedRequest
from requests.exceptions import InvalidSchema, RequestException

SCHEMES = ("http", "https")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_URL = 8192
_REFUSED = re.compile(r'[\x00-\x20\\<>"\x7f]')
# What most links are: in their normal form already. Nothing in it is to be encoded or decoded, no
# segment of the path is a step back, so the long way below would give it as it is.
_PLAIN = re.compile(
    r"(https?)://([a-z0-9_-]++(?:\.[a-z0-9_-]++)*+)(?::([1-5][0-9]{4}|[1-9][0-9]{0,3}))?+"
    r"((?:/(?!\.)[\w.~!$&'()*+,;=:@-]*+)++(?:\?[\w.~!$&'()*+,;=:@/?-]++)?+)",
    re.ASCII,
)
_LOWEST_OPEN_PORT = 1024  # beside 80 and 443
# Services above that port that take a request line for something else (the WHATWG list of bad
# ports, and stores that answer plain text).
_CLOSED_PORTS = frozenset(
    [1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379, 6566, 6679, 6697]
).union(range(6665, 6670), (10080, 11211))


class LinkRefused(Exception):
    """A link that is not followed; ``reason`` is one of outcomes.REASONS.

    Reasons: ``bad_url``, ``scheme_refused``, ``address_refused`` (credentials, port).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason.replace("_", " "))
        self.reason = reason


class Link(NamedTuple):
    """A link that may be followed: ``target`` is what the server at ``host`` and ``port`` is asked
    for, ``authority`` is host and port as the link names them."""

    url: str
    scheme: str
    host: str
    port: int
    authority: str
    target: str


def link(url: str) -> Link:
    """Return ``url`` made ready for a GET request, or raise LinkRefused.

    Everything is read from one normalised form, so that there are no two opinions on where it goes.
    """
    url = url.strip()
    plain = _PLAIN.fullmatch(url) if len(url) <= _LONGEST_URL else None
    if plain is not None:
        return _plain_link(*plain.groups())
    if len(url) > _LONGEST_URL or _REFUSED.search(url):
        raise LinkRefused("bad_url")
    scheme, colon, rest = url.partition(":")
    if not colon or not scheme.replace("+", "").replace("-", "").replace(".", "").isalnum():
        raise LinkRefused("bad_url")
    if scheme.lower() not in SCHEMES:
        # example.com:8080/a.jpg has no scheme; ftp://... and data:... have one that is not ours
        raise LinkRefused("bad_url" if "." in scheme else "scheme_refused")
    if not rest.startswith("//"):
        raise LinkRefused("bad_url")
    request, refused = PreparedRequest(), ""
    try:
        request.prepare_url(url, None)
        parts = urlsplit(request.url or "")
        host, port = parts.hostname, parts.port
        credentials = "@" in parts.netloc or "@" in urlsplit(url).netloc
    except InvalidSchema:
        refused = "scheme_refused"
    except (RequestException, ValueError):
        refused = "bad_url"
    if refused:  # raised here and not above: the other exception's message holds the link
        raise LinkRefused(refused)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not host or request.url is None or not (parts.netloc + target).isascii():
        raise LinkRefused("bad_url")
    if credentials:
        raise LinkRefused("address_refused")
    return Link(
        request.url, parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], parts.netloc, target
    )


def _plain_link(scheme: str, host: str, port: str | None, target: str) -> Link:
    authority = f"{host}:{port}" if port else host
    number = int(port) if port else _DEFAULT_PORTS[scheme]
    return Link(f"{scheme}://{authority}{target}", scheme, host, number, authority, target)


def check_port(port: int) -> None:
    """Raise LinkRefused for a port on which no web server is to be expected."""
    if port not in _DEFAULT_PORTS.values() and (port < _LOWEST_OPEN_PORT or port in _CLOSED_PORTS):
        raise LinkRefused("address_refused")


def exceptions(allow_addresses: tuple[str, ...]) -> frozenset[tuple[str, int]]:
    """Return host and port of each ``host:port`` that is open although it is on this machine.

    Only loopback can be opened, by its address or as ``localhost``, and each port by itself; for
    anything else ValueError says what is wrong.
    """
    return frozenset(_exception(text) for text in allow_addresses)


def _exception(text: str) -> tuple[str, int]:
    host, _, port = text.strip().rpartition(":")
    host = host.strip("[]").lower()
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not host:port; write for example 127.0.0.1:8000")
    if host != "localhost" and not _is_loopback(host):
        raise ValueError(f"{text!r} is not on this machine; only loopback can be opened")
    return host, int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
