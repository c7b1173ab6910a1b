"""StopNCII JSON (domain.md 4.5): records with a status; Withdrawn and Deleted take a value back.

These are intimate images of adults: a harm class of their own, never reported as child sexual
abuse material.
"""

from collections.abc import Iterator
from typing import BinaryIO

from moderation.algorithms import BadValue

from . import json_entries
from .known import Item, Known, Rejected, canonical
from .stamps import stamp_of

SCHEME = "stopncii"

_SIGNALS = {
    "imagepdq": ("pdq", "image"),
    "imagemd5": ("md5", "image"),
    "imagesha1": ("sha1", "image"),
    "imagesha256": ("sha256", "image"),
    "videopdq": ("", "video"),  # of frames, in a form of its own
    "videomd5": ("md5", "video"),
    "videotmkpdqf": ("tmk_pdqf", "video"),
}
_KEYS = frozenset({"lastmodtimestamp", "signaltype", "hashvalue", "hashstatus"})
_DELETED = {"active": False, "withdrawn": True, "deleted": True}


def read(file: BinaryIO) -> Iterator[Item]:
    """Yield the known, withdrawn and rejected values of ``file``, record by record."""
    found = json_entries.entries(file, top="hashrecords", keys=_KEYS, what="StopNCII")
    for number, record in enumerate(found, start=1):
        try:
            yield _record({key: json_entries.text_of(value) for key, value in record.items()})
        except BadValue as error:
            yield Rejected(error.reason, number)


def _record(record: dict[str, str]) -> Known:
    signal = record.get("signaltype", "").lower().replace("_", "")
    algorithm, media = _SIGNALS.get(signal, ("", ""))
    value = canonical(algorithm, record.get("hashvalue", ""))
    deleted = _DELETED.get(record.get("hashstatus", "").lower())
    if deleted is None:
        raise BadValue("unknown_status")
    return Known(
        algorithm,
        value,
        SCHEME,
        deleted=deleted,
        media=media,
        stamp=stamp_of(record.get("lastmodtimestamp", "")),
    )
