"""Who may be near with some bits in doubt: what comparing every pair without those bits says."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.matching import doubt_kernels
from moderation.matching.bands import BandTable, TableCorrupt
from tests.moderation.matching.scan import Bytes, clustered, flipped, random_hashes

WIDTHS = (32, 8)


def by_every_pair(known: Bytes, queries: Bytes, doubts: Bytes, reach: list[int]) -> list[bool]:
    found = []
    for query, doubt, most in zip(queries, doubts, reach, strict=True):
        apart = np.bitwise_count((known ^ query) & ~doubt).sum(axis=1, dtype=np.int64)
        found.append(bool((apart <= most).any()))
    return found


def in_doubt(rng: np.random.Generator, bits: list[int], width: int) -> Bytes:
    """Return one mask each with so many bits set."""
    masks = [flipped(rng, np.zeros(width, np.uint8), each) for each in bits]
    return np.array(masks, np.uint8).reshape(len(bits), width)


def asked(known: Bytes, queries: Bytes, doubts: Bytes, reach: list[int]) -> list[bool]:
    found = BandTable.build(known).may_be_near(queries, doubts, np.array(reach, np.int64))
    assert found.dtype == np.bool_
    return [bool(each) for each in found]


@settings(max_examples=150, deadline=None)
@given(data=st.data(), width=st.sampled_from(WIDTHS), size=st.sampled_from([1, 2, 17, 1000]))
def test_equals_comparing_every_pair(data: st.DataObject, width: int, size: int) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count = data.draw(st.integers(0, 20))
    most_bits, most_reach = (40, 34) if width == 32 else (6, 11)
    bits = data.draw(st.lists(st.integers(0, most_bits), min_size=count, max_size=count))
    reach = data.draw(st.lists(st.integers(0, most_reach), min_size=count, max_size=count))
    centres = random_hashes(rng, 3, width)
    known = clustered(rng, centres, size, most_reach)
    queries = clustered(rng, centres, count, most_reach)
    doubts = in_doubt(rng, bits, width)
    assert asked(known, queries, doubts, reach) == by_every_pair(known, queries, doubts, reach)


@pytest.mark.parametrize("width", WIDTHS)
def test_many_queries_are_taken_in_order_and_in_turns(width: int) -> None:
    rng = np.random.default_rng(width)
    known = random_hashes(rng, 30_000, width)
    queries = random_hashes(rng, 700, width)
    bits = rng.integers(0, 30 if width == 32 else 5, 700).tolist()
    doubts = in_doubt(rng, bits, width)
    reach = rng.integers(0, 34 if width == 32 else 9, 700).tolist()
    for row in range(0, 700, 2):  # as far as it goes, beside the bits in doubt
        wrong = flipped(rng, known[row], 0)
        sure = np.flatnonzero(np.unpackbits(doubts[row]) == 0)
        turned = np.zeros(width * 8, np.uint8)
        turned[rng.permutation(sure)[: reach[row] + (row % 4 == 0)]] = 1
        noise = random_hashes(rng, 1, width)[0] & doubts[row]
        queries[row] = wrong ^ np.packbits(turned) ^ noise
    expected = by_every_pair(known, queries, doubts, reach)
    assert 100 < sum(expected) < 600
    assert asked(known, queries, doubts, reach) == expected
    with patch.object(doubt_kernels, "ROOM", 5_000):
        assert asked(known, queries, doubts, reach) == expected


@pytest.mark.parametrize("reach", [0, 20, 31, 33, 40, 47])
def test_the_worst_spread_of_differing_bits(reach: int) -> None:
    """Bits that differ, shared out as evenly over the bands as can be, are seen all the same."""
    rng = np.random.default_rng(reach)
    query = random_hashes(rng, 1, 32)
    doubts = in_doubt(rng, [16], 32)
    sure = np.flatnonzero(np.unpackbits(doubts[0]) == 0)
    by_band = sorted(sure.tolist(), key=lambda bit: (bit % 16, bit // 16))
    for more in (0, 1):
        turned = np.zeros(256, np.uint8)
        turned[by_band[: reach + more]] = 1
        known = query ^ np.packbits(turned) ^ doubts
        assert asked(known, query, doubts, [reach]) == [not more]


def test_who_would_open_too_many_buckets_may_be_near() -> None:
    rng = np.random.default_rng(1)
    known, query = np.zeros((1, 32), np.uint8), np.full((1, 32), 255, np.uint8)
    nothing = np.zeros((1, 32), np.uint8)
    assert asked(known, query, nothing, [57]) == [False]
    assert asked(known, query, nothing, [120]) == [True]
    assert asked(known, query, in_doubt(rng, [180], 32), [31]) == [True]
    assert asked(known[:, :8], query[:, :8], nothing[:, :8], [16]) == [True]


def test_nothing_known_is_near_to_nothing() -> None:
    empty, one = np.zeros((0, 32), np.uint8), np.zeros((1, 32), np.uint8)
    assert asked(empty, one, one, [200]) == [False]
    assert asked(one, empty, empty, []) == []


def test_refuses_other_shapes() -> None:
    table = BandTable.build(np.zeros((1, 32), np.uint8))
    reach = np.zeros(2, np.int64)
    for queries, doubts in (((2, 8), (2, 8)), ((2, 32), (1, 32)), ((2, 32), (2, 8))):
        with pytest.raises(ValueError, match="queries and doubts"):
            table.may_be_near(np.zeros(queries, np.uint8), np.zeros(doubts, np.uint8), reach)


def test_damage_is_noticed_not_followed() -> None:
    known = random_hashes(np.random.default_rng(5), 50, 32)
    table = BandTable.build(known)
    outside = BandTable(table.words, table.starts, np.full_like(table.order, 50), table.copies)
    with pytest.raises(TableCorrupt):
        outside.may_be_near(known, np.zeros_like(known), np.full(50, 31, np.int64))
