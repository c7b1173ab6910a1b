"""What is planted lies where it should, and a match that is missing ends a benchmark."""

import numpy as np
import pytest

from benchmarks.planting import FARTHEST, NEAR, planted, require_all


def test_half_lies_far_and_no_value_beyond_the_limit() -> None:
    random = np.random.default_rng(1)
    values = random.integers(0, 256, (800, 32), dtype=np.uint8)

    found = planted(random, values)

    apart = np.bitwise_count(found ^ values).sum(axis=1)
    assert set(apart) == set(range(FARTHEST + 1))
    assert (apart >= NEAR).sum() == 400


def test_more_than_the_peer_finds_is_enough() -> None:
    require_all("ours", {(0, 1), (0, 2), (1, 3)}, {(0, 1), (1, 3)}, least=2)


def test_one_missing_match_ends_it() -> None:
    with pytest.raises(SystemExit, match=r"1 of the peer's 2 matches.*picture 1 with value 3"):
        require_all("ours", {(0, 1), (0, 2)}, {(0, 1), (1, 3)}, least=2)


def test_too_few_matches_prove_nothing() -> None:
    with pytest.raises(SystemExit, match="finds 1 matches; 2 prove"):
        require_all("ours", {(0, 1)}, {(0, 1)}, least=2)
