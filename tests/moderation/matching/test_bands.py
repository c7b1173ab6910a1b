"""The band join finds exactly what comparing every pair finds."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.matching import bands
from moderation.matching.bands import BandTable, TableCorrupt, radii_for
from moderation.media.pdq import pdq
from tests.moderation.matching.scan import (
    Bytes,
    brute_force,
    clustered,
    flipped,
    random_hashes,
)

SIZES = (0, 1, 2, 17, 1000)
HIGHEST = {32: 47, 8: 15}


def joined(known: Bytes, queries: Bytes, threshold: int) -> list[tuple[int, int, int]]:
    rows, ids, distances = BandTable.build(known).join(queries, threshold)
    assert [str(part.dtype) for part in (rows, ids, distances)] == ["int64", "int64", "int16"]
    return list(zip(rows.tolist(), ids.tolist(), distances.tolist(), strict=True))


def make(kind: str, seed: int, size: int, count: int, width: int) -> tuple[Bytes, Bytes]:
    """Return (known, queries) of one kind: random, clustered around few centres, or repeated."""
    rng = np.random.default_rng(seed)
    centres = random_hashes(rng, 3, width)
    if kind == "random":
        known, queries = random_hashes(rng, size, width), random_hashes(rng, count, width)
        shared = min(size, count) // 2
        queries[:shared] = known[:shared]
    elif kind == "clustered":
        furthest = HIGHEST[width] // 2 + 4
        known = clustered(rng, centres, size, furthest)
        queries = clustered(rng, centres, count, furthest)
    else:
        known = centres[rng.integers(0, 3, size)]
        queries = clustered(rng, centres, count, 2)
    return known, queries


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["random", "clustered", "repeated"]),
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from(SIZES),
    count=st.integers(0, 30),
    threshold=st.integers(0, 47),
)
def test_equals_brute_force_256(
    kind: str, seed: int, size: int, count: int, threshold: int
) -> None:
    known, queries = make(kind, seed, size, count, 32)
    assert joined(known, queries, threshold) == brute_force(known, queries, threshold)


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(["random", "clustered", "repeated"]),
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from(SIZES),
    count=st.integers(0, 30),
    threshold=st.integers(0, 15),
)
def test_equals_brute_force_64(kind: str, seed: int, size: int, count: int, threshold: int) -> None:
    known, queries = make(kind, seed, size, count, 8)
    assert joined(known, queries, threshold) == brute_force(known, queries, threshold)


def test_equals_brute_force_in_a_million() -> None:
    """So many that the memory of buckets is asked for ahead; some lie in crowds, most far off."""
    rng = np.random.default_rng(11)
    known = random_hashes(rng, 1_000_000, 32)
    at = rng.permutation(len(known))[:600]
    known[at] = clustered(rng, known[:20], 600, 60)
    known[[0, 1, 65_536, 999_999]] = known[:4]
    queries = np.concatenate(
        [known[at[:5]], clustered(rng, known[:20], 15, 30), random_hashes(rng, 5, 32)]
    )
    table, pairs = BandTable.build(known), brute_force(known, queries, 40)
    assert len(pairs) > 100
    for threshold in range(41):
        expected = [pair for pair in pairs if pair[2] <= threshold]
        # As they come; and for some so many that they are taken in band order.
        for times in (1, 30) if threshold in (0, 15, 16, 31, 40) else (1,):
            rows, ids, distances = table.join(np.repeat(queries, times, axis=0), threshold)
            assert len(rows) == len(expected) * times
            first = rows % times == 0
            parts = (rows[first] // times, ids[first], distances[first])
            assert list(zip(*(part.tolist() for part in parts), strict=True)) == expected


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_hashes_of_pictures_equal_brute_force(size: int) -> None:
    """Hashes of pictures are not spread evenly: smooth ones share whole bands."""
    rng = np.random.default_rng(size)
    across, down = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 64))
    waves = rng.integers(1, 5, (size + 60, 2, 1, 1))
    pictures = np.cos(3 * waves[:, 0] * across + waves[:, 1]) * np.sin(4 * waves[:, 1] * down)
    pictures += rng.normal(0, 0.02, pictures.shape)
    luma = (pictures * 100 + 128).astype(np.float32)
    hashes = np.array([np.frombuffer(pdq(each)[0], np.uint8) for each in luma])
    known, queries = hashes[:size], hashes[size:]
    for threshold in range(0, 41, 4):
        expected = brute_force(known, queries, threshold)
        assert joined(known, queries, threshold) == expected
    assert expected or size < 1000


@pytest.mark.parametrize("width", [32, 8])
def test_queries_in_band_order_equal_brute_force(width: int) -> None:
    """More queries than the point from which they are sorted, with crowds and with lone ones."""
    rng = np.random.default_rng(7)
    known = np.concatenate([random_hashes(rng, 400, width), np.zeros((20, width), np.uint8)])
    queries = np.concatenate(
        [clustered(rng, known, 600, HIGHEST[width]), random_hashes(rng, 400, width)]
    )
    queries = queries[rng.permutation(len(queries))]
    for threshold in (0, HIGHEST[width] // 2, HIGHEST[width]):
        expected = brute_force(known, queries, threshold)
        assert expected
        assert joined(known, queries, threshold) == expected


@pytest.mark.parametrize("width", [32, 8])
def test_each_single_bit_is_seen(width: int) -> None:
    """The first and last bit of each band, word and hash: one bit away is distance 1, not 0."""
    value = random_hashes(np.random.default_rng(3), 1, width)
    one_off = value ^ np.packbits(np.eye(width * 8, dtype=np.uint8), axis=1)
    assert joined(value, one_off, 1) == [(row, 0, 1) for row in range(width * 8)]
    assert joined(one_off, value, 1) == [(0, row, 1) for row in range(width * 8)]
    assert joined(value, one_off, 0) == []


@pytest.mark.parametrize(
    ("width", "threshold"), [(32, t) for t in range(48)] + [(8, t) for t in range(16)]
)
def test_worst_spread_at_the_threshold(width: int, threshold: int) -> None:
    """r_i + 1 differing bits in each band but one bit fewer in one: only that band can see it."""
    value = random_hashes(np.random.default_rng(threshold), 1, width)
    radii = radii_for(threshold, width)
    assert int((radii + 1).sum()) == threshold + 1
    for weak in np.nonzero(radii >= 0)[0]:
        differing = np.zeros(width * 8, np.uint8)
        for band, radius in enumerate(radii):
            first = band * 16 + (0 if band % 2 else 16 - max(int(radius) + 1, 0))
            differing[first : first + int(radius) + 1 - (band == weak)] = 1
        # bit i of the hash as a little-endian number lies in byte i // 8
        query = value ^ np.packbits(differing, bitorder="little")
        assert joined(value, query, threshold) == [(0, 0, threshold)]
        if threshold:
            assert joined(value, query, threshold - 1) == []


def test_distance_at_and_past_the_threshold() -> None:
    rng = np.random.default_rng(11)
    known = random_hashes(rng, 1000, 32)
    at = np.array([flipped(rng, known[k], 31) for k in range(500)])
    past = np.array([flipped(rng, known[k], 32) for k in range(500)])
    assert joined(known, at, 31) == [(k, k, 31) for k in range(500)]
    assert joined(known, past, 31) == []


@pytest.mark.parametrize("count", [3, 700])
def test_more_pairs_than_room_lose_nothing(count: int) -> None:
    """Every query meets every known hash, far more pairs than the first buffer takes."""
    rng = np.random.default_rng(5)
    centre = random_hashes(rng, 1, 32)
    known = clustered(rng, centre, 1000, 15)
    queries = clustered(rng, centre, count, 15)
    with patch.object(bands, "FIRST_ROOM", 1):
        rows, ids, distances = BandTable.build(known).join(queries, 31)
    expected = np.bitwise_count(queries[:, None] ^ known[None]).sum(axis=2, dtype=np.int64)
    assert len(rows) == count * 1000
    assert (rows == np.repeat(np.arange(count), 1000)).all()
    assert (ids == np.tile(np.arange(1000), count)).all()
    assert (distances == expected.ravel()).all()


@pytest.mark.parametrize("width", [32, 8])
def test_many_queries_in_one_bucket(width: int) -> None:
    """Hashes that differ in one band only share the buckets of all the others."""
    rng = np.random.default_rng(9)
    base = random_hashes(rng, 1, width)
    known, queries = np.repeat(base, 300, axis=0), np.repeat(base, 900, axis=0)
    known[:, -2:] = random_hashes(rng, 300, 2)
    queries[:, -2:] = random_hashes(rng, 900, 2)
    assert joined(known, queries, 6) == brute_force(known, queries, 6)


def test_all_zero_and_all_one() -> None:
    ends = np.array([[0] * 32, [255] * 32], np.uint8)
    assert joined(ends, ends, 47) == [(0, 0, 0), (1, 1, 0)]


def test_read_only_and_odd_views() -> None:
    """Columns of files come read-only, at any byte offset, or as every other row."""
    rng = np.random.default_rng(2)
    known = random_hashes(rng, 50, 32)
    shifted = np.frombuffer(b"x" + known.tobytes(), np.uint8)[1:].reshape(50, 32)
    assert not shifted.flags.writeable
    expected = [(row, row, 0) for row in range(50)]
    assert joined(shifted, shifted, 31) == expected
    assert joined(np.asfortranarray(known), known, 31) == expected
    assert joined(known, known[::2], 31) == [(row, row * 2, 0) for row in range(25)]


def test_arrays_of_a_table_may_be_read_only() -> None:
    known = random_hashes(np.random.default_rng(2), 50, 32)
    table = BandTable.build(known)
    for part in (table.words, table.starts, table.order, table.copies):
        part.flags.writeable = False
    table.check()
    assert len(table.join(known, 31)[0]) == 50


@pytest.mark.parametrize(("width", "threshold"), [(32, 48), (32, -1), (8, 16), (8, -1)])
def test_refuses_a_threshold_it_cannot_keep(width: int, threshold: int) -> None:
    known = random_hashes(np.random.default_rng(0), 2, width)
    with pytest.raises(ValueError, match=f"threshold {threshold} is outside 0 to"):
        BandTable.build(known).join(known, threshold)


def test_refuses_other_shapes() -> None:
    good = random_hashes(np.random.default_rng(0), 2, 32)
    with pytest.raises(ValueError, match="rows of 32 or 8 bytes"):
        BandTable.build(good[:, :31])
    with pytest.raises(ValueError, match="rows of 32 or 8 bytes"):
        BandTable.build(good[0])
    with pytest.raises(ValueError, match="rows of 32 or 8 bytes"):
        BandTable.build(good.astype(np.int8))
    with pytest.raises(ValueError, match="have 8 bytes, not 32"):
        BandTable.build(good).join(good[:, :8], 31)


def test_damage_is_noticed_not_followed() -> None:
    """A table from a damaged file neither reads outside its arrays nor answers "no match"."""
    known = random_hashes(np.random.default_rng(0), 100, 32)
    table = BandTable.build(known)
    table.order[:] = 100
    with pytest.raises(TableCorrupt, match="points outside"):
        table.join(known, 31)
    table.starts[3, 500] = 99_999
    with pytest.raises(TableCorrupt, match="do not rise"):
        table.check()
    with pytest.raises(TableCorrupt, match="different sizes"):
        BandTable(table.words[:50], table.starts, table.order, table.copies).check()
