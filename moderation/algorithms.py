"""Hash algorithms by name, and a supplier's text for one value turned into canonical bytes.

The canonical forms: digests and perceptual hashes are raw bytes of a fixed width; what Breakwater
keeps but does not match (``netclean`` and others) stays the supplier's text in UTF-8.
"""

import base64
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How values of an algorithm are compared."""

    DIGEST = "digest"  # of the file's bytes, equal or not
    PERCEPTUAL = "perceptual"  # of the picture, near by Hamming distance
    URL = "url"  # digest of a normalised URL, equal or not
    LINK = "link"  # our own keyed hash of a URL as it stands, as ledgers hold it; equal or not
    OPAQUE = "opaque"  # kept, never matched


@dataclass(frozen=True)
class Algorithm:
    """One algorithm; ``width`` is the canonical length in bytes, None where it is open."""

    name: str
    kind: Kind
    width: int | None


ALGORITHMS: dict[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("md5", Kind.DIGEST, 16),
        Algorithm("sha1", Kind.DIGEST, 20),
        Algorithm("sha256", Kind.DIGEST, 32),
        Algorithm("pdq", Kind.PERCEPTUAL, 32),
        Algorithm("phash", Kind.PERCEPTUAL, 8),
        Algorithm("photodna", Kind.OPAQUE, 144),
        Algorithm("url_md5", Kind.URL, 16),
        Algorithm("url_sha1", Kind.URL, 20),
        Algorithm("url_sha256", Kind.URL, 32),
        Algorithm("url_key", Kind.LINK, 16),
        Algorithm("netclean", Kind.OPAQUE, None),
        Algorithm("tmk_pdqf", Kind.OPAQUE, None),
        Algorithm("videntifier", Kind.OPAQUE, None),
        Algorithm("ssvh_pdna", Kind.OPAQUE, None),
        Algorithm("ssvh_safer_hash", Kind.OPAQUE, None),
    )
}

DIGESTS = tuple(name for name, a in ALGORITHMS.items() if a.kind is Kind.DIGEST)
URL_DIGESTS = tuple(name for name, a in ALGORITHMS.items() if a.kind is Kind.URL)
MATCHED = tuple(name for name, a in ALGORITHMS.items() if a.kind is not Kind.OPAQUE)
# What others can name: a keyed hash means something in this installation alone.
NAMED = tuple(name for name, a in ALGORITHMS.items() if a.kind is not Kind.LINK)
ASKED = tuple(name for name in MATCHED if name in NAMED)

EMPTY_DIGESTS = frozenset(
    bytes.fromhex(value)
    for value in (
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    )
)
OPAQUE_LIMIT = 65_536  # bytes; a longer text is no hash


class BadValue(ValueError):
    """A value that cannot be a hash of its algorithm; ``reason`` is a short code for counting.

    The message never holds the value: values of hash lists are sensitive.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason.replace("_", " "))
        self.reason = reason


def parse(algorithm: str, text: str) -> bytes:
    """Return the canonical bytes of ``text``, or raise BadValue with the reason.

    Accepts hex in either case, base32 of 32 characters for sha1, base64 for pdq and photodna
    (domain.md 4). Reasons: ``unknown_algorithm``, ``empty``, ``wrong_length``, ``not_hex``,
    ``not_base64``, ``empty_input_digest``, ``flat_value``.
    """
    if algorithm not in NAMED:
        raise BadValue("unknown_algorithm")
    known = ALGORITHMS[algorithm]
    text = text.strip()
    if not text:
        raise BadValue("empty")
    if known.width is None:
        value = text.encode()
        if len(value) > OPAQUE_LIMIT:
            raise BadValue("wrong_length")
        return value
    value = _decode(algorithm, known.width, text)
    return check(algorithm, value)


def check(algorithm: str, value: bytes) -> bytes:
    """Return ``value`` if its width is right and it says something, or raise BadValue."""
    known = ALGORITHMS[algorithm]
    if known.width is not None and len(value) != known.width:
        raise BadValue("wrong_length")
    if value in EMPTY_DIGESTS:
        raise BadValue("empty_input_digest")
    if value and (value == b"\x00" * len(value) or value == b"\xff" * len(value)):
        raise BadValue("flat_value")
    return value


def _decode(algorithm: str, width: int, text: str) -> bytes:
    try:
        if len(text) == width * 2:
            return bytes.fromhex(text)
    except ValueError as error:
        raise BadValue("not_hex") from error
    try:
        if algorithm in ("sha1", "url_sha1") and len(text) == 32:
            return base64.b32decode(text.upper())
        if algorithm in ("pdq", "photodna") and len(text) == -(-width // 3) * 4:
            return base64.b64decode(text, validate=True)
    except ValueError as error:  # binascii's own, and for text that is not ASCII
        raise BadValue("not_base64") from error
    raise BadValue("wrong_length")


def width_of(algorithm: str) -> int:
    """The width in bytes of an algorithm that is matched; ValueError for one that is not."""
    width = ALGORITHMS[algorithm].width
    if width is None:
        raise ValueError(f"{algorithm} has no fixed width")
    return width
