"""How far hashes of a quick decode lie from those of the full one, and how many beyond their slack.

``python -m benchmarks.slack``. Every picture in eight of the edits that benchmarks/edits.py knows
and of harsher ones, in several ways of JPEG and in odd sizes. What lies beyond its slack might be
missed by a scan, where a known hash is as far from the exact hash as its list allows.
"""

import io
from collections import defaultdict
from collections.abc import Callable
from itertools import islice

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from benchmarks import pictures
from benchmarks.edits import EDITS, Edit, scaled
from benchmarks.table import Extra, Results, subject
from moderation.media.hashing import PictureHashes, hash_picture

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
MOST = 47  # bits; who may lie farther is decoded in full


def measure(quick: bool) -> Results:
    """Return a row for each kind of hash."""
    apart: dict[str, list[int]] = defaultdict(list)
    beyond: dict[str, int] = defaultdict(int)
    files = in_full = gate = 0
    random = np.random.default_rng(17)
    for image in islice(pictures.images(seed=17), 20 if quick else 320):
        for data in edited(image, random):
            fast, exact = hash_picture(data), hash_picture(data, exact=True)
            if not fast.approximate:
                continue
            files += 1
            in_full += max(fast.pdq_slack, fast.variant_slack) + 31 > MOST
            gate += exact.pdq_quality >= LOW_QUALITY > fast.pdq_quality + QUALITY_SLACK
            for kind, bits, slack in compared(fast, exact):
                apart[kind].append(bits)
                beyond[kind] += bits > slack and slack + 31 <= MOST
    rows = [
        [
            kind,
            f"{len(bits):,}",
            " / ".join(f"{np.percentile(bits, at):.0f}" for at in (50, 95, 99, 99.9, 100)),
            f"{beyond[kind]:,}",
        ]
        for kind, bits in sorted(apart.items())
    ]
    results = Results()
    columns = ["hash", "compared", "bits apart: median / p95 / p99 / p99.9 / most", "beyond slack"]
    results.extras.append(Extra(f"Quick against full decode of {files:,} JPEGs", columns, rows))
    results.notes.append(
        f"Slack: {100 * in_full / files:.1f} % have so many bits in doubt that a list of threshold "
        f"31 has them decoded in full at once. {gate} had a quality of {LOW_QUALITY} or more in "
        "full, and so much less in the quick decode that only nearly equal hashes are looked for."
    )
    return results


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


def compared(fast: PictureHashes, exact: PictureHashes) -> list[tuple[str, int, int]]:
    """Return kind, bits apart and slack of every hash that both have and that is clear enough."""
    found = [("pHash", _apart(fast.phash, exact.phash), fast.phash_slack)]
    if exact.pdq_quality >= LOW_QUALITY:
        found.append(("PDQ", _apart(fast.pdq, exact.pdq), fast.pdq_slack))
        for at in range(0, len(exact.pdq_turns), 32):
            bits = _apart(fast.pdq_turns[at : at + 32], exact.pdq_turns[at : at + 32])
            found.append(("PDQ, turned", bits, fast.pdq_slack))
    meant = {each.name: each for each in exact.pdq_variants if each.quality >= LOW_QUALITY}
    for each in fast.pdq_variants:
        if each.name in meant:
            bits = _apart(each.pdq, meant[each.name].pdq)
            found.append((each.name, bits, fast.variant_slack))
    return found


def _apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


if __name__ == "__main__":
    subject(measure, __doc__)
