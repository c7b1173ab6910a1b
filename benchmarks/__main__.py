"""``python -m benchmarks [--quick] [SUBJECT ...]``: every figure, its peers beside it in one run.

Each subject runs in its own process, so that none inherits another's memory. The whole table goes
to the terminal and, of a full run over all subjects, to docs/benchmarks.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.table import Results

PROJECT = Path(__file__).resolve().parent.parent
SUBJECTS = (
    *("hashing", "matching", "screening", "fetching", "sharing"),
    *("digests", "lists", "recall", "queue"),
)
PAGE = PROJECT / "docs" / "benchmarks.md"
# One thread each: what is compared is the work of one core.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
HEAD = """# Benchmarks

Written by `make bench`. CPU seconds of one core unless a remark says otherwise, medians, ours and
the peers in turns within one run. Absolute figures drift by 20 % between runs: **only the ratios
count**. "met?" says which goal was reached: `aim`, `least` (what must be shown) or `NO`. A row
without goals shows how a figure grows, or what else there is to compare with. What holds the aims
that are missed is on [a page of its own](aims.md).
"""


def main() -> int:
    """Run what was asked for and return 1 if a subject did not come to its end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all runs")
    options = parser.parse_args()
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    about, begin = machine.described(), time.monotonic()
    results, failed = Results(), []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.subjects or SUBJECTS:
            saved = Path(folder) / f"{name}.json"
            if _run(name, saved, quick=options.quick):
                results.add(Results.read(saved))
            else:
                failed.append(name)
    print("\n" + "\n".join(about) + "\n\n" + results.terminal())
    print(f"\nTook {(time.monotonic() - begin) / 60:.1f} minutes.")
    if failed:
        print(f"Did not come to their end (see above): {', '.join(failed)}", file=sys.stderr)
    elif not options.quick and not options.subjects:
        lines = "\n".join(f"- {line}" for line in about)
        PAGE.write_text(f"{HEAD}\n{lines}\n\n{results.markdown()}\n", encoding="utf-8")
        print(f"Written to {PAGE.relative_to(PROJECT)}.")
    return 1 if failed else 0


def _run(name: str, saved: Path, *, quick: bool) -> bool:
    print(f"{name} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", "--save", str(saved)]
    done = subprocess.run(
        [*command, *(["--quick"] if quick else [])],
        cwd=PROJECT,
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.DEVNULL,  # all of it comes again in one table
        check=False,
    )
    return done.returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
