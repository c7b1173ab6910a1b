"""``python -m benchmarks [--quick] [SUBJECT ...]``: every figure, its peers beside it in one run.

Each subject runs in its own process, so that none inherits another's memory, and its peers in the
same. The table goes to the terminal; unless it was a quick run, what was measured is kept in
benchmarks/measured and docs/benchmarks.md is written anew from all that is kept there.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import page
from benchmarks.page import MEASURED, SUBJECTS
from benchmarks.table import Results

PROJECT = Path(__file__).resolve().parent.parent
# One thread each: what is compared is the work of one core.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> int:
    """Run what was asked for and return 1 if a subject did not come to its end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all runs")
    options = parser.parse_args()
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    begin = time.monotonic()
    results, failed = Results(), []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.subjects or SUBJECTS:
            saved = (Path(folder) if options.quick else MEASURED) / f"{name}.json"
            if _run(name, saved, quick=options.quick):
                results.add(Results.read(saved))
            else:
                failed.append(name)
    print(f"\n{results.terminal()}")
    print(f"\nTook {(time.monotonic() - begin) / 60:.1f} minutes.")
    if not options.quick:
        print(f"Written to {page.write().relative_to(PROJECT)}.")
    if failed:
        print(f"Did not come to their end (see above): {', '.join(failed)}", file=sys.stderr)
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
