"""Datasets of links: LAION-5B and LAION-400M parquet, csv and jsonl, with good and bad links."""

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sample import failing
from sample.captions import caption
from sample.failing import Kind
from sample.pictures import Picture
from sample.planting import Plant

SHARDS = 8  # of the LAION-5B form
NULL_MD5 = 0.1  # of the links of good pictures
BAD_DIGEST = "0123456789abcdef-not-a-digest"
DEAD = "dead-and-known"  # a link that is gone, and whose md5 a list holds
BAD_MD5 = "bad-md5"  # a good link whose md5 column holds something else

Numbers = np.random.Generator


@dataclass(frozen=True)
class Link:
    """One row; ``kind`` names what is wrong with it, if anything is."""

    path: str | None  # on the picture server, or a whole URL
    caption: str
    width: int
    height: int
    similarity: float
    punsafe: float
    pwatermark: float
    md5: str | None
    sha1: str | None
    picture: Picture | None = None
    plant: Plant | None = None
    kind: str | None = None

    def url(self, base_url: str) -> str | None:
        """Return the link as the dataset holds it."""
        if self.path and self.path.startswith("/"):
            return base_url + self.path
        return self.path

    @property
    def key(self) -> int:
        """A row key as LAION's ``hash`` column: signed, of link and caption, no image hash.

        Ours is not MurmurHash and leaves the server's address out, so that it survives a move.
        """
        text = f"{self.path}{self.caption}".encode()
        digest = hashlib.blake2b(text, digest_size=8).digest()
        return int.from_bytes(digest, "little", signed=True)


class Writer:
    """Makes the rows of a sample, the same for the same seed."""

    def __init__(self, plants: Sequence[Plant], *, seed: int) -> None:
        self.plants = list(plants)
        self.planted = {plant.picture.name: plant for plant in plants}
        self.random = np.random.default_rng([seed, 4])

    def rows(self, pictures: Sequence[Picture], *, slow: bool, each: int) -> list[Link]:
        """Return a shuffled row for every picture, for copies of three, and for failing kinds.

        ``each`` says how many links of a failing kind; the slow ones, if wanted, come once.
        """
        links = [self.good(picture) for picture in pictures]
        links += [self.good(plant.picture, copy=True) for plant in copied(self.plants)]
        for kind in failing.KINDS.values():
            if slow or not kind.slow:
                links += [self.bad(kind, n) for n in range(1 if kind.slow else each)]
        known = next(p for p in copied(self.plants) if p.shape.format == "plain")
        links.append(self._link(f"/fail/404/{DEAD}.jpg", known.picture, kind=DEAD, plant=known))
        wrong = next(p for p in pictures if p.name not in self.planted and p.format == "JPEG")
        links.append(
            self._link(f"/pictures/{wrong.name}?again", wrong, md5=BAD_DIGEST, kind=BAD_MD5)
        )
        return [links[i] for i in self.random.permutation(len(links))]

    def good(self, picture: Picture, *, copy: bool = False) -> Link:
        """Return a link to a picture, or to the copy of it under another name."""
        plant = self.planted.get(picture.name)
        path = f"/pictures/{'copy-' if copy else ''}{picture.name}"
        md5 = picture.digest("md5").hex()
        if plant is None and self.random.random() < NULL_MD5:
            return self._link(path, picture, md5=None)
        return self._link(path, picture, md5=md5, plant=plant)

    def bad(self, kind: Kind, number: int) -> Link:
        """Return a link of a failing kind; no digest is known for it."""
        return self._link(failing.link(kind, number, ""), None, md5=None, kind=kind.name)

    def _link(self, path: str | None, picture: Picture | None, **rest: Any) -> Link:
        random = self.random
        known = {} if picture is None else {"md5": picture.digest("md5").hex()}
        return Link(
            path=path,
            caption=caption(random),
            width=picture.width if picture else int(random.integers(200, 2000)),
            height=picture.height if picture else int(random.integers(200, 2000)),
            similarity=float(random.uniform(0.28, 0.4)),
            punsafe=float(random.beta(1, 8)),
            pwatermark=float(random.beta(1, 4)),
            sha1=picture.digest("sha1").hex() if picture else None,
            picture=picture,
            **{**known, **rest},
        )


