"""``python -m benchmarks.known [--known N]``: one large index, as workers build and map it.

Random PDQ values in a PostgreSQL of its own, loaded as a list of a supplier's (by COPY). Two sizes
a factor of ten apart: how long the load takes, how long to read the values from there, how long
the file takes to build, how large it is, when a worker that has just started gives its first answer
and how fast it goes on, and what one and two workers hold of it in memory: a mapped file is there
once, however many map it. Each step is a process of its own, whose most memory is its own.

CPU seconds of load and reading are those of the database's process too.
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import time
from binascii import hexlify
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.database import own_database, spent
from moderation.matching.index import write_index

THRESHOLD = 31
QUERIES = 65_536  # what a ledger is read in
PROJECT = Path(__file__).resolve().parent.parent
COLUMNS = (
    *("known", "load, CPU s", "clock s", "read, CPU s", "clock s", "build, CPU s", "clock s"),
    *("most memory", "file", "first answer", "queries/s", "held by 1 worker", "by 2 together"),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.known", description=__doc__)
    parser.add_argument("--known", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--folder", help="where to make the files (default: the system's own)")
    parser.add_argument("--step", choices=("load", "build", "work"), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        {"load": _load, "build": _build, "work": _work}[options.step](options.path, options.known)
        return
    print("\n".join(machine.described()) + "\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---:|' * len(COLUMNS)}")
    with own_database(options.folder) as folder:
        for known in (options.known // 10, options.known):
            print(_measured(folder / f"{known}.index", known), flush=True)


def _measured(path: Path, known: int) -> str:
    [load] = _steps("load", path, known, 1)
    [build] = _steps("build", path, known, 1)
    [one] = _steps("work", path, known, 1)
    pair = _steps("work", path, known, 2)
    cells = [
        f"{known:,}",
        *(f"{load['cpu']:.1f}", f"{load['wall']:.1f}"),
        *(f"{build['read_cpu']:.1f}", f"{build['read_wall']:.1f}"),
        *(f"{build['cpu']:.1f}", f"{build['wall']:.1f}", f"{build['most']:,} MiB"),
        *(f"{path.stat().st_size >> 20:,} MiB", f"{one['first']:.2f} s", f"{one['rate']:,.0f}"),
        *(f"{one['held']:,.0f} MiB", f"{sum(each['held'] for each in pair):,.0f} MiB"),
    ]
    return f"| {' | '.join(cells)} |"


def _load(path: Path, known: int) -> None:
    """Load so many values as a list, one version of one supplier."""
    import django

    django.setup()
    from moderation.hash_lists.loading import load

    values = np.random.default_rng(known).integers(0, 256, (known, 32), dtype=np.uint8)
    lines = np.full((known, 65), ord("\n"), np.uint8)
    lines[:, :64] = np.frombuffer(hexlify(values), np.uint8).reshape(known, 64)
    file = io.BytesIO(lines.tobytes())
    cpu, wall = spent(
        lambda: load(file, slug=f"known-{known}", label="1", format="plain", algorithm="pdq")
    )
    _say(cpu=cpu, wall=wall)


def _build(path: Path, known: int) -> None:
    """Read the values of that list and write the index, as whoever needs it first does."""
    import django

    django.setup()
    from moderation.matching import kernels, wide_kernels  # noqa: F401  # as in _work
    from moderation.models import HashList
    from moderation.scanning import indexes

    spans = indexes.spans_in_force(HashList.objects.filter(slug=f"known-{known}"))
    read: list[Any] = []
    read_cpu, read_wall = spent(lambda: read.append(indexes._parts(spans)))
    if len(read[0]["pdq"][1]) != known:
        raise SystemExit(f"{len(read[0]['pdq'][1])} of {known} values were read")
    cpu, wall = time.process_time(), time.monotonic()
    write_index(path, read[0])
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    _say(read_cpu=read_cpu, read_wall=read_wall, cpu=cpu, wall=wall, most=most)


def _steps(step: str, path: Path, known: int, count: int) -> list[dict[str, Any]]:
    """Let so many processes do a step; return what each says while all are there."""
    command = [sys.executable, "-m", "benchmarks.known", "--step", step]
    command += ["--path", str(path), "--known", str(known)]
    started = [
        subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    said: list[str] = []
    for _ in range(2 if step == "work" else 1):  # that it has answered; what it holds
        said = [each.stdout.readline() for each in started if each.stdout]
        for each in started:
            if each.stdin:
                each.stdin.write("\n")
                each.stdin.flush()
    for each in started:
        each.communicate()
    if any(each.returncode for each in started):
        raise SystemExit(f"{step} of {known:,} values failed")
    return [json.loads(line) for line in said]


def _say(**figures: float) -> None:
    print(json.dumps(figures), flush=True)
    sys.stdin.readline()  # the others are asked as well


def _work(path: Path, known: int) -> None:
    """Map the file, answer, and say what is held of it."""
    from moderation.matching import kernels  # noqa: F401  # a worker has its loops loaded
    from moderation.matching.index import KnownIndex

    queries = np.random.default_rng(0).integers(0, 256, (QUERIES, 32), dtype=np.uint8)
    begin = time.monotonic()
    index = KnownIndex.open(path)
    index.near("pdq", queries[:1], THRESHOLD)
    first, cpu = time.monotonic() - begin, time.process_time()
    index.near("pdq", queries, THRESHOLD)
    rate = QUERIES / (time.process_time() - cpu)
    print("answered", flush=True)
    sys.stdin.readline()
    _say(first=first, rate=rate, held=_held(path))


def _held(path: Path) -> float:
    """Return this process's share of the file's pages in memory (PSS), in MiB."""
    kilobytes, ours = 0, False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        if "-" in line.split(maxsplit=1)[0]:
            ours = line.endswith(os.fspath(path))
        elif ours and line.startswith("Pss:"):
            kilobytes += int(line.split()[1])
    return kilobytes / 1024


if __name__ == "__main__":
    main()
