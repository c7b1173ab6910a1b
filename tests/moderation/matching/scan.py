"""The plain way to join, and sets of hashes to join: the reference that the tests compare with."""

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


def brute_force(known: Bytes, queries: Bytes, threshold: int) -> list[tuple[int, int, int]]:
    """Return every (query, known, distance) within the threshold, in that order."""
    found: list[tuple[int, int, int]] = []
    for row, query in enumerate(queries):
        distances = np.bitwise_count(known ^ query).sum(axis=1, dtype=np.int64)
        found += [(row, int(k), int(distances[k])) for k in np.nonzero(distances <= threshold)[0]]
    return found


def random_hashes(rng: np.random.Generator, count: int, width: int) -> Bytes:
    return rng.integers(0, 256, (count, width), dtype=np.uint8)


def flipped(rng: np.random.Generator, value: Bytes, bits: int) -> Bytes:
    """Return ``value`` with exactly that many of its bits turned over."""
    mask = np.zeros(value.size * 8, np.uint8)
    mask[rng.permutation(mask.size)[:bits]] = 1
    return value ^ np.packbits(mask)


def clustered(rng: np.random.Generator, centres: Bytes, count: int, furthest: int) -> Bytes:
    """Return hashes that each lie up to ``furthest`` bits from one of the centres."""
    picks = rng.integers(0, len(centres), count)
    bits = rng.integers(0, furthest + 1, count)
    rows = [flipped(rng, centres[pick], int(b)) for pick, b in zip(picks, bits, strict=True)]
    return np.array(rows, np.uint8).reshape(count, centres.shape[1])
