"""Bytes in memory to all matches against known PDQ hashes, beside HMA in process.

Ours asks for all eight orientations of each picture, once without any other hash, which is what
the target says, and once with all that scans compute; HMA for the picture as it is. While the time
is taken a few of the pictures are known, in another encoding. Afterwards every picture has a known
value at 0 to 31 bits from its hash, and the program fails unless whatever HMA finds is among what
we find.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ImageOps
from threatexchange.signal_type.pdq.pdq_index import PDQIndex

from benchmarks import pictures
from benchmarks.matching import hashes
from benchmarks.peers import QUALITY, hma_index, hma_pdq, reference_pdq
from benchmarks.planting import FARTHEST, NEAR, Bytes, Pairs, planted, require_all
from benchmarks.table import Goal, Results, Row, rate, subject
from benchmarks.timing import interleaved
from moderation.matching.index import KnownIndex, write_index
from moderation.media import pdq
from moderation.media.decode import decode, decode_scaled
from moderation.media.hashing import PDQ_SLACK, PictureHashes, hash_picture

THRESHOLD, BLURRED_THRESHOLD = 31, 8
QUALITY_SLACK = 12  # as in moderation/scanning/columns.py
BATCH = 512  # pictures whose hashes are looked up at once, as in moderation/scanning/flow.py
KNOWN_ONE_IN = 32
PLANTED = 1_024  # pictures that have a known value near them, while nobody takes the time
LEAST_MATCHES = 500

Way = Callable[[KnownIndex, list[bytes]], Pairs]
Hashed = Callable[..., "Queries"]


def measure(quick: bool) -> Results:
    """Return all rows of this subject."""
    results = Results()
    count = 50 if quick else PLANTED
    images = list(islice(pictures.images(seed=5), count))
    files = [pictures.jpeg(image) for image in images]
    timed = images[:BATCH]
    known_files = [pictures.jpeg(image, quality=60) for image in timed[::KNOWN_ONE_IN]]
    mirrored = [pictures.jpeg(ImageOps.mirror(image)) for image in timed[1::KNOWN_ONE_IN]]
    known = _references([*known_files, *mirrored])
    near = planted(np.random.default_rng(19), _references(files))
    for size in (10_000, 100_000) if quick else (100_000, 1_000_000):
        _speeds(results, files[:BATCH], known, size)
        _matches(results, files, near, size, least=1 if quick else LEAST_MATCHES)
    results.notes.append(
        f"Bytes to matches: one picture in {KNOWN_ONE_IN} is known at another JPEG quality, as "
        f"many as their mirror image. Ours looks {BATCH} pictures up at once, in eight "
        "orientations each; the rows of all hashes and variants compute, beside these, what scans "
        "do: pHash, md5, sha1, sha256, and PDQ with margins trimmed and cut edges put back, which "
        "is looked up too. HMA takes one picture at a time, as it is, and drops those of quality "
        "below 50; of these ours looks only for nearly equal hashes, as scans do. The quick decode "
        "is looked up as far beyond the threshold as its hashes may lie beside the exact ones, and "
        "every candidate decoded in full."
    )
    results.notes.append(
        f"Share of HMA's matches: not timed; {count:,} pictures, for each one known value, half of "
        f"them {NEAR} to {FARTHEST} bits from what pdqhash says of the picture, half nearer."
    )
    return results


class Queries(NamedTuple):
    """Every PDQ a picture is looked up by, (n, 32), its bits in doubt, (n, 32), and the quality of
    each, (n,)."""

    values: npt.NDArray[np.uint8]
    doubts: npt.NDArray[np.uint8]
    qualities: npt.NDArray[np.int64]


def queries_of(found: PictureHashes) -> Queries:
    """Return the eight orientations and the variants: a new kind of query is added here."""
    values = found.pdq + found.pdq_turns + b"".join(each.pdq for each in found.pdq_variants)
    doubts = found.pdq_doubts + b"".join(each.doubts for each in found.pdq_variants)
    qualities = [found.pdq_quality] * len(pdq.ORIENTATIONS)
    qualities += [each.quality for each in found.pdq_variants]
    packed = [np.frombuffer(each, np.uint8).reshape(-1, 32) for each in (values, doubts)]
    return Queries(*packed, np.array(qualities))


def all_hashes(data: bytes, *, exact: bool) -> Queries:
    """What scans do: every hash that Breakwater has, PDQ of margins trimmed and edges put back."""
    return queries_of(hash_picture(data, exact=exact))


def orientations(data: bytes, *, exact: bool) -> Queries:
    """The PDQ of the picture's eight orientations and no other hash."""
    scaled = None if exact else decode_scaled(data)
    if scaled is None:
        hashes, quality = pdq.dihedral(decode(data).luma)
        doubts = [bytes(pdq.WIDTH)] * len(hashes)
    else:
        hashes, quality, doubts = pdq.view_dihedral(scaled.view)
    packed = [np.frombuffer(b"".join(each), np.uint8).reshape(-1, 32) for each in (hashes, doubts)]
    return Queries(*packed, np.full(len(hashes), quality))


