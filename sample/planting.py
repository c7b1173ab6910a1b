"""Which pictures are known to which list: a small part of them, no picture to two lists."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sample import lists, perceptual
from sample.common import SampleError
from sample.lists import Content, Entry, Shape
from sample.pictures import EDITS, GOOD_QUALITY, Picture, decode, edited

SHARE = 0.03  # of the pictures, in version 1
LATER = 2  # further ones in version 2 of the lists in SECOND
SECOND = (lists.PLAIN, lists.NCMEC_LIST)
BULK = 40  # made-up entries for each list
NEAR = 31  # PDQ distance that counts as a match (domain.md 4)
FORMATS = ("JPEG", "PNG", "WEBP")  # that every tool can read


@dataclass(frozen=True)
class Plant:
    """One picture that a list knows; ``version`` is the first that has it."""

    picture: Picture
    shape: Shape
    entry: Entry
    edit: str  # "exact", or what was done to the copy whose PDQ the list holds
    version: str
    withdrawn: bool  # absent from version 2

    @property
    def exact(self) -> bool:
        """Whether the list holds digests of the picture's own bytes."""
        return self.edit == "exact"

    def distance(self, picture: bytes) -> tuple[int, str]:
        """Return how far the listed PDQ is from a picture file, and for which turn of it."""
        return perceptual.nearest_turn(decode(picture), self.entry.hashes["pdq"])


def plant(pictures: list[Picture], *, seed: int) -> list[Plant]:
    """Return what the lists know of the pictures; each of EDITS occurs."""
    random = np.random.default_rng([seed, 2])
    free = iter([pictures[i] for i in random.permutation(len(pictures))])
    count = max(round(len(pictures) * SHARE), len(lists.EXACT) * 2 + len(EDITS))
    exact = (count + 1) // 2
    plants = [_exact(free, lists.EXACT[i % len(lists.EXACT)], i) for i in range(exact)]
    for i in range(count - exact):
        shape = lists.EDITED[i % len(lists.EDITED)]
        plants.append(_edited(free, shape, i, EDITS[i % len(EDITS)]))
    plants = _withdraw_one_each(plants)
    for i in range(LATER):
        plants.append(_exact(free, lists.PLAIN, count + i, version="2"))
        plants.append(_edited(free, lists.NCMEC_LIST, count + LATER + i, EDITS[i], version="2"))
    return plants


def contents(plants: list[Plant], *, seed: int) -> list[tuple[Shape, str, Content]]:
    """Return every version of every list, planted entries spread among made-up ones."""
    versions = []
    for number, shape in enumerate(lists.SHAPES):
        random = np.random.default_rng([seed, 3, number])
        bulk = lists.made_up(shape, BULK, random)
        gone = lists.made_up(shape, 1, random, first=BULK + 1)  # marked as deleted from the start
        mine = [plant for plant in plants if plant.shape is shape]
        order = random.permutation(BULK + len(mine))
        for version in ("1", "2") if shape in SECOND else ("1",):
            known = [p.entry for p in mine if version >= p.version]
            left = [p.entry for p in mine if p.withdrawn and version == "2"]
            all_of_them = [*bulk, *(entry for entry in known if entry not in left)]
            mixed = [all_of_them[i] for i in order if i < len(all_of_them)]
            versions.append((shape, version, Content(mixed, deleted=[*gone, *left])))
    return versions


def _exact(free: Iterator[Picture], shape: Shape, number: int, *, version: str = "1") -> Plant:
    picture = _next(free)
    hashes = {name: picture.digest(name) for name in shape.hashes}
    return Plant(picture, shape, _entry(shape, number, hashes), "exact", version, withdrawn=False)


def _edited(
    free: Iterator[Picture], shape: Shape, number: int, edit: str, *, version: str = "1"
) -> Plant:
    while True:
        picture = _next(free)
        data, value, quality = edited(picture, edit)
        if quality >= GOOD_QUALITY:
            break
    of_copy = {"md5": hashlib.md5(data, usedforsecurity=False).digest(), "pdq": value}
    hashes = {name: of_copy[name] for name in shape.hashes}
    return Plant(picture, shape, _entry(shape, number, hashes), edit, version, withdrawn=False)


def _entry(shape: Shape, number: int, hashes: dict[str, bytes]) -> Entry:
    categories = lists.CATEGORIES.get(shape.format, ("",))
    return Entry(f"{shape.format}-known-{number}", hashes, categories[number % len(categories)])


def _next(free: Iterator[Picture]) -> Picture:
    for picture in free:
        if picture.format in FORMATS and picture.quality >= GOOD_QUALITY:
            return picture
    raise SampleError("too few pictures to plant: ask for more")


def _withdraw_one_each(plants: list[Plant]) -> list[Plant]:
    """Return the plants with the first of each list in SECOND marked as withdrawn."""
    firsts = [next(i for i, plant in enumerate(plants) if plant.shape is s) for s in SECOND]
    return [replace(plant, withdrawn=i in firsts) for i, plant in enumerate(plants)]
