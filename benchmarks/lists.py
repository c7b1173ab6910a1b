"""Loading a hash list into PostgreSQL, beside a bare COPY of the same values.

CPU seconds of this process and of the database's own process for its connection together: a load
is work of both. Of wall clock time the ratio is shown too.
"""

import io

import numpy as np

from benchmarks.database import own_database, spent
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

        ours.append(spent(loading))
        bare.append(spent(copying))
    goal = Goal(3, 1.5, fewer=True) if count >= 1_000_000 else Goal()
    size = f"{count:,} values"
    for what, at, asked in (("CPU", 0, goal), ("wall clock", 1, Goal())):
        our, their = (sorted(each[at] for each in taken)[REPEATS // 2] for taken in (ours, bare))
        cells = (rate(count, our), f"COPY {rate(count, their)}", our / their, asked)
        results.rows.append(Row(f"loading a hash list, {what} time", size, *cells))


def _copy(texts: list[str]) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bare_copy; CREATE TABLE bare_copy (value bytea)")
        with cursor.copy("COPY bare_copy FROM STDIN") as copy:
            for start in range(0, len(texts), 4096):
                copy.write("".join(f"\\\\x{text}\n" for text in texts[start : start + 4096]))


if __name__ == "__main__":
    subject(measure, __doc__)
