"""Index files that nobody needs any more are deleted."""

import logging
import time
from collections.abc import Iterable

from django.conf import settings

from config import env
from moderation import files

from . import indexes

KEEP_SECONDS = 3 * 24 * 3600.0  # since a file was last opened: scans go on with older versions
AT_ONCE = 100  # files of one sweep; the next one goes on

logger = logging.getLogger(__name__)


def sweep() -> int:
    """Delete index files that the lists in force do not need and nobody opened for three days;
    return how many.

    Whoever has one mapped keeps it. Whoever needs one again builds it again. In S3 nothing tells
    when a file was last read: there three days after it was written are meant.
    """
    needed = frozenset(
        name for spans in indexes.standing_sets() for name in indexes.names_of(spans)
    )
    places = [files.join(settings.LEDGER_URL, "indexes")]
    if files.local_path(places[0]) is None:
        places.append(str(env.DATA / "cache" / "indexes"))  # copies to be mapped
    deleted = 0
    for place in places:
        for each in _old(place, needed):
            if deleted == AT_ONCE:
                break
            files.delete(files.join(place, each.name))
            deleted += 1
    if deleted:
        logger.info("%s index files deleted that nobody needs", deleted)
    return deleted


def _old(place: str, needed: frozenset[str]) -> Iterable[files.Listed]:
    if not files.exists(place):
        return
    before = time.time() - KEEP_SECONDS
    for each in files.listing(place, hidden=True):
        ours = each.name.endswith(".index") or each.name.startswith(".")
        if ours and not each.folder and each.name not in needed and each.changed < before:
            yield each
