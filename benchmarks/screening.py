"""Bytes in memory to all matches against known PDQ hashes, beside HMA in process.

Ours asks for all eight orientations of each picture and for its variants (margins trimmed, cut
edges put back); HMA for the picture as it is. Some of the pictures are known, in another encoding;
whatever HMA finds must be among what we find.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ImageOps

from benchmarks import pictures
from benchmarks.matching import hashes
from benchmarks.peers import QUALITY, hma_index, hma_pdq, reference_pdq
from benchmarks.table import Goal, Results, Row, rate, subject
from benchmarks.timing import interleaved
from moderation.matching.index import KnownIndex, write_index
from moderation.media.hashing import PictureHashes, hash_picture
from moderation.media.pdq import ORIENTATIONS

THRESHOLD = 31
BATCH = 256  # pictures whose hashes are looked up at once
KNOWN_ONE_IN = 32

Pairs = set[tuple[int, int]]


def measure(quick: bool) -> Results:
    """Return all rows of this subject."""
    results = Results()
    count = 50 if quick else BATCH
    images = pictures.images(seed=5)
    first = [next(images) for _ in range(count)]
    files = [pictures.jpeg(image) for image in first]
    known_files = [pictures.jpeg(image, quality=60) for image in first[::KNOWN_ONE_IN]]
    mirrored = [pictures.jpeg(ImageOps.mirror(image)) for image in first[1::KNOWN_ONE_IN]]
    planted = np.stack(
        [np.frombuffer(reference_pdq(data)[0], np.uint8) for data in (*known_files, *mirrored)]
    )
    for size in (10_000, 100_000) if quick else (100_000, 1_000_000):
        _compare(results, files, planted, size)
    results.notes.append(
        f"Bytes to matches: one picture in {KNOWN_ONE_IN} is known at another JPEG quality, as "
        f"many as their mirror image. Ours looks {BATCH} pictures up at once, in eight "
        "orientations and all variants each; HMA takes one picture at a time, as it is, and drops "
        "those of quality below 50. The quick decode is looked up as far beyond the threshold as "
        "its hashes may lie beside the exact ones, and every candidate decoded in full."
    )
    return results


class Queries(NamedTuple):
    """Every PDQ a picture is looked up by, (n, 32), the quality of each, (n,), and by how many bits
    it may lie beside the exact one, (n,)."""

    values: npt.NDArray[np.uint8]
    qualities: npt.NDArray[np.int64]
    slack: npt.NDArray[np.int64]


def queries_of(found: PictureHashes) -> Queries:
    """Return the eight orientations and the variants: a new kind of query is added here."""
    values = found.pdq + found.pdq_turns + b"".join(each.pdq for each in found.pdq_variants)
    qualities = [found.pdq_quality] * len(ORIENTATIONS)
    qualities += [each.quality for each in found.pdq_variants]
    slack = [found.pdq_slack] * len(ORIENTATIONS)
    slack += [found.variant_slack] * len(found.pdq_variants)
    packed = np.frombuffer(values, np.uint8).reshape(-1, 32)
    return Queries(packed, np.array(qualities), np.array(slack))


def by_full_decode(index: KnownIndex, files: list[bytes]) -> Pairs:
    """Return all (picture, known hash) pairs, every picture decoded in full."""
    if not files:
        return set()
    values, owner, _ = _asked([hash_picture(data, exact=True) for data in files])
    hits = index.near("pdq", values, THRESHOLD)
    return set(zip(owner[hits.rows].tolist(), hits.ids.tolist(), strict=True))


def by_quick_decode(index: KnownIndex, files: list[bytes]) -> Pairs:
    """Return the same from quick decodes; what comes near is decoded in full and looked up."""
    values, owner, slack = _asked([hash_picture(data) for data in files])
    candidates = sorted({*owner[index.may_be_near("pdq", values, THRESHOLD + slack)].tolist()})
    exact = by_full_decode(index, [files[picture] for picture in candidates])
    return {(candidates[picture], known) for picture, known in exact}


def _asked(
    found: list[PictureHashes],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the queries of all pictures: values, the picture each is of, and slack."""
    queries = [queries_of(each) for each in found]
    owner = np.repeat(np.arange(len(queries)), [len(each.values) for each in queries])
    slack = np.concatenate([each.slack for each in queries])
    return np.concatenate([each.values for each in queries]), owner, slack


def _compare(
    results: Results, files: list[bytes], planted: npt.NDArray[np.uint8], size: int
) -> None:
    known = hashes(np.random.default_rng(size), size)
    known[: len(planted)] = planted
    peer = hma_index(known)

    def theirs() -> Pairs:
        pairs = set()
        for picture, data in enumerate(files):
            value, quality = hma_pdq(data)
            if quality >= QUALITY:
                pairs |= {(picture, match.metadata) for match in peer.query(value.hex())}
        return pairs

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        write_index(path, {"pdq": (known, np.arange(size))})
        index = KnownIndex.open(path)
        ways: dict[str, Callable[[KnownIndex, list[bytes]], Pairs]] = {
            "quick decode, candidates verified": by_quick_decode,
            "full decode": by_full_decode,
        }
        expected = theirs()
        works = [lambda way=way: way(index, files) for way in ways.values()]
        *ours, hma = interleaved(*works, theirs, repeats=3)
        for (name, way), seconds in zip(ways.items(), ours, strict=True):
            found = way(index, files)
            what, m = f"bytes to matches, {name}", f"M = {size:,}"
            asked = way is by_quick_decode and size >= 1_000_000  # what scans do
            goal = Goal(5, 10) if asked else Goal()
            cells = (rate(len(files), seconds), f"HMA in process {rate(len(files), hma)}")
            results.rows.append(Row(what, m, *cells, hma / seconds, goal))
            cells = (f"{len(found)} matches", f"HMA {len(expected)} matches")
            share = len(expected & found) / len(expected)
            results.rows.append(Row(f"{what}: share of HMA's", m, *cells, share, Goal(1, 1), ""))


if __name__ == "__main__":
    subject(measure, __doc__)
