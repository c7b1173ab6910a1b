"""How far hashes of a quick decode lie from those of the full one, and how many beyond their slack.

``python -m benchmarks.slack``. Every picture in eight of the edits that benchmarks/edits.py knows
and of harsher ones, in several ways of JPEG and in odd sizes. What lies beyond its slack, its bits
in doubt not counted, might be missed by a scan, where a known hash is as far from the exact hash as
its list allows. How often that is: known hashes 31 and 29 random bits from the exact ones.
"""

import io
from collections import defaultdict
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageOps

from benchmarks import pictures
from benchmarks.edits import EDITS, Edit, scaled
from benchmarks.table import Extra, Results, subject
from moderation.media.hashing import PDQ_SLACK, PHASH_SLACK, PictureHashes, hash_picture

Bits = npt.NDArray[np.uint8]

HARSHER: dict[str, Edit] = {
    "saturated": lambda image: ImageEnhance.Color(image).enhance(3.0),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.8),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.15),
    "bright": lambda image: ImageEnhance.Brightness(image).enhance(2.5),
    "posterised": lambda image: ImageOps.posterize(image, 2),
    "twice the size": scaled(2.0),
    "three times the size": scaled(3.0),
}
WAYS = (
    {"quality": 82},
    {"quality": 95, "subsampling": 0},
    {"quality": 30},
    {"quality": 10, "subsampling": 2},
    {"quality": 60, "progressive": True, "subsampling": 1},
)
EACH = 8  # edits of one picture
LOW_QUALITY, QUALITY_SLACK = 50, 12  # as in moderation/scanning/columns.py
NEAR = (31, 29)  # bits from the exact hash
KNOWN = 200  # hashes that lie so near


class Compared(NamedTuple):
    """One hash of a quick decode beside that of the full one: what the two differ in, (32,) or (8,)
    uint8, the bits in doubt in the same shape, and by how many others they may differ."""

    kind: str
    apart: Bits
    doubts: Bits
    slack: int

    @property
    def beyond(self) -> int:
        """How many bits differ that are not in doubt."""
        return int(np.bitwise_count(self.apart & ~self.doubts).sum())

    @property
    def undecided(self) -> bool:
        """Whether all bits are in doubt, so that the picture is decoded in full."""
        return bool((self.doubts == 255).all())


def measure(quick: bool) -> Results:
    """Return a row for each kind of hash."""
    found: dict[str, list[Compared]] = defaultdict(list)
    files = in_full = gate = 0
    random = np.random.default_rng(17)
    for image in islice(pictures.images(seed=17), 20 if quick else 320):
        for data in edited(image, random):
            fast, exact = hash_picture(data), hash_picture(data, exact=True)
            if not fast.approximate:
                continue
            files += 1
            gate += exact.pdq_quality >= LOW_QUALITY > fast.pdq_quality + QUALITY_SLACK
            pairs = compared(fast, exact)
            in_full += any(each.undecided for each in pairs)
            for each in pairs:
                found[each.kind].append(each)
    near = {bits: _turned_over(random, bits) for bits in NEAR}
    rows = [_row(kind, each, near) for kind, each in sorted(found.items())]
    results = Results()
    columns = ["hash", "compared", "bits apart: median / p95 / p99 / p99.9 / most"]
    columns += ["in doubt: median / p95", "beyond slack"]
    columns += [f"missed at {bits} bits, per million" for bits in NEAR]
    results.extras.append(Extra(f"Quick against full decode of {files:,} JPEGs", columns, rows))
    results.notes.append(
        f"Slack: {100 * in_full / files:.1f} % have all bits in doubt and are decoded in full at "
        f"once. {gate} had a quality of {LOW_QUALITY} or more in full, and so much less in the "
        "quick decode that only nearly equal hashes are looked for."
    )
    return results


def _row(kind: str, found: list[Compared], near: dict[int, Bits]) -> list[str]:
    apart = [int(np.bitwise_count(each.apart).sum()) for each in found]
    doubt = [int(np.bitwise_count(each.doubts).sum()) for each in found]
    beyond = [each for each in found if each.beyond > each.slack]
    cells = [kind, f"{len(found):,}", _percentiles(apart, (50, 95, 99, 99.9, 100))]
    cells += [_percentiles(doubt, (50, 95)), f"{len(beyond):,}"]
    if kind == "pHash":  # looked up only where a list's pHashes flag
        return [*cells, *["" for _ in near]]
    for bits, known in near.items():
        missed = 0.0
        for each in beyond:
            differing = np.bitwise_count((known ^ each.apart) & ~each.doubts).sum(axis=1)
            missed += float((differing > bits + each.slack).mean())
        cells.append(f"{1e6 * missed / len(found):,.0f}")
    return cells


def _percentiles(numbers: list[int], places: tuple[float, ...]) -> str:
    return " / ".join(f"{np.percentile(numbers, at):.0f}" for at in places)


def _turned_over(random: np.random.Generator, bits: int) -> Bits:
    """Return KNOWN masks of 256 bits, (KNOWN, 32), each with so many bits set at random."""
    masks = np.zeros((KNOWN, 256), np.uint8)
    for each in masks:
        each[random.permutation(256)[:bits]] = 1
    return np.packbits(masks, axis=1)


def edited(image: Image.Image, random: np.random.Generator) -> list[bytes]:
    """Return files of the picture, each in another edit and some way of JPEG, and sometimes in a
    size that no block divides."""
    edits: dict[str, Callable[[Image.Image], Image.Image]] = EDITS | HARSHER
    files = []
    for name in random.choice(sorted(edits), EACH, replace=False):
        changed = edits[name](image)
        if random.random() < 0.3:
            changed = scaled(float(random.uniform(0.4, 2.2)))(changed)
        out = io.BytesIO()
        changed.save(out, "JPEG", **WAYS[int(random.integers(len(WAYS)))])
        files.append(out.getvalue())
    return files


def compared(fast: PictureHashes, exact: PictureHashes) -> list[Compared]:
    """Return every hash that both have and that is clear enough."""
    none = bytes(len(exact.phash))
    found = [Compared("pHash", _apart(fast.phash, exact.phash), _bits(none), PHASH_SLACK)]
    if exact.pdq_quality >= LOW_QUALITY:
        ours, meant = fast.pdq + fast.pdq_turns, exact.pdq + exact.pdq_turns
        for at in range(0, len(meant), 32):
            part = slice(at, at + 32)
            doubts = _bits(fast.pdq_doubts[part])
            kind = "PDQ, turned" if at else "PDQ"
            found.append(Compared(kind, _apart(ours[part], meant[part]), doubts, PDQ_SLACK))
    variants = {each.name: each for each in exact.pdq_variants if each.quality >= LOW_QUALITY}
    for each in fast.pdq_variants:
        if each.name in variants:
            apart = _apart(each.pdq, variants[each.name].pdq)
            found.append(Compared(each.name, apart, _bits(each.doubts), PDQ_SLACK))
    return found


def _apart(one: bytes, other: bytes) -> Bits:
    return _bits(one) ^ _bits(other)


def _bits(value: bytes) -> Bits:
    return np.frombuffer(value, np.uint8)


if __name__ == "__main__":
    subject(measure, __doc__)
