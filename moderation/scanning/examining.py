"""From an entry's bytes, or its link, to its facts. Bytes live only inside these functions."""

from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings

from moderation.media import provenance
from moderation.media.decode import PictureError
from moderation.media.digests import digests
from moderation.media.fetch import Fetcher, FetchLimits
from moderation.media.hashing import hash_picture
from moderation.media.preview import Copy, copies

from .facts import RowFacts


@dataclass
class Kept:
    """What outlives an examined picture, and only for one that may have hit."""

    previews: dict[Copy, bytes] = field(default_factory=dict)
    provenance: list[dict[str, str]] = field(default_factory=list)


def fetcher() -> Fetcher:
    return Fetcher(user_agent=settings.FETCH_USER_AGENT)


def limits() -> FetchLimits:
    """The limits in settings; loopback only where FETCH_ALLOW_ADDRESSES says."""
    return FetchLimits(
        connect_seconds=settings.FETCH_CONNECT_SECONDS,
        total_seconds=settings.FETCH_TOTAL_SECONDS,
        max_bytes=settings.FETCH_MAX_BYTES,
        max_redirects=settings.FETCH_MAX_REDIRECTS,
        allow_addresses=tuple(settings.FETCH_ALLOW_ADDRESSES),
    )


def examine(
    facts: RowFacts,
    data: bytes,
    *,
    reason: str,
    http_status: int | None = None,
    fetched_at: datetime | None = None,
    reencoded: bool = False,
) -> bool:
    """Hash a picture that the shard carries, or that was fetched; return whether it decodes.

    A re-encoded one serves perceptual hashes only. A failure becomes the row's outcome.
    """
    facts.fetched_at = fetched_at
    try:
        hashes = hash_picture(data, exact=settings.SCAN_IN_FULL)
    except PictureError as error:
        facts.ended(error.reason, http_status=http_status)
        if not reencoded:
            # What does not decode may still be a known file to the byte.
            facts.of_bytes(digests(data), size=len(data))
        return False
    facts.hashed(hashes, reencoded=reencoded)
    facts.ended(reason, http_status=http_status)
    return True


def verify(facts: RowFacts, data: bytes) -> None:
    """Give a picture that was hashed from a small copy the hashes of all its pixels."""
    if not facts.approximate:
        return
    try:
        facts.hashed(hash_picture(data, exact=True), reencoded=facts.sha256 is None)
    except PictureError:
        return  # its small copy decodes, all of it does not: what is known of it stands


def keep(data: bytes) -> Kept:
    """Previews and signals of provenance of a picture that decodes; no previews of one of which
    only the small copy does."""
    try:
        previews = copies(data)
    except PictureError:
        previews = {}  # its hashes and its outcome stand, as in ``verify``
    return Kept(
        previews=previews,
        provenance=[
            {"name": signal.name, "strength": signal.strength}
            for signal in provenance.signals(data)
        ],
    )
