"""Hash-list files of every format, made of values that are random but the same in each run."""

import hashlib
import io
import json
from collections.abc import Iterable
from typing import Any

from moderation.algorithms import ALGORITHMS
from moderation.hash_lists.formats import read
from moderation.hash_lists.known import Item, Known, MorePages, Rejected, Values
from moderation.hash_lists.profiles import Profile

NAMESPACE = "https://hashsharing.ncmec.org/hashsharing/v2"
LIMIT = 10_000_000


def value(algorithm: str, seed: object) -> bytes:
    """Canonical bytes for an algorithm, drawn from ``seed``."""
    width = ALGORITHMS[algorithm].width
    assert width is not None
    return hashlib.shake_256(f"{algorithm} {seed}".encode()).digest(width)


def hexed(algorithm: str, seed: object) -> str:
    return value(algorithm, seed).hex()


def items(
    data: bytes | str, format: str, *, algorithm: str | None = None, profile: Profile | None = None
) -> list[Item]:
    """Everything that reading ``data`` yields, values that come many at once one by one."""
    raw = data.encode() if isinstance(data, str) else data
    found: list[Item] = []
    for item in read(io.BytesIO(raw), format, algorithm=algorithm, profile=profile):
        found += one_by_one(item) if isinstance(item, Values) else [item]
    return found


def one_by_one(many: Values) -> list[Known]:
    width = len(many.packed) // many.number
    return [
        Known(many.algorithm, many.packed[at : at + width])
        for at in range(0, len(many.packed), width)
    ]


def known(found: Iterable[Item]) -> list[Known]:
    return [item for item in found if isinstance(item, Known)]


def reasons(found: Iterable[Item]) -> list[tuple[str, int]]:
    return [(item.reason, item.where) for item in found if isinstance(item, Rejected)]


def more_pages(found: Iterable[Item]) -> bool:
    return any(isinstance(item, MorePages) for item in found)


def plain(seeds: Iterable[object], algorithm: str = "md5") -> str:
    return "".join(f"{hexed(algorithm, seed)}\n" for seed in seeds)


def table(rows: Iterable[tuple[object, str]]) -> str:
    """A csv of the generic profile from (seed, category)."""
    body = "".join(
        f"{hexed('md5', seed).upper()},MD5,{category},7-10,image,ref-{seed}\n"
        for seed, category in rows
    )
    return "hash,type,category,age,media,ref\n" + body


def vics_media(seed: object, **changes: Any) -> dict[str, Any]:
    return {
        "MediaID": seed,
        "Category": 2,
        "MD5": hexed("md5", seed).upper(),
        "SHA1": hexed("sha1", seed).upper(),
        "MediaSize": 1234,
        "DateUpdated": "2026-01-02T03:04:05Z",
        "Series": None,
        "Tags": "",
        "VictimIdentified": "false",
        "OffenderIdentified": False,
        "IsDistributed": "true",
        "IsPrecategorized": "false",
    } | changes


def vics(media: Iterable[dict[str, Any]], *, context: str = "@odata.context") -> str:
    return json.dumps({context: "http://example.invalid/$metadata#Media", "value": list(media)})


def ncmec_entry(
    seed: object, *, member: int = 1, grade: str = "A2", tag: str = "image", fingerprints: str = ""
) -> str:
    return (
        f'<{tag}><member id="{member}">Demo</member>'
        f"<timestamp>2026-01-02T03:00:00Z</timestamp><id>e{seed}</id>"
        f"<classification>{grade}</classification><fingerprints>"
        f"{fingerprints or '<md5>' + hexed('md5', seed) + '</md5>'}</fingerprints></{tag}>"
    )


def ncmec_deleted(seed: object, *, member: int = 1, tag: str = "deletedImage") -> str:
    return (
        f'<{tag}><member id="{member}">Demo</member><id>e{seed}</id>'
        f"<timestamp>2026-01-02T03:01:00Z</timestamp></{tag}>"
    )


def ncmec(*entries: str, next_page: str = "") -> str:
    paging = f"<paging><next>{next_page}</next></paging>" if next_page else ""
    return (
        f'<queryResult xmlns="{NAMESPACE}"><images count="{len(entries)}" '
        f'maxTimestamp="2026-01-02T03:04:05Z">{"".join(entries)}</images>{paging}</queryResult>'
    )


def stopncii(records: Iterable[tuple[object, str]]) -> str:
    """StopNCII records from (seed, status)."""
    return json.dumps(
        {
            "hashRecords": [
                {
                    "lastModtimestamp": "2026-01-02T03:04:05Z",
                    "signalType": "ImagePDQ",
                    "hashValue": hexed("pdq", seed),
                    "hashStatus": status,
                }
                for seed, status in records
            ]
        }
    )