def copied(plants: Sequence[Plant]) -> list[Plant]:
    """Return the plants whose pictures are served, and listed, under a second name too.

    One is of the plain list, one of the csv list, one of an edited copy.
    """
    lasting = [plant for plant in plants if plant.version == "1" and not plant.withdrawn]
    firsts = [next(p for p in lasting if p.shape.format == name) for name in ("plain", "csv")]
    return [*firsts, next(plant for plant in lasting if not plant.exact)]


def shards(links: Sequence[Link], count: int) -> list[list[Link]]:
    """Return the links cut into shards of unequal length, in order."""
    weights = np.cumsum(np.linspace(1, 1.6, count))
    cuts = [0, *(int(cut) for cut in np.round(weights / weights[-1] * len(links)))]
    return [list(links[a:b]) for a, b in pairwise(cuts)]


def write_laion5b(links: Sequence[Link], path: Path, base_url: str) -> None:
    """Write parquet with the columns of LAION-5B, joined sets and md5 included."""
    _write(
        {
            "URL": pa.array([link.url(base_url) for link in links], pa.string()),
            "TEXT": pa.array([link.caption for link in links], pa.string()),
            "WIDTH": pa.array([link.width for link in links], pa.int32()),
            "HEIGHT": pa.array([link.height for link in links], pa.int32()),
            "similarity": pa.array([link.similarity for link in links], pa.float64()),
            "hash": pa.array([link.key for link in links], pa.int64()),
            "punsafe": pa.array([link.punsafe for link in links], pa.float32()),
            "pwatermark": pa.array([link.pwatermark for link in links], pa.float32()),
            "md5": pa.array([link.md5 for link in links], pa.string()),
        },
        path,
    )


def write_laion400m(links: Sequence[Link], path: Path, base_url: str) -> None:
    """Write parquet with the columns of LAION-400M: no digest at all."""
    count = len(links)
    _write(
        {
            "SAMPLE_ID": pa.array([sample_id(row) for row in range(count)], pa.int64()),
            "URL": pa.array([link.url(base_url) for link in links], pa.string()),
            "TEXT": pa.array([link.caption for link in links], pa.string()),
            "LICENSE": pa.array(["?"] * count, pa.string()),
            "NSFW": pa.array(["UNLIKELY"] * count, pa.string()),
            "similarity": pa.array([link.similarity for link in links], pa.float64()),
            "WIDTH": pa.array([link.width for link in links], pa.int32()),
            "HEIGHT": pa.array([link.height for link in links], pa.int32()),
        },
        path,
    )


def sample_id(row: int) -> int:
    """Return the SAMPLE_ID of a row."""
    return 5_000_000_000 + row * 7


def write_csv(links: Sequence[Link], path: Path, base_url: str) -> None:
    """Write csv with lower-case names; what is unknown is an empty field."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("url", "caption", "width", "height", "punsafe", "md5"))
        for link in links:
            unsafe = f"{link.punsafe:.6f}"
            url = link.url(base_url)
            rows.writerow((url, link.caption, link.width, link.height, unsafe, link.md5))


def write_jsonl(links: Sequence[Link], path: Path, base_url: str) -> None:
    """Write one JSON object a line; the md5 of what the vics list knows is left to the sha1."""
    with path.open("w", encoding="utf-8") as file:
        for link in links:
            row = {
                "url": link.url(base_url),
                "caption": link.caption,
                "width": link.width,
                "height": link.height,
                "md5": None if by_sha1_alone(link) else link.md5,
                "sha1": link.sha1,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def by_sha1_alone(link: Link) -> bool:
    """Whether the jsonl form keeps the md5 of a row to itself."""
    return link.plant is not None and link.plant.shape.format == "vics"


def _write(columns: dict[str, Any], path: Path) -> None:
    pq.write_table(pa.table(columns), path, row_group_size=64, compression="snappy")
