"""``python -m benchmarks.known [--known N]``: one large index, as workers build and map it.

Random PDQ values. Two sizes a factor of ten apart: how long the file takes to build, how large it
is, when a worker that has just started gives its first answer and how fast it goes on, and what
one and two workers hold of it in memory: a mapped file is there once, however many map it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import machine
from moderation.matching.index import write_index

THRESHOLD = 31
QUERIES = 65_536  # what a ledger is read in
PROJECT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.known", description=__doc__)
    parser.add_argument("--known", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--folder", help="where to make the file (default: the system's own)")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        _work(options.worker)
        return
    print("\n".join(machine.described()) + "\n")
    print(
        "| known | build, CPU s | clock s | most memory | file | first answer | queries/s |", end=""
    )
    print(" held by 1 worker | by 2 together |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for known in (options.known // 10, options.known):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            print(_measured(Path(folder) / "index", known), flush=True)


def _measured(path: Path, known: int) -> str:
    values = np.random.default_rng(known).integers(0, 256, (known, 32), dtype=np.uint8)
    cpu, wall = time.process_time(), time.monotonic()
    write_index(path, {"pdq": (values, np.arange(known))})
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    del values
    [one] = _workers(path, 1)
    pair = _workers(path, 2)
    cells = [
        f"{known:,}",
        *(f"{cpu:.1f}", f"{wall:.1f}", f"{most:,} MiB", f"{path.stat().st_size >> 20:,} MiB"),
        *(f"{one['first']:.2f} s", f"{one['rate']:,.0f}"),
        *(f"{one['held']:,.0f} MiB", f"{sum(each['held'] for each in pair):,.0f} MiB"),
    ]
    return f"| {' | '.join(cells)} |"


def _workers(path: Path, count: int) -> list[dict[str, float]]:
    """Let so many processes map the file and answer; return what each says while all are there."""
    command = [sys.executable, "-m", "benchmarks.known", "--worker", str(path)]
    started = [
        subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    said: list[str] = []
    for _ in ("that it has answered", "what it holds"):
        said = [each.stdout.readline() for each in started if each.stdout]
        for each in started:
            if each.stdin:
                each.stdin.write("\n")
                each.stdin.flush()
    for each in started:
        each.communicate()
    return [json.loads(line) for line in said]


def _work(path: Path) -> None:
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
    print(json.dumps({"first": first, "rate": rate, "held": _held(path)}), flush=True)
    sys.stdin.readline()  # the others ask as well


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
