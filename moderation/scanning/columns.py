"""Columns of comparable hashes: what a batch of a shard or of a ledger offers to the index.

One shape for both sources, so that a first scan and a rescan match by the same code.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from moderation.algorithms import URL_DIGESTS, width_of
from moderation.media.pdq import ORIENTATIONS
from moderation.models import Match

PLAIN = ORIENTATIONS[0]
LOW_QUALITY = 50  # of PDQ; below it a picture has too little structure to be told from others
QUALITY_SLACK = 12  # by which the quality of a quick decode may lie beside that of the full one
_URL_HASHES: dict[str, Callable[[bytes], "hashlib._Hash"]] = {
    "url_md5": hashlib.md5,
    "url_sha1": hashlib.sha1,
    "url_sha256": hashlib.sha256,
}


@dataclass(frozen=True)
class Column:
    """Values of one algorithm: (k, width) uint8, beside the rows (k,) int64 they stand in."""

    algorithm: str
    variant: str
    origin: str
    values: NDArray[np.uint8]
    rows: NDArray[np.int64]
    low_quality: NDArray[np.bool_] | None = None  # of PDQ: (k,), True below LOW_QUALITY
    approximate: NDArray[np.bool_] | None = None  # of perceptual ones: (k,)
    # Of hashes of a quick decode, whose exact ones nobody knows yet:
    slack: NDArray[np.int64] | None = None  # bits by which each may lie beside it: (k,)
    doubts: NDArray[np.uint8] | None = None  # those set here not counted: as ``values``


def column(
    algorithm: str,
    values: Sequence[bytes],
    rows: Iterable[int],
    *,
    origin: str,
    variant: str = PLAIN,
    low_quality: Sequence[bool] | None = None,
    approximate: Sequence[bool] | None = None,
    slack: Sequence[int] | None = None,
    doubts: Sequence[bytes] | None = None,
) -> Column:
    """Return a Column of values that all have their algorithm's width."""
    return Column(
        algorithm=algorithm,
        variant=variant,
        origin=origin,
        values=_packed(algorithm, values),
        rows=np.fromiter(rows, dtype=np.int64, count=len(values)),
        low_quality=None if low_quality is None else np.asarray(low_quality, dtype=np.bool_),
        approximate=None if approximate is None else np.asarray(approximate, dtype=np.bool_),
        slack=None if slack is None else np.asarray(slack, dtype=np.int64),
        doubts=None if doubts is None else _packed(algorithm, doubts),
    )


def _packed(algorithm: str, values: Sequence[bytes]) -> NDArray[np.uint8]:
    joined = np.frombuffer(b"".join(values), dtype=np.uint8)
    return joined.reshape(len(values), width_of(algorithm))


def of_urls(algorithms: Iterable[str], urls: Sequence[str | None], *, start: int) -> list[Column]:
    """The URL digests asked for, one column per algorithm and normalisation (domain.md 4).

    A row appears in a variant's column only where that variant's text differs from those before.
    """
    wanted = [algorithm for algorithm in algorithms if algorithm in URL_DIGESTS]
    texts: dict[str, list[tuple[int, bytes]]] = {}
    if not wanted:
        return []
    for row, url in enumerate(urls, start):
        if not url:
            continue
        seen: set[str] = set()
        for variant, text in url_variants(url):
            if text not in seen:
                seen.add(text)
                texts.setdefault(variant, []).append((row, text.encode("utf-8", "surrogatepass")))
    return [
        column(
            algorithm,
            [_URL_HASHES[algorithm](text).digest() for _, text in pairs],
            [row for row, _ in pairs],
            origin=Match.Origin.URL,
            variant=variant,
        )
        for algorithm in wanted
        for variant, pairs in texts.items()
    ]


def url_variants(url: str) -> list[tuple[str, str]]:
    """Return (name, text) of each normalisation that issuers may have hashed, raw first."""
    trimmed = url.strip()
    variants = [("url_raw", url), ("url_trimmed", trimmed)]
    try:
        parts = urlsplit(trimmed)
    except ValueError:
        return variants
    lowered = parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower())
    bare = lowered._replace(fragment="")
    variants += [
        ("url_lower_host", lowered.geturl()),
        ("url_no_fragment", bare.geturl()),
        ("url_no_scheme", bare._replace(scheme="").geturl().removeprefix("//")),
        ("url_decoded", unquote(bare.geturl())),
    ]
    return variants
