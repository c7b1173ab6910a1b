"""Joins per second of the band table beside a brute-force scan with numpy.

``python -m benchmarks.matching [M ...]``; CPU seconds of one core. Random hashes: nearly no pair
is within the threshold, as in a real scan. Only the ratios inside one run count.
"""

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from moderation.matching.bands import BandTable

Bytes = npt.NDArray[np.uint8]

SIZES = (10_000, 100_000)
QUERIES = 10_000  # for the join, at once
BLOCK = 20_000  # known hashes that the brute force compares at a time
LOADING = """
import numpy, time; begin = time.process_time()
from moderation.matching import kernels
print(round(time.process_time() - begin, 2))
"""


def brute_force(known: Bytes, queries: Bytes, threshold: int) -> int:
    """Return how many pairs are within the threshold; numpy's own popcount, no Python per pair."""
    words, pairs = known.view(np.uint64), 0
    for query in queries.view(np.uint64):
        for start in range(0, len(words), BLOCK):
            apart = np.bitwise_count(words[start : start + BLOCK] ^ query)
            pairs += int((apart.sum(axis=1, dtype=np.int16) <= threshold).sum())
    return pairs


def per_second(count: int, work: Callable[[], object], repeats: int = 3) -> float:
    """Return ``count`` by the CPU seconds of the median run."""
    took = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        took.append(time.process_time() - begin)
    return count / sorted(took)[repeats // 2]


def compare(name: str, width: int, threshold: int, size: int) -> None:
    """Print one line: build, batches, single look-ups, and how far brute force gets."""
    rng = np.random.default_rng(size)
    known = rng.integers(0, 256, (size, width), dtype=np.uint8)
    queries = rng.integers(0, 256, (QUERIES, width), dtype=np.uint8)
    queries[::100] = known[: QUERIES // 100]
    few = queries[: max(20, 4_000_000 // size)]

    build = 1 / per_second(1, lambda: BandTable.build(known))
    table = BandTable.build(known)
    joins = per_second(QUERIES, lambda: table.join(queries, threshold))
    singles = queries[:2000]
    single = per_second(
        len(singles), lambda: [table.join(query, threshold) for query in singles[:, None]]
    )
    plain = per_second(len(few), lambda: brute_force(known, few, threshold))
    if len(table.join(few, threshold)[0]) != brute_force(known, few, threshold):
        raise SystemExit(f"{name}, {size} known hashes: the join and brute force disagree")
    print(
        f"{name:5} T={threshold:<3} M={size:>9,} {build:>8.2f} {joins:>12,.0f} "
        f"{1e6 / single:>10.0f} {plain:>12,.0f} {joins / plain:>8,.0f}"
    )


def main(sizes: tuple[int, ...]) -> None:
    """Print the table, and what a new process pays before its first answer."""
    loaded = subprocess.run([sys.executable, "-c", LOADING], check=True, capture_output=True)
    print(f"CPU seconds to load the compiled loops: {loaded.stdout.decode()}")
    print(
        f"{'':6}{'':6}{'':11} {'build s':>8} {'joins/s':>12} {'single us':>10} "
        f"{'numpy/s':>12} {'ratio':>8}"
    )
    for name, width, threshold in (("pdq", 32, 31), ("phash", 8, 8)):
        for size in sizes:
            compare(name, width, threshold, size)


if __name__ == "__main__":
    main(tuple(int(argument) for argument in sys.argv[1:]) or SIZES)
