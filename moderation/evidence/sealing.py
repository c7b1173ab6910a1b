"""Short texts sealed in place: what an entry's URL and caption were (H16).

AES-256-GCM with a fresh 96-bit nonce before each sealed text; keys are 64 hex digits in settings.
"""

import hmac
import json
import os
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

NONCE = 12  # bytes


class Unreadable(Exception):
    """Sealed bytes were changed, shredded, or sealed under another key."""


def seal(data: bytes, *, key: bytes, context: bytes) -> bytes:
    """Return nonce + ciphertext; it opens only with the same key and context."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, data, context)


def open_(sealed: bytes, *, key: bytes, context: bytes) -> bytes:
    """Return the plain bytes, or raise Unreadable."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], context)
    except (InvalidTag, ValueError) as error:
        raise Unreadable("sealed bytes do not open: changed, or another EVIDENCE_KEY") from error


def evidence_key() -> bytes:
    """The master key of the evidence store, 32 bytes."""
    return bytes.fromhex(settings.EVIDENCE_KEY)


def seal_text(texts: dict[str, str]) -> bytes:
    """Seal an entry's texts (url, caption, page_url)."""
    return seal(json.dumps(texts).encode(), key=evidence_key(), context=b"entry")


def open_text(sealed: bytes | memoryview) -> dict[str, str]:
    """Return what `seal_text` was given, or raise Unreadable."""
    texts: dict[str, str] = json.loads(
        open_(bytes(sealed), key=evidence_key(), context=b"entry").decode()
    )
    return texts


def url_key(url: str) -> bytes:
    """Return the keyed hash that stands for a URL outside sealed texts: 16 bytes of HMAC-SHA256."""
    return _keyed(bytes.fromhex(settings.URL_KEY), url)


def url_keys(urls: Iterable[str | None]) -> list[bytes | None]:
    """Return `url_key` of each URL, None where there is none."""
    key = bytes.fromhex(settings.URL_KEY)
    return [_keyed(key, url) if url else None for url in urls]


def _keyed(key: bytes, url: str) -> bytes:
    return hmac.digest(key, url.encode("utf-8", "surrogatepass"), "sha256")[:16]
