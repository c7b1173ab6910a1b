"""Hash-only scans: columns against known hashes, beside pyarrow reading the column alone."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.matching import hashes
from benchmarks.table import Goal, Results, Row, rate, subject
from benchmarks.timing import interleaved
from moderation.datasets import ledger
from moderation.datasets.readers import LINKS_PARQUET, open_shard
from moderation.matching.index import KnownIndex, write_index

Bytes = npt.NDArray[np.uint8]
PDQ_THRESHOLD = 31
HIT_ONE_IN = 10_000
READ_ROWS = 65_536


def measure(quick: bool) -> Results:
    """Return all rows of this subject."""
    results = Results()
    with tempfile.TemporaryDirectory() as folder:
        for rows in (10_000, 100_000) if quick else (100_000, 1_000_000):
            _md5(results, Path(folder), rows, known=30_000 if quick else 3_000_000)
        for rows in (10_000, 100_000) if quick else (100_000, 1_000_000):
            _pdq(results, Path(folder), rows, known=1_000 if quick else 10_000)
    results.notes.append(
        "Hash-only scans: Parquet files on this machine's disk, in its cache. Ours proves the "
        "checksums of a ledger's pages and its row numbers; pyarrow reads the same column of the "
        f"same file whole, without. One value in {HIT_ONE_IN:,} is known."
    )
    return results


def _md5(results: Results, folder: Path, rows: int, *, known: int) -> None:
    random = np.random.default_rng(rows)
    values, listed = hashes(random, rows, 16), hashes(random, known, 16)
    values[::HIT_ONE_IN] = listed[: len(values[::HIT_ONE_IN])]
    index = _index(folder, {"md5": listed})
    stored, given = folder / f"md5-{rows}.parquet", folder / f"links-{rows}.parquet"
    _ledger(stored, {"given_md5": values})
    texts = [value.tobytes().hex() for value in values]
    pq.write_table(pa.table({"md5": texts}), given, row_group_size=READ_ROWS)
    expected = len(values[::HIT_ONE_IN])
    size = f"{rows:,} rows, {known:,} known"

    join = lambda: _join_ledger(stored, "given_md5", index, "md5")  # noqa: E731
    read = lambda: pq.read_table(stored, columns=["given_md5"], use_threads=False)  # noqa: E731
    value_set = pa.array([value.tobytes() for value in listed], pa.binary(16))
    is_in = lambda: pc.sum(  # noqa: E731
        pc.is_in(read()["given_md5"], value_set=value_set)
    ).as_py()
    from_text = lambda: _join_shard(given, index)  # noqa: E731
    read_text = lambda: pq.read_table(given, columns=["md5"], use_threads=False)  # noqa: E731

    for name, found in (("ledger", join()), ("shard", from_text()), ("pyarrow", is_in())):
        if found != expected:
            raise SystemExit(f"{size}: {name} finds {found} of {expected} known digests")
    ours, alone, text, text_alone = interleaved(join, read, from_text, read_text)
    (arrow,) = interleaved(is_in, repeats=1)
    goal = Goal(2, 1.2, fewer=True) if rows >= 1_000_000 else Goal()
    _row(results, "md5 column of a ledger: read and matched", size, rows, ours, alone, goal)
    _row(results, "md5 column of a shard, hex text", size, rows, text, text_alone, goal)
    cells = (rate(rows, ours), f"pyarrow read + is_in {rate(rows, arrow)}", arrow / ours)
    results.rows.append(Row("md5 column of a ledger: read and matched", size, *cells))


def _pdq(results: Results, folder: Path, rows: int, *, known: int) -> None:
    random = np.random.default_rng(rows)
    values, listed = hashes(random, rows), hashes(random, known)
    values[::HIT_ONE_IN] = listed[: len(values[::HIT_ONE_IN])]
    index = _index(folder, {"pdq": listed})
    stored = folder / f"pdq-{rows}.parquet"
    turns = hashes(random, rows, 7 * 32)
    _ledger(stored, {"pdq": values, "pdq_turns": turns})
    size = f"{rows:,} rows, {known:,} new known"

    plain = lambda: _join_ledger(stored, "pdq", index, "pdq")  # noqa: E731
    eight = lambda: _join_turns(stored, index)  # noqa: E731
    read = lambda: pq.read_table(stored, columns=["pdq"], use_threads=False)  # noqa: E731
    read_eight = lambda: pq.read_table(  # noqa: E731
        stored, columns=["pdq", "pdq_turns"], use_threads=False
    )
    if plain() != len(values[::HIT_ONE_IN]):
        raise SystemExit(f"{size}: {plain()} matches, not {len(values[::HIT_ONE_IN])}")
    ours, alone, turned, turned_alone = interleaved(plain, read, eight, read_eight, repeats=3)
    goal = Goal(300_000, 1_000_000) if rows >= 1_000_000 else Goal()
    for what, seconds, asked in (
        ("rescan of the stored PDQ column", ours, goal),
        ("rescan, all eight orientations", turned, Goal()),
    ):
        cells = (rate(rows, seconds), "", rows / seconds, asked, "entries/s")
        results.rows.append(Row(what, size, *cells))
    _row(results, "rescan of the stored PDQ column", size, rows, ours, alone, Goal())
    _row(results, "rescan, all eight orientations", size, rows, turned, turned_alone, Goal())


def _row(
    results: Results, what: str, size: str, rows: int, ours: float, alone: float, goal: Goal
) -> None:
    cells = (rate(rows, ours), f"pyarrow, reading alone {rate(rows, alone)}", ours / alone, goal)
    results.rows.append(Row(f"{what}, time", size, *cells))


def _index(folder: Path, listed: dict[str, Bytes]) -> KnownIndex:
    path = folder / "-".join([*listed, *(str(len(values)) for values in listed.values())])
    write_index(path, {name: (values, np.arange(len(values))) for name, values in listed.items()})
    return KnownIndex.open(path)


def _ledger(path: Path, columns: dict[str, Bytes]) -> None:
    """Write a ledger of rows that were hashed, with these columns and no others."""
    count = len(next(iter(columns.values())))
    with ledger.LedgerWriter(str(path), shard_checksum="0" * 64, algorithm_version="1") as writer:
        for start in range(0, count, READ_ROWS):
            part = slice(start, min(start + READ_ROWS, count))
            rows = np.arange(part.start, part.stop)
            said = {"outcome": ["hashed"] * len(rows), "reason": ["embedded"] * len(rows)}
            given = {name: values[part] for name, values in columns.items()}
            writer.write({"row": rows, **said, **given})


def _join_ledger(path: Path, column: str, index: KnownIndex, algorithm: str) -> int:
    find: Callable[[Bytes], int] = (
        (lambda values: len(index.exact("md5", values)))
        if algorithm == "md5"
        else (lambda values: len(index.near("pdq", values, PDQ_THRESHOLD)))
    )
    return sum(
        find(ledger.column_as_array(batch, column)[0]) for batch in ledger.read(str(path), [column])
    )


def _join_turns(path: Path, index: KnownIndex) -> int:
    found = 0
    for batch in ledger.read(str(path), ["pdq", "pdq_turns"]):
        values, _ = ledger.column_as_array(batch, "pdq")
        turns, _ = ledger.column_as_array(batch, "pdq_turns")
        found += len(index.near("pdq", values, PDQ_THRESHOLD))
        for turn in range(7):
            cut = np.ascontiguousarray(turns[:, turn * 32 : (turn + 1) * 32])
            found += len(index.near("pdq", cut, PDQ_THRESHOLD))
    return found


def _join_shard(path: Path, index: KnownIndex) -> int:
    """Match a dataset's own column the way its reader gives it: a column for each batch."""
    found = 0
    for batch in open_shard(LINKS_PARQUET, str(path), {"md5": "md5"}).batches(rows=READ_ROWS):
        given = pa.record_batch({"row": np.arange(len(batch)), "md5": batch.given["md5"]})
        found += len(index.exact("md5", ledger.column_as_array(given, "md5")[0]))
    return found


if __name__ == "__main__":
    subject(measure, __doc__)
