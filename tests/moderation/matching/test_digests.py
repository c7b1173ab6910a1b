"""Whole columns of digests meet exactly what a dictionary of them says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.matching.bands import Bytes, TableCorrupt
from moderation.matching.digests import BLOCK, DigestTable, group
from tests.moderation.matching.scan import random_hashes


def make(kind: str, seed: int, size: int, width: int) -> Bytes:
    """Return digests: spread evenly, all in one bucket and told apart by the last bytes, or few
    different ones."""
    rng = np.random.default_rng(seed)
    values = random_hashes(rng, size, width)
    if kind == "crowded":
        values[:, :-2] = 170
    elif kind == "repeated":
        values = values[rng.integers(0, max(size // 5, 1), size)]
    return values


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["even", "crowded", "repeated"]),
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([1, 2, 3, 17, 1000]),
    width=st.sampled_from([16, 20, 32]),
)
def test_finds_what_a_dictionary_finds(kind: str, seed: int, size: int, width: int) -> None:
    values = make(kind, seed, size, width)
    queries = np.concatenate([values[::3], make(kind, seed + 1, 200, width), values[:1]])
    ids = np.random.default_rng(seed).permutation(size).astype(np.int64)
    expected: dict[bytes, list[int]] = {}
    for value, known in zip(values, ids.tolist(), strict=True):
        expected.setdefault(value.tobytes(), []).append(known)

    distinct, starts, grouped = group(values, ids)
    assert [row.tobytes() for row in distinct] == sorted(expected)
    for row, value in enumerate(distinct):
        assert grouped[starts[row] : starts[row + 1]].tolist() == sorted(expected[value.tobytes()])

    table = DigestTable.build(distinct)
    table.check()
    rows, places = table.find(queries)
    assert rows.tolist() == [i for i, query in enumerate(queries) if query.tobytes() in expected]
    assert (distinct[places] == queries[rows]).all()


def test_more_queries_than_one_block_holds() -> None:
    rng = np.random.default_rng(2)
    values = group(random_hashes(rng, 30_000, 16), np.arange(30_000))[0]
    queries = random_hashes(rng, 3 * BLOCK + 5, 16)
    known = rng.permutation(len(queries))[:10_000]
    known[:3] = BLOCK - 1, BLOCK, len(queries) - 1
    known = np.unique(known)
    expected = rng.integers(0, len(values), len(known))
    queries[known] = values[expected]
    rows, places = DigestTable.build(values).find(queries)
    assert rows.tolist() == known.tolist()
    assert places.tolist() == expected.tolist()


def test_values_alike_in_their_first_eight_bytes_are_told_apart() -> None:
    rng = np.random.default_rng(3)
    values = random_hashes(rng, 4000, 20)
    values[:, :8] = values[rng.integers(0, 40, 4000), :8]
    values = np.concatenate([values, values[:500], random_hashes(rng, 500, 20)])
    ids = rng.permutation(5000)
    distinct, starts, grouped = group(values, ids)
    pairs = sorted((value.tobytes(), int(known)) for value, known in zip(values, ids, strict=True))
    assert [row.tobytes() for row in distinct] == sorted({value for value, _ in pairs})
    assert grouped.tolist() == [known for _, known in pairs]
    assert starts.tolist()[:-1] == [
        at for at, (value, _) in enumerate(pairs) if not at or value != pairs[at - 1][0]
    ]


def test_first_and_last_value() -> None:
    ends = np.array([[0] * 16, [0] * 15 + [1], [255] * 15 + [254], [255] * 16], np.uint8)
    table = DigestTable.build(ends)
    rows, places = table.find(ends[::-1])
    assert (rows.tolist(), places.tolist()) == ([0, 1, 2, 3], [3, 2, 1, 0])
    assert len(table.find(np.full((5, 16), 1, np.uint8))[0]) == 0


def test_a_known_beginning_is_no_match() -> None:
    """Only the last byte differs: the tables let it through, the comparison does not."""
    values = group(random_hashes(np.random.default_rng(1), 500, 20), np.arange(500))[0]
    off = values.copy()
    off[:, -1] ^= 1
    assert len(DigestTable.build(values).find(off)[0]) == 0


def test_damage_is_noticed() -> None:
    values = group(random_hashes(np.random.default_rng(1), 500, 16), np.arange(500))[0]
    table = DigestTable.build(values)
    table.starts[5] = 10_000
    with pytest.raises(TableCorrupt, match="do not rise"):
        table.check()
    with pytest.raises(TableCorrupt, match="wrong sizes"):
        DigestTable(values, table.starts[:-1], table.seen).check()
    with pytest.raises(TableCorrupt, match="do not rise"):
        DigestTable(values[:-1], table.starts, table.seen).check()
