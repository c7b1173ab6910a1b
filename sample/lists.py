"""Known lists as files, in each shape that suppliers use, with made-up values as their bulk."""

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from xml.etree import ElementTree

import numpy as np

EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
STAMP = "2026-01-02T03:04:05Z"
NCMEC = "https://hashsharing.ncmec.org/hashsharing/v2"
WIDTHS = {"md5": 16, "sha1": 20, "sha256": 32, "pdq": 32}
CATEGORIES = {"csv": ("A", "B", "C"), "ncmec": ("A1", "A2", "B1", "B2"), "vics": ("1", "2")}


@dataclass(frozen=True)
class Entry:
    """One item of a list: the hashes of one file."""

    reference: str
    hashes: dict[str, bytes]
    category: str = ""


@dataclass(frozen=True)
class Content:
    """What one version of a list says; ``deleted`` is named where the shape has a place for it."""

    entries: list[Entry]
    deleted: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class Shape:
    """How a list is written; ``format``, ``algorithm`` and ``profile`` are options for loading."""

    slug: str
    format: str
    suffix: str
    hashes: tuple[str, ...]  # of every entry
    write: Callable[[Content], bytes]
    rejected: dict[str, int]  # what ``write`` adds on purpose, by the reason of its rejection
    algorithm: str | None = None
    profile: str | None = None

    def values(self, content: Content) -> int:
        """Return how many hashes a reader finds and keeps."""
        return sum(len(entry.hashes) for entry in content.entries)


def made_up(
    shape: Shape, count: int, random: np.random.Generator, *, first: int = 1
) -> list[Entry]:
    """Return entries of random hashes, which belong to no picture; references from ``first`` on."""
    categories = CATEGORIES.get(shape.format, ("",))
    return [
        Entry(
            reference=f"{shape.format}-{number}",
            hashes={name: random.bytes(WIDTHS[name]) for name in shape.hashes},
            category=categories[number % len(categories)],
        )
        for number in range(first, first + count)
    ]


def _plain(content: Content) -> bytes:
    lines = [value.hex() for entry in content.entries for value in entry.hashes.values()]
    lines[3:3] = [EMPTY_MD5, lines[0][:-2], "0" * 32]
    return ("\n".join(lines) + "\n").encode()


def _csv(content: Content) -> bytes:
    out = io.StringIO(newline="")
    rows = csv.writer(out)
    rows.writerow(("hash", "type", "category", "age", "media", "ref"))
    for entry in content.entries:
        for name, value in entry.hashes.items():
            row = (value.hex(), name.upper(), entry.category, "", "image", entry.reference)
            rows.writerow(row)
    rows.writerow(("0" * 32, "MD5", "A", "", "image", "reject-flat"))
    rows.writerow((EMPTY_MD5, "MD5", "A", "", "image", "reject-empty"))
    return out.getvalue().encode()


def _vics(content: Content) -> bytes:
    address = "http://example.invalid/ProjectVic/DataModels/2.0.xml/Default/$metadata#Media"
    media = [
        {
            "MediaID": number,
            "Category": int(entry.category or 0),
            "MD5": entry.hashes["md5"].hex().upper(),
            "SHA1": entry.hashes["sha1"].hex().upper(),
            "MediaSize": 10_000 + number,
            "DateUpdated": STAMP,
            "Series": None,
            "Tags": "",
            "VictimIdentified": "false",
            "OffenderIdentified": "false",
            "IsDistributed": "true",
            "IsPrecategorized": "false",
        }
        for number, entry in enumerate(content.entries, start=1)
    ]
    media.append({"MediaID": len(media) + 1, "Category": 1, "MD5": EMPTY_MD5.upper()})
    text = json.dumps({"@odata.context": address, "value": media}, indent=1)
    return b"\xef\xbb\xbf" + text.encode()  # such files come with a byte order mark


def _ncmec(content: Content) -> bytes:
    root = ElementTree.Element("queryResult", xmlns=NCMEC)
    count = len(content.entries) + len(content.deleted) + 1
    images = ElementTree.SubElement(root, "images", count=str(count), maxTimestamp=STAMP)

    def add(tag: str, entry: Entry) -> ElementTree.Element:
        image = ElementTree.SubElement(images, tag)
        ElementTree.SubElement(image, "member", id="1").text = "Sample"
        ElementTree.SubElement(image, "timestamp").text = STAMP
        ElementTree.SubElement(image, "id").text = entry.reference
        return image

    for entry in [*content.entries, Entry("reject-flat", {"pdq": bytes(32)}, "A1")]:
        image = add("image", entry)
        ElementTree.SubElement(image, "classification").text = entry.category
        prints = ElementTree.SubElement(image, "fingerprints")
        for name, value in entry.hashes.items():
            ElementTree.SubElement(prints, name).text = value.hex()
    for entry in content.deleted:
        add("deletedImage", entry)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return document


def _stopncii(content: Content) -> bytes:
    def record(value: str, status: str) -> dict[str, object]:
        return {
            "lastModtimestamp": 1_767_323_045,
            "signalType": "ImagePDQ",
            "hashValue": value,
            "hashStatus": status,
        }

    def records(entries: Iterable[Entry], status: str) -> list[dict[str, object]]:
        return [record(entry.hashes["pdq"].hex(), status) for entry in entries]

    everything = [
        *records(content.entries, "Active"),
        *records(content.deleted, "Withdrawn"),
        record("f" * 64, "Active"),
    ]
    return json.dumps({"hashRecords": everything}, indent=1).encode()


PLAIN = Shape(
    slug="sample-plain",
    format="plain",
    suffix="txt",
    hashes=("md5",),
    write=_plain,
    rejected={"empty_input_digest": 1, "wrong_length": 1, "flat_value": 1},
    algorithm="md5",
)
CSV = Shape(
    slug="sample-csv",
    format="csv",
    suffix="csv",
    hashes=("md5", "sha1", "sha256"),
    write=_csv,
    rejected={"flat_value": 1, "empty_input_digest": 1},
    profile="generic",
)
VICS = Shape(
    slug="sample-vics",
    format="vics",
    suffix="json",
    hashes=("md5", "sha1"),
    write=_vics,
    rejected={"empty_input_digest": 1},
)
NCMEC_LIST = Shape(
    slug="sample-ncmec",
    format="ncmec",
    suffix="xml",
    hashes=("md5", "pdq"),
    write=_ncmec,
    rejected={"flat_value": 1},
)
STOPNCII = Shape(
    slug="sample-stopncii",
    format="stopncii",
    suffix="json",
    hashes=("pdq",),
    write=_stopncii,
    rejected={"flat_value": 1},
)

EXACT = (PLAIN, CSV, VICS)
EDITED = (NCMEC_LIST, STOPNCII)
SHAPES = (*EXACT, *EDITED)
