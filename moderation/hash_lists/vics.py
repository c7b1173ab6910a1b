"""VICS / Project VIC JSON (domain.md 4.3): media entries under ``value``, bare, or in case files.

Category numbers mean something else in each country: they are stored as they are, and a profile's
``classes`` says what they stand for. Category 0 (uncategorised) is a value, null is none. Series,
comments and everything about persons is never read, nor is IsPrecategorized.
"""

from collections.abc import Iterator
from typing import BinaryIO

from moderation.algorithms import NAMED, BadValue

from . import json_entries
from .known import Item, Known, Rejected, algorithm_named, canonical, check_labels, media_named
from .profiles import Profile
from .schemes import NOT_A_MATCH

VICS = Profile(name="vics", scheme="vics")

_HASH_KEYS = {name: name for name in NAMED} | {name.replace("_", ""): name for name in NAMED}
_KEYS = frozenset({*_HASH_KEYS, "mediaid", "category", "mimetype", "hashname", "hashvalue"})


def read(file: BinaryIO, *, profile: Profile) -> Iterator[Item]:
    """Yield the known and rejected values of ``file``, entry by entry."""
    found = json_entries.entries(file, top="value", nested="media", keys=_KEYS, what="VICS")
    number = 0
    for entry in found:
        if (
            "mediaid" not in entry
            and not entry[json_entries.HASHES]
            and not _HASH_KEYS.keys() & entry
        ):
            continue  # a case around its media
        number += 1
        yield from _entry(entry, number, profile)


def _entry(entry: json_entries.Entry, number: int, profile: Profile) -> Iterator[Item]:
    texts = [
        (_HASH_KEYS[key], json_entries.text_of(value))
        for key, value in entry.items()
        if key in _HASH_KEYS
    ]
    for name, value in entry[json_entries.HASHES]:
        algorithm = algorithm_named(json_entries.text_of(name))
        texts.append((algorithm or "", json_entries.text_of(value)))
    texts = [(algorithm, text) for algorithm, text in texts if text]
    category = json_entries.text_of(entry.get("category"))
    external_id = json_entries.text_of(entry.get("mediaid"))
    try:
        if not texts:
            raise BadValue("no_value")
        category = profile.categories.get(category, category)
        check_labels(category=category, external_id=external_id)
        if profile.classes.get(category) == NOT_A_MATCH:
            raise BadValue(NOT_A_MATCH)
    except BadValue as error:
        yield Rejected(error.reason, number)
        return
    scheme = profile.scheme_of(category, scheme=profile.scheme or VICS.scheme)
    media = media_named(json_entries.text_of(entry.get("mimetype")))
    for algorithm, text in texts:
        try:
            value = canonical(algorithm, text)
        except BadValue as error:
            yield Rejected(error.reason, number)
        else:
            yield Known(algorithm, value, scheme, category, external_id, media=media)