def by_full_decode(hashed: Hashed, index: KnownIndex, files: list[bytes]) -> Pairs:
    """Return all (picture, known hash) pairs, every picture decoded in full."""
    if not files:
        return set()
    asked, owner = _together([hashed(data, exact=True) for data in files])
    hits = index.near("pdq", asked.values, THRESHOLD)
    near = hits.distances <= _thresholds(asked.qualities)[hits.rows]
    return set(zip(owner[hits.rows[near]].tolist(), hits.ids[near].tolist(), strict=True))


def by_quick_decode(hashed: Hashed, index: KnownIndex, files: list[bytes]) -> Pairs:
    """Return the same from quick decodes; what comes near is decoded in full and looked up."""
    asked, owner = _together([hashed(data, exact=False) for data in files])
    reach = _thresholds(asked.qualities + QUALITY_SLACK) + PDQ_SLACK
    near = index.may_be_near("pdq", asked.values, asked.doubts, reach)
    candidates = sorted({*owner[near].tolist()})
    exact = by_full_decode(hashed, index, [files[picture] for picture in candidates])
    return {(candidates[picture], known) for picture, known in exact}


QUICK = "quick decode, candidates verified"
WAYS: dict[str, Way] = {
    f"eight orientations, {QUICK}": partial(by_quick_decode, orientations),
    f"all hashes and variants, {QUICK}": partial(by_quick_decode, all_hashes),
    "all hashes and variants, full decode": partial(by_full_decode, all_hashes),
}


def _together(queries: list[Queries]) -> tuple[Queries, npt.NDArray[np.int64]]:
    """Return the queries of all pictures, and the picture that each is of."""
    owner = np.repeat(np.arange(len(queries)), [len(each.values) for each in queries])
    return Queries(*(np.concatenate(part) for part in zip(*queries, strict=True))), owner


def _thresholds(qualities: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.where(qualities < QUALITY, BLURRED_THRESHOLD, THRESHOLD)


def _references(files: list[bytes]) -> Bytes:
    return np.stack([np.frombuffer(reference_pdq(data)[0], np.uint8) for data in files])


@contextmanager
def _indexes(near: Bytes, size: int) -> Iterator[tuple[KnownIndex, PDQIndex]]:
    """Yield our index and HMA's, of ``near`` and random values, ``size`` in all."""
    known = hashes(np.random.default_rng(size), size)
    known[: len(near)] = near
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        write_index(path, {"pdq": (known, np.arange(size))})
        yield KnownIndex.open(path), hma_index(known)


def _by_hma(peer: PDQIndex, files: list[bytes]) -> Pairs:
    pairs = set()
    for picture, data in enumerate(files):
        value, quality = hma_pdq(data)
        if quality >= QUALITY:
            pairs |= {(picture, match.metadata) for match in peer.query(value.hex())}
    return pairs


def _speeds(results: Results, files: list[bytes], near: Bytes, size: int) -> None:
    with _indexes(near, size) as (index, peer):
        works = [partial(way, index, files) for way in WAYS.values()]
        *ours, hma = interleaved(*works, partial(_by_hma, peer, files), repeats=3)
    for name, seconds in zip(WAYS, ours, strict=True):
        goal = Goal(5, 10) if QUICK in name and size >= 1_000_000 else Goal()
        cells = (rate(len(files), seconds), f"HMA in process {rate(len(files), hma)}")
        what = f"bytes to matches, {name}"
        results.rows.append(Row(what, f"M = {size:,}", *cells, hma / seconds, goal))


def _matches(results: Results, files: list[bytes], near: Bytes, size: int, *, least: int) -> None:
    with _indexes(near, size) as (index, peer):
        expected = _by_hma(peer, files)
        for name, way in WAYS.items():
            what, found = f"bytes to matches, {name}: share of HMA's", way(index, files)
            require_all(f"{what}, M = {size:,}", found, expected, least=least)
            share = len(expected & found) / len(expected)
            cells = (f"{len(found):,} matches", f"HMA {len(expected):,} matches", share)
            m = f"M = {size:,}, {len(near):,} near a picture"
            results.rows.append(Row(what, m, *cells, Goal(1, 1), ""))


if __name__ == "__main__":
    subject(measure, __doc__)
