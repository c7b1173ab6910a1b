"""The join by wide bands finds exactly what comparing every pair finds."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.matching import bands, wide
from moderation.matching.bands import TableCorrupt
from moderation.matching.wide import WideTable
from tests.moderation.matching.scan import (
    Bytes,
    brute_force,
    clustered,
    flipped,
    random_hashes,
)
from tests.moderation.matching.test_bands import make


def joined(known: Bytes, queries: Bytes, threshold: int) -> list[tuple[int, int, int]]:
    rows, ids, distances = WideTable.build(known).join(queries, threshold)
    assert [str(part.dtype) for part in (rows, ids, distances)] == ["int64", "int64", "int16"]
    return list(zip(rows.tolist(), ids.tolist(), distances.tolist(), strict=True))


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["random", "clustered", "repeated"]),
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([0, 1, 2, 17, 65, 1000]),
    count=st.integers(0, 30),
    threshold=st.integers(0, 32),
)
def test_equals_brute_force(kind: str, seed: int, size: int, count: int, threshold: int) -> None:
    known, queries = make(kind, seed, size, count, 32)
    assert joined(known, queries, threshold) == brute_force(known, queries, threshold)


@pytest.mark.parametrize("size", [3_000, 50_000])
def test_equals_brute_force_among_many(size: int) -> None:
    """Buckets of many, bits of bands folded together, some hashes in crowds and others alone."""
    rng = np.random.default_rng(size)
    known = random_hashes(rng, size, 32)
    known[rng.permutation(size)[:300]] = clustered(rng, known[:20], 300, 60)
    queries = np.concatenate([clustered(rng, known[:40], 150, 34), random_hashes(rng, 50, 32)])
    table, pairs = WideTable.build(known), brute_force(known, queries, 32)
    assert len(pairs) > 100
    for threshold in (0, 1, 10, 31, 32):
        rows, ids, distances = table.join(queries, threshold)
        expected = [pair for pair in pairs if pair[2] <= threshold]
        assert list(zip(rows.tolist(), ids.tolist(), distances.tolist(), strict=True)) == expected


def spread(counts: list[int], rng: np.random.Generator) -> Bytes:
    """Return a hash with so many bits set in each of the eleven bands."""
    bits = np.zeros(256, np.uint8)
    first = 0
    for band, count in enumerate(counts):
        width = 24 if band < 3 else 23
        bits[first + rng.permutation(width)[:count]] = 1
        first += width
    return np.packbits(bits, bitorder="little")  # bit i of a little-endian number


def test_worst_spread_at_the_threshold() -> None:
    """3 differing bits in each band but 2 in one: only that band can see the pair."""
    rng = np.random.default_rng(1)
    value = random_hashes(rng, 1, 32)
    for weak in range(11):
        for _ in range(50):  # other bits of the bands, so other parts that are equal
            query = value ^ spread([2 if band == weak else 3 for band in range(11)], rng)
            assert joined(value, query, 32) == [(0, 0, 32)]
            assert joined(value, query, 31) == []


def test_each_pair_of_bits_is_seen() -> None:
    """Any two bits of one band, its first and last among them, in this and no other band."""
    rng = np.random.default_rng(2)
    value = random_hashes(rng, 1, 32)
    first = 0
    for band in range(11):
        width = 24 if band < 3 else 23
        others = spread([0 if other == band else 3 for other in range(11)], rng)
        pairs = [(a, b) for a in range(width) for b in range(a)]
        masks = np.zeros((len(pairs), 256), np.uint8)
        for row, (a, b) in enumerate(pairs):
            masks[row, [first + a, first + b]] = 1
        queries = value ^ others ^ np.packbits(masks, axis=1, bitorder="little")
        assert joined(value, queries, 32) == [(row, 0, 32) for row in range(len(pairs))]
        first += width


def test_each_single_bit_is_seen() -> None:
    value = random_hashes(np.random.default_rng(3), 1, 32)
    one_off = value ^ np.packbits(np.eye(256, dtype=np.uint8), axis=1)
    assert joined(value, one_off, 1) == [(row, 0, 1) for row in range(256)]
    assert joined(one_off, value, 1) == [(0, row, 1) for row in range(256)]
    assert joined(value, one_off, 0) == []


@pytest.mark.parametrize("count", [3, 700])
def test_more_pairs_than_room_lose_nothing(count: int) -> None:
    """Every query meets every known hash, far more pairs than the first buffer takes."""
    rng = np.random.default_rng(5)
    centre = random_hashes(rng, 1, 32)
    known = clustered(rng, centre, 1000, 15)
    queries = clustered(rng, centre, count, 15)
    with patch.object(bands, "FIRST_ROOM", 1):
        rows, ids, distances = WideTable.build(known).join(queries, 31)
    expected = np.bitwise_count(queries[:, None] ^ known[None]).sum(axis=2, dtype=np.int64)
    assert len(rows) == count * 1000
    assert (rows == np.repeat(np.arange(count), 1000)).all()
    assert (ids == np.tile(np.arange(1000), count)).all()
    assert (distances == expected.ravel()).all()


def test_all_zero_and_all_one() -> None:
    ends = np.array([[0] * 32, [255] * 32], np.uint8)
    assert joined(ends, ends, 32) == [(0, 0, 0), (1, 1, 0)]


def test_read_only_and_odd_views() -> None:
    """Columns of files come read-only, at any byte offset, or as every other row."""
    rng = np.random.default_rng(2)
    known = random_hashes(rng, 50, 32)
    shifted = np.frombuffer(b"x" + known.tobytes(), np.uint8)[1:].reshape(50, 32)
    expected = [(row, row, 0) for row in range(50)]
    assert joined(shifted, shifted, 31) == expected
    assert joined(known, known[::2], 31) == [(row, row * 2, 0) for row in range(25)]
    table = WideTable.build(known)
    for part in (table.words, table.seen, table.starts, table.rests, table.order):
        part.flags.writeable = False
    table.check()
    assert len(table.join(known, 31)[0]) == 50


@pytest.mark.parametrize("threshold", [-1, 33])
def test_refuses_a_threshold_it_cannot_keep(threshold: int) -> None:
    known = random_hashes(np.random.default_rng(0), 2, 32)
    with pytest.raises(ValueError, match=f"threshold {threshold} is outside 0 to 32"):
        WideTable.build(known).join(known, threshold)


def test_refuses_other_hashes() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="hashes of 32 bytes"):
        WideTable.build(random_hashes(rng, 2, 8))
    with patch.object(wide, "MOST", 1), pytest.raises(ValueError, match="up to 1 hashes"):
        WideTable.build(random_hashes(rng, 2, 32))
    with pytest.raises(ValueError, match="have 8 bytes, not 32"):
        WideTable.build(random_hashes(rng, 2, 32)).join(random_hashes(rng, 2, 8), 31)


def test_damage_is_noticed_not_followed() -> None:
    known = random_hashes(np.random.default_rng(0), 100, 32)
    table = WideTable.build(known)
    table.order[:] = 100
    with pytest.raises(TableCorrupt, match="points outside"):
        table.join(known, 31)
    table.starts[3, 1, 200] = 99_999
    with pytest.raises(TableCorrupt, match="do not rise"):
        table.check()
    for cut in (
        WideTable(table.words[:50], table.seen, table.starts, table.rests, table.order),
        WideTable(table.words, table.seen[:, :-1], table.starts, table.rests, table.order),
        WideTable(table.words, table.seen, table.starts, table.rests[:-1], table.order),
    ):
        with pytest.raises(TableCorrupt, match="different sizes"):
            cut.check()


def test_bits_at_the_threshold_of_flipped_hashes() -> None:
    rng = np.random.default_rng(11)
    known = random_hashes(rng, 1000, 32)
    at = np.array([flipped(rng, known[k], 31) for k in range(500)])
    past = np.array([flipped(rng, known[k], 32) for k in range(500)])
    assert joined(known, at, 31) == [(k, k, 31) for k in range(500)]
    assert joined(known, past, 31) == []
