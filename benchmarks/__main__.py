"""``python -m benchmarks``: every figure, one file after the other, each in its own process."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> int:
    """Run all and return the first exit code that is not 0."""
    failed = 0
    for path in sorted(FOLDER.glob("*.py")):
        if path.stem.startswith("_"):
            continue
        print(f"\n{path.stem}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{path.stem}"], cwd=FOLDER.parent, check=False
        )
        failed = failed or done.returncode
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
