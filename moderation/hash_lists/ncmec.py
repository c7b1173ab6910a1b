"""NCMEC hash sharing v2 XML (domain.md 4.4): entries with fingerprints, and entries taken back.

An entry is known by its member and its own id together: two members may share the same picture.
Document types and entities are refused before anything of them is expanded.
"""

from collections.abc import Iterator
from typing import BinaryIO
from xml.etree import ElementTree

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from moderation.algorithms import BadValue

from .known import (
    TEXT_LIMIT,
    Item,
    Known,
    ListUnreadable,
    MorePages,
    Rejected,
    algorithm_named,
    canonical,
    check_labels,
    check_quality,
    media_named,
)
from .stamps import stamp_of

SCHEME = "ncmec"  # values of the industry classification: A1, A2, B1, B2
ROOT = "queryResult"
HEAD = 64  # bytes at the start, a byte order mark included
DEPTH_LIMIT = 32
ENTRY_LIMIT = 10_000  # elements of one entry
QUIET_LIMIT = 1 << 20  # bytes without a start or end of an element: no usable text is as long
ENTRY_DEPTH = 3  # root, container (images, videos), entry

Element = ElementTree.Element


def read(file: BinaryIO) -> Iterator[Item]:
    """Yield known values, entries taken back and rejected values, entry by entry."""
    number = 0
    for container, element in _elements(file):
        tag = _tag(element)
        if container == "paging":
            if tag == "next" and _text(element):
                yield MorePages()
            continue
        number += 1
        yield from _entry(element, tag, number)


def _elements(file: BinaryIO) -> Iterator[tuple[str, Element]]:
    """Yield (tag of the container, entry), and drop each entry again once it has been used."""
    if b"<" not in file.read(HEAD):  # the parser takes minutes over a long line of anything else
        raise ListUnreadable("the file is no XML; fetch it again, or check --format")
    file.seek(0)
    source = _Bounded(file)
    path: list[Element] = []
    size = 0
    try:
        for event, element in iterparse(source, events=("start", "end"), forbid_dtd=True):
            source.quiet = 0
            if event == "start":
                path.append(element)
                if len(path) == 1 and _tag(element) != ROOT:
                    raise ListUnreadable(
                        f"the file is XML, but no NCMEC answer: it does not start with {ROOT}"
                    )
                size += 1
                if len(path) > DEPTH_LIMIT or size > ENTRY_LIMIT:
                    raise ListUnreadable("an entry of the file is nested or filled beyond reason")
                continue
            path.pop()
            if len(path) == ENTRY_DEPTH - 1:
                yield _tag(path[1]), element
            if 0 < len(path) < ENTRY_DEPTH:
                path[-1].clear()
                size = 0
    except ElementTree.ParseError as error:
        line, column = error.position
        raise ListUnreadable(
            f"the file is cut off or is no XML (line {line}, column {column}); "
            "fetch it again, or check --format"
        ) from None
    except DefusedXmlException:
        raise ListUnreadable(
            "the file declares a document type or entities, which NCMEC files never do"
        ) from None
    except (ValueError, LookupError):
        raise ListUnreadable("the file is XML in an encoding that is not supported") from None


class _Bounded:
    """The file, read only as long as the parser finds elements in it.

    Over one long comment or attribute the parser's time grows with the square of its length.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.quiet = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; ListUnreadable where too many have held no element."""
        if self.quiet > QUIET_LIMIT:
            raise ListUnreadable(
                "more than 1 MiB of the file holds no element (a long comment?); "
                "this is no usable NCMEC file"
            )
        found = self._file.read(size)
        self.quiet += len(found)
        return found


def _entry(element: Element, tag: str, number: int) -> Iterator[Item]:
    parts = {_tag(child): child for child in element}
    member, entry_id = parts.get("member"), parts.get("id")
    external_id = ""
    if member is not None and entry_id is not None:
        external_id = f"{member.get('id', '').strip()}/{_text(entry_id)}"
    stamp = stamp_of(_text(parts.get("timestamp")))
    category = _text(parts.get("classification"))
    fingerprints = parts.get("fingerprints")
    try:
        if len(external_id) < 3 or external_id[0] == "/" or external_id[-1] == "/":
            raise BadValue("no_reference")
        check_labels(category=category, external_id=external_id)
        if tag.lower().startswith("deleted"):
            yield Known("", b"", SCHEME, "", external_id, deleted=True, stamp=stamp)
            return
        if fingerprints is None or not len(fingerprints):
            raise BadValue("no_value")
    except BadValue as error:
        yield Rejected(error.reason, number)
        return
    for fingerprint in fingerprints:
        try:
            algorithm = algorithm_named(_tag(fingerprint))
            if algorithm is None:
                raise BadValue("unknown_algorithm")
            check_quality(algorithm, fingerprint.get("quality", ""))
            value = canonical(algorithm, _text(fingerprint))
        except BadValue as error:
            yield Rejected(error.reason, number)
        else:
            yield Known(
                algorithm,
                value,
                SCHEME,
                category,
                external_id,
                media=media_named(tag),
                stamp=stamp,
            )


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: Element | None) -> str:
    text = (element.text or "").strip() if element is not None else ""
    if len(text) > TEXT_LIMIT:
        raise ListUnreadable(
            f"an entry holds a text of more than {TEXT_LIMIT} characters; "
            "this is no usable NCMEC file"
        )
    return text
