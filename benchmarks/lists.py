"""Loading a hash list into PostgreSQL, beside a bare COPY of the same values.

CPU seconds of this process and of the database's own process for its connection together: a load
is work of both. Of wall clock time the ratio is shown too.
"""

import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.database import own_database
from benchmarks.matching import hashes
from benchmarks.table import Goal, Results, Row, rate, subject

REPEATS = 3
ALGORITHM = "sha256"


def measure(quick: bool) -> Results:
    """Return all rows of this subject, on a PostgreSQL of their own."""
    results = Results()
    with own_database():
        for count in (10_000, 100_000) if quick else (100_000, 1_000_000):
            _load(results, count)
    results.notes.append(
        "Lists: a full list of plain lines of one algorithm, new each time; the COPY is of the "
        "same values as text into a table without index, both on a durable PostgreSQL of its own."
    )
    return results


def _load(results: Results, count: int) -> None:
    from moderation.hash_lists.loading import load

    random = np.random.default_rng(count)
    ours, bare = [], []
    for repeat in range(REPEATS):
        texts = [value.tobytes().hex() for value in hashes(random, count)]
        file = io.BytesIO("\n".join([*texts, ""]).encode())
        slug = f"bench-{count}-{repeat}"

        def loading(file: io.BytesIO = file, slug: str = slug) -> None:
            done = load(file, slug=slug, label="1", format="plain", algorithm=ALGORITHM)
            if done.new != count:
                raise SystemExit(f"{done.new} of {count} values were loaded")

        def copying(texts: list[str] = texts) -> None:
            _copy(texts)

        ours.append(_spent(loading))
        bare.append(_spent(copying))
    goal = Goal(3, 1.5, fewer=True) if count >= 1_000_000 else Goal()
    size = f"{count:,} values"
    for what, at, asked in (("CPU", 0, goal), ("wall clock", 1, Goal())):
        our, their = (sorted(each[at] for each in spent)[REPEATS // 2] for spent in (ours, bare))
        cells = (rate(count, our), f"COPY {rate(count, their)}", our / their, asked)
        results.rows.append(Row(f"loading a hash list, {what} time", size, *cells))


def _copy(texts: list[str]) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bare_copy; CREATE TABLE bare_copy (value bytea)")
        with cursor.copy("COPY bare_copy FROM STDIN") as copy:
            for start in range(0, len(texts), 4096):
                copy.write("".join(f"\\\\x{text}\n" for text in texts[start : start + 4096]))


def _spent(work: Callable[[], None]) -> tuple[float, float]:
    """Return CPU seconds of both processes and seconds by the clock."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    begin = time.process_time() + _cpu_of(pid), time.monotonic()
    work()
    return time.process_time() + _cpu_of(pid) - begin[0], time.monotonic() - begin[1]


def _cpu_of(pid: int) -> float:
    """Return the CPU seconds of another process on this machine; Linux only."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="utf-8").split()[0]) / 1e9


if __name__ == "__main__":
    subject(measure, __doc__)
