"""docs/benchmarks.md: of each subject that was measured its newest run, kept in measured/."""

from pathlib import Path

from benchmarks.table import Results

SUBJECTS = (
    *("hashing", "matching", "screening", "fetching", "sharing"),
    *("digests", "lists", "recall", "queue"),
)
PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
MEASURED = Path(__file__).resolve().parent / "measured"
HEAD = """# Benchmarks

Written by `make bench`. CPU seconds of one core unless a remark says otherwise, medians, ours and
the peers in turns within one run, a run for each subject. Absolute figures drift by 20 % between
runs: **only the ratios count**. "met?" says which goal was reached: `aim`, `least` (what must be
shown) or `NO`. A row without goals shows how a figure grows, or what else there is to compare with.
What holds the aims that are missed is on [a page of its own](aims.md).
"""


def write() -> Path:
    """Write the page anew and return its path."""
    PAGE.write_text(text(), encoding="utf-8")
    return PAGE


def text() -> str:
    """Return docs/benchmarks.md: every subject that was measured, each with its machine."""
    found = [(name, MEASURED / f"{name}.json") for name in (*SUBJECTS, "reviewers")]
    parts = [
        f"## {name.capitalize()}\n\n{Results.read(saved).markdown()}\n"
        for name, saved in found
        if saved.exists()
    ]
    return "\n".join([HEAD, *parts])
