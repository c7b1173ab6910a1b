"""Every way in which a picture server can disappoint, by name, and what a fetch should make of it.

The reasons are those of the product's ledger; where two are right both are given.
"""

from dataclasses import dataclass

BOMB_SIDE = 30_000  # pixels; 900 million of them in a PNG of about 110 kB
GIGABYTE = 1 << 30


@dataclass(frozen=True)
class Kind:
    """One kind of link; ``link`` is a path on the server, or a whole URL, or no URL at all.

    ``slow`` links hold a client for as long as it has patience.
    """

    name: str
    link: str | None
    reasons: tuple[str, ...]
    slow: bool = False


def _served(name: str, *reasons: str, slow: bool = False) -> Kind:
    return Kind(name, f"/fail/{name}/{{n}}.jpg", reasons, slow)


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        _served("404", "http_404"),
        _served("410", "http_410"),
        _served("401", "http_401"),
        _served("403", "http_403"),
        _served("429", "http_429"),  # with Retry-After: 1
        _served("451", "http_451"),
        _served("418", "http_4xx"),
        _served("500", "http_5xx"),
        _served("503", "http_5xx"),  # with Retry-After: 1
        _served("redirect", "fetched"),  # to a picture that is there
        _served("redirect-gone", "http_404"),
        _served("redirect-private", "address_refused"),  # to 10.0.0.1
        _served("redirect-metadata", "address_refused"),  # to 169.254.169.254
        _served("redirect-file", "scheme_refused", "address_refused"),
        _served("redirect-loop", "too_many_redirects"),
        _served("redirect-nowhere", "redirect_to_nowhere", "http_other"),  # without Location
        _served("endless", "too_many_bytes", slow=True),
        _served("drip", "timeout", slow=True),
        _served("oversized", "too_many_bytes", slow=True),  # announces a gigabyte
        _served("picture-as-text", "fetched"),  # the type is told by the bytes
        _served("text-as-picture", "not_a_picture"),
        _served("html", "not_a_picture"),  # a placeholder page with status 200
        _served("empty", "not_a_picture"),
        _served("truncated", "truncated"),  # half of a picture, announced as half
        _served("cut", "truncated", "connection"),  # the connection ends half-way
        _served("bomb", "too_many_pixels"),
        _served("hang-up", "connection"),  # no answer at all
        Kind("no-url", None, ("no_url",)),
        Kind("bad-url", "not a link", ("bad_url", "scheme_refused")),
        Kind("ftp", "ftp://pictures.invalid/{n}.jpg", ("scheme_refused",)),
        Kind("file", "file:///etc/hostname", ("scheme_refused", "bad_url")),
        Kind("no-host", "http://no-such-host-{n}.invalid/a.jpg", ("no_such_host",)),
        Kind("private", "http://10.0.0.1/{n}.jpg", ("address_refused",)),
        Kind("metadata", "http://169.254.169.254/{n}.jpg", ("address_refused",)),
        Kind("other-port", "http://127.0.0.1:1/{n}.jpg", ("address_refused",)),
    )
}


def link(kind: Kind, number: int, base_url: str) -> str | None:
    """Return the URL of one link of a kind; None for the kind that has none."""
    if kind.link is None:
        return None
    text = kind.link.format(n=number)
    return base_url + text if text.startswith("/") else text
