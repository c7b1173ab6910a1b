"""What the index says of pictures' hashes is what comparing every pair says, at every threshold.

Hashes of pictures are not spread evenly, and copies of one picture lie in crowds: both are worse
for a table of buckets than random bits.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moderation.matching.bands import BandTable
from moderation.matching.index import KnownIndex, write_index
from moderation.matching.wide import MOST as FEW
from moderation.media.hashing import hash_picture
from tests import pictures
from tests.moderation.matching.scan import Bytes, flipped, random_hashes
from tests.moderation.media.drawing import encoded, scene

THRESHOLDS = range(41)
Pairs = list[tuple[int, int, int]]


@cache
def drawn() -> Bytes:
    """All hashes of pictures drawn in code: fields of colour, shapes, and flat ones."""
    images = [pictures.picture(seed, side=96) for seed in range(30)]
    images += [scene(120, 90, seed) for seed in range(60)]
    grey = Image.new("RGB", (120, 90), (90, 90, 90))
    images += [Image.blend(grey, scene(120, 90, seed), 0.05) for seed in range(20)]
    values = set()
    for image in images:
        found = hash_picture(encoded(image, "PNG"))
        values.add(found.pdq)
        values |= {found.pdq_turns[at : at + 32] for at in range(0, len(found.pdq_turns), 32)}
        values |= {each.pdq for each in found.pdq_variants}
    return np.frombuffer(b"".join(sorted(values)), np.uint8).reshape(-1, 32)


def known_of(size: int) -> Bytes:
    """Return so many: the drawn ones again and again, each time with some bits turned over."""
    rng = np.random.default_rng(size)
    bases = drawn()
    known = bases[np.arange(size) % len(bases)].copy()
    masks = np.array([flipped(rng, np.zeros(32, np.uint8), n % 90) for n in range(4096)])
    return known ^ masks[rng.integers(0, len(masks), size)]


def queries_of(known: Bytes) -> Bytes:
    """Return queries near to known ones at every distance, drawn ones, and far ones."""
    rng = np.random.default_rng(len(known) + 1)
    near = [flipped(rng, known[at % len(known)], at) for at in range(41)] if len(known) else []
    drawn_ones = drawn()[rng.permutation(len(drawn()))[:15]]
    return np.concatenate(
        [np.array(near, np.uint8).reshape(-1, 32), drawn_ones, random_hashes(rng, 4, 32)]
    )


def by_brute_force(known: Bytes, queries: Bytes) -> Pairs:
    """Return (query, known, distance) of all pairs within the largest threshold."""
    words = known.view(np.uint64)
    pairs: Pairs = []
    for row, query in enumerate(np.ascontiguousarray(queries).view(np.uint64)):
        distances = np.bitwise_count(words ^ query).sum(axis=1, dtype=np.int64)
        for at in np.flatnonzero(distances <= THRESHOLDS[-1]).tolist():
            pairs.append((row, at, int(distances[at])))
    return pairs


@pytest.mark.parametrize("size", [0, 1, 2, 1_000, FEW, FEW + 1])
def test_an_index_of_pictures_finds_what_comparing_every_pair_finds(
    size: int, tmp_path: Path
) -> None:
    """Few are asked in two ways: by wide bands up to 32 bits, and by bands beyond."""
    known = known_of(size)
    queries = queries_of(known)
    write_index(tmp_path / "index", {"pdq": (known, np.arange(size, dtype=np.int64))})
    index = KnownIndex.open(tmp_path / "index")
    pairs = by_brute_force(known, queries)
    assert len(pairs) >= min(size, 41)
    for threshold in THRESHOLDS:
        hits = index.near("pdq", queries, threshold)
        found = zip(hits.rows.tolist(), hits.ids.tolist(), hits.distances.tolist(), strict=True)
        assert sorted(found) == [pair for pair in pairs if pair[2] <= threshold], threshold


def test_a_million_hashes_of_pictures_are_joined_as_by_comparing_every_pair() -> None:
    known = known_of(1_000_000)
    queries = queries_of(known)
    pairs = by_brute_force(known, queries)
    assert len(pairs) > 10_000
    packed = np.array(pairs)
    table = BandTable.build(known)
    for threshold in THRESHOLDS:
        found = np.stack(table.join(queries, threshold), axis=1)
        assert np.array_equal(found, packed[packed[:, 2] <= threshold]), threshold
