"""Near matches among random known hashes, beside threatexchange's PDQIndex and faiss.

Random hashes: nearly no pair is within the threshold, as in a real scan; one query in a hundred is
a known hash with some bits flipped, so that recall can be counted.
"""

import pickle
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.peers import flat_index, flat_pairs, hma_index
from benchmarks.table import Goal, Results, Row, rate, subject, took
from benchmarks.timing import interleaved, turns
from moderation.matching.bands import BandTable
from moderation.matching.index import KnownIndex, write_index

Bytes = npt.NDArray[np.uint8]
PDQ_THRESHOLD, PHASH_THRESHOLD = 31, 8
BATCHES = (10_000, 65_536)  # the least that the target names, and what a ledger is read in
SINGLES = 500
ASKED = 1_000  # queries whose recall is counted against an exhaustive search


def measure(quick: bool) -> Results:
    """Return all rows of this subject."""
    results = Results()
    for size in (10_000, 100_000) if quick else (100_000, 1_000_000):
        _pdq(results, size)
    for size in (1_000, 10_000) if quick else (10_000, 100_000):
        _phash(results, size)
    results.notes.append(
        "Joins: PDQIndex is asked one hash at a time because its API takes one; 1,000 of the "
        "queries are timed. Recall: against faiss's exhaustive search, 1,000 queries with 0 to "
        "threshold + 4 bits flipped."
    )
    return results


def hashes(random: np.random.Generator, count: int, width: int = 32) -> Bytes:
    """Return random hashes, (count, width)."""
    return random.integers(0, 256, (count, width), dtype=np.uint8)


def flipped(random: np.random.Generator, values: Bytes, most: int) -> Bytes:
    """Return the values with 0 to ``most`` bits of each flipped."""
    bits = np.unpackbits(values, axis=1)
    for row in bits:
        at = random.choice(bits.shape[1], int(random.integers(0, most + 1)), replace=False)
        row[at] ^= 1
    return np.packbits(bits, axis=1)


def _at(size: int, least: int, goal: Goal) -> Goal:
    """The goal, where the size is one it was set for; smaller ones show the growth."""
    return goal if size >= least else Goal()


def _pdq(results: Results, size: int) -> None:
    random = np.random.default_rng(size)
    known = hashes(random, size)
    ids = np.arange(size)
    m = f"M = {size:,}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        build, their_build = turns(
            lambda: write_index(path, {"pdq": (known, ids)}),
            lambda: hma_index(known),
            repeats=1 if size >= 1_000_000 else 3,
        )
        index, peer = KnownIndex.open(path), hma_index(known)
        stored = pickle.dumps(peer)
        results.rows.append(
            Row(
                *("index build and write, PDQ", m, took(build), f"PDQIndex {took(their_build)}"),
                *(build / their_build, _at(size, 1_000_000, Goal(0.4, 0.1, fewer=True))),
            )
        )
        _load(results, path, stored, known[:1], m)
        del stored
        asked = hashes(random, BATCHES[-1])
        asked[::100] = flipped(random, known[: len(asked[::100])], PDQ_THRESHOLD)
        texts = [value.tobytes().hex() for value in asked[:ASKED]]
        ten, full, singles, theirs = interleaved(
            lambda: index.near("pdq", asked[: BATCHES[0]], PDQ_THRESHOLD),
            lambda: index.near("pdq", asked, PDQ_THRESHOLD),
            lambda: [index.near("pdq", q, PDQ_THRESHOLD) for q in asked[:SINGLES, None]],
            lambda: [peer.query(text) for text in texts],
            repeats=3,
        )
        for count, seconds in zip(BATCHES, (ten, full), strict=True):
            ratio = (theirs / ASKED) / (seconds / count)
            batch = f"{m}, batch {count:,}"
            cells = (batch, rate(count, seconds), f"PDQIndex {rate(ASKED, theirs)}")
            results.rows.append(
                Row("PDQ join, T = 31", *cells, ratio, _at(size, 100_000, Goal(30, 100)))
            )
        one, their_one = singles / SINGLES, theirs / ASKED
        results.rows.append(
            Row(
                *("single PDQ look-up, T = 31", m, took(one), f"PDQIndex {took(their_one)}"),
                *(one / their_one, _at(size, 1_000_000, Goal(0.2, 0.05, fewer=True))),
            )
        )
        planted = flipped(random, known[:ASKED], PDQ_THRESHOLD + 4)
        near = index.near("pdq", planted, PDQ_THRESHOLD)
        truth = flat_pairs(flat_index(known), planted, PDQ_THRESHOLD)
        _recall(results, "PDQ join, recall", m, near.rows, near.ids, truth)


def _load(results: Results, path: Path, stored: bytes, query: Bytes, m: str) -> None:
    opened, answering, theirs = interleaved(
        lambda: KnownIndex.open(path),
        lambda: KnownIndex.open(path).near("pdq", query, PDQ_THRESHOLD),
        lambda: pickle.loads(stored),
        repeats=3,
    )
    size = f"{m}, {path.stat().st_size / 2**20:,.0f} MiB"
    peer = f"PDQIndex unpickled {took(theirs)}"
    for what, seconds in (("index load", opened), ("load and first answer", answering)):
        goal = Goal(100, fewer=True)
        results.rows.append(Row(what, size, took(seconds), peer, seconds * 1e3, goal, "ms"))


def _phash(results: Results, size: int) -> None:
    random = np.random.default_rng(size)
    known = hashes(random, size, 8)
    queries = hashes(random, BATCHES[-1], 8)
    few = queries[: max(200, 100_000_000 // size // 4)]
    table, peer = BandTable.build(known), flat_index(known)
    ours, theirs = interleaved(
        lambda: table.join(queries, PHASH_THRESHOLD),
        lambda: peer.range_search(few, PHASH_THRESHOLD + 1),
    )
    m = f"M = {size:,}"
    ratio = (theirs / len(few)) / (ours / len(queries))
    cells = (f"{m}, batch {len(queries):,}", rate(len(queries), ours))
    flat = f"faiss flat {rate(len(few), theirs)}"
    results.rows.append(
        Row("pHash join, T = 8", *cells, flat, ratio, _at(size, 100_000, Goal(25, 60)))
    )
    planted = flipped(random, known[:ASKED], PHASH_THRESHOLD + 4)
    rows, places, _ = table.join(planted, PHASH_THRESHOLD)
    truth = flat_pairs(peer, planted, PHASH_THRESHOLD)
    _recall(results, "pHash join, recall", m, rows, places, truth)


def _recall(
    results: Results,
    what: str,
    m: str,
    rows: npt.NDArray[np.int64],
    known: npt.NDArray[np.int64],
    truth: set[tuple[int, int]],
) -> None:
    found = set(zip(rows.tolist(), known.tolist(), strict=True))
    if found - truth:
        raise SystemExit(f"{what}, {m}: the join found pairs that an exhaustive search does not")
    cells = (m, f"{len(found):,} pairs", f"faiss flat {len(truth):,} pairs")
    results.rows.append(Row(what, *cells, len(found & truth) / len(truth), Goal(1, 1), ""))


if __name__ == "__main__":
    subject(measure, __doc__)
