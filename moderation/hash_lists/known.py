"""What a reader of hash lists hands over: known hashes, rejected values, and errors of one line.

No object here prints a value: values of hash lists are sensitive, also in errors and logs.
"""

from typing import NamedTuple

from moderation.algorithms import ALGORITHMS, NAMED, BadValue, Kind, parse, width_of

TEXT_LIMIT = 131_072  # characters of one line, cell or text; nothing in a hash list is longer
CATEGORY_LIMIT = 100
REFERENCE_LIMIT = 200
OPAQUE_STORED = 2_000  # bytes; a longer value does not fit the index that keeps values unique
PDQ_QUALITY = 50  # below it a PDQ value says too little about its picture to be matched

_ALIASES = {name.replace("_", ""): name for name in NAMED} | {"pdna": "photodna"}


class ListError(Exception):
    """Something about a hash list that its user must change; the message is one clear line."""


class ListUnreadable(ListError):
    """The file is empty, cut off, in another encoding or form, or no hash list at all."""


class Known(NamedTuple):
    """One value that the supplier's file names.

    ``deleted`` means the supplier takes it back. An entry taken back by reference alone has an
    empty ``algorithm`` and ``value``. ``stamp`` is when the supplier last changed it, in seconds
    since 1970, or 0 where the format does not say.
    """

    algorithm: str
    value: bytes
    scheme: str = ""
    category: str = ""
    external_id: str = ""
    deleted: bool = False
    media: str = ""
    stamp: int = 0

    def __repr__(self) -> str:
        return f"Known({self.algorithm or 'by reference'}{', deleted' if self.deleted else ''})"


class Values(NamedTuple):
    """Many values of one algorithm side by side, of which the file says nothing more."""

    algorithm: str
    packed: bytes

    def __repr__(self) -> str:
        return f"Values({self.number} of {self.algorithm})"

    @property
    def number(self) -> int:
        return len(self.packed) // width_of(self.algorithm)


class Rejected(NamedTuple):
    """One value that is not loaded. ``where`` is its line, row or entry, counted from 1."""

    reason: str
    where: int


class MorePages(NamedTuple):
    """The file is one page of an answer that goes on: what it lacks is not withdrawn."""


Item = Known | Values | Rejected | MorePages


def algorithm_named(text: str) -> str | None:
    """Return the algorithm a supplier's word means (``SHA-1``, ``PhotoDNA``), or None."""
    word = text.strip().lower()
    for mark in "-_ ":
        word = word.replace(mark, "")
    return _ALIASES.get(word)


def canonical(algorithm: str, text: str) -> bytes:
    """Return the canonical bytes of one value that a list gives, or raise BadValue.

    Stricter than ``algorithms.parse`` where a list needs it: the reasons ``not_ascii``,
    ``not_text`` and ``too_long`` come on top of the ones there.
    """
    known = ALGORITHMS.get(algorithm)
    if known is not None and known.width is None:
        if not text.strip().isprintable():
            raise BadValue("not_text")
        value = parse(algorithm, text)
        if len(value) > OPAQUE_STORED:
            raise BadValue("too_long")
        return value
    if not text.isascii():
        raise BadValue("not_ascii")
    return parse(algorithm, text)


def check_quality(algorithm: str, quality: str) -> None:
    """Raise BadValue for a PDQ value of too low or unreadable quality; empty means not given."""
    if algorithm != "pdq" or not quality.strip():
        return
    try:
        enough = float(quality) >= PDQ_QUALITY
    except ValueError:
        raise BadValue("bad_quality") from None
    if not enough:
        raise BadValue("low_quality")


def check_labels(*, category: str, external_id: str) -> None:
    """Raise BadValue for a category or reference that cannot be stored as it is."""
    if len(category) > CATEGORY_LIMIT or not category.isprintable():
        raise BadValue("bad_category")
    if len(external_id) > REFERENCE_LIMIT or not external_id.isprintable():
        raise BadValue("bad_reference")


def media_named(text: str) -> str:
    """Return ``photograph``, ``image``, ``video`` or ``other`` for a supplier's word or MIME type,
    "" for none. A MIME type never says that an image is a photograph."""
    word = text.strip().lower()
    if not word:
        return ""
    if word.startswith("photo"):
        return "photograph"
    if word.startswith(("image", "picture", "still")):
        return "image"
    if word.startswith(("video", "movie", "film")):
        return "video"
    return "other"


def is_matched(algorithm: str) -> bool:
    """True for values that scans compare, False for those that are kept only."""
    return ALGORITHMS[algorithm].kind is not Kind.OPAQUE
