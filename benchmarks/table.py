"""What a figure is, and the one table that all of them stand in."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import machine

COLUMNS = ("what", "size", "ours", "peer", "figure", "show at least", "aim for", "met?")


@dataclass(frozen=True)
class Goal:
    """What a figure should reach; None where there is no such goal. ``fewer``: less is better."""

    least: float | None = None
    aim: float | None = None
    fewer: bool = False

    def met(self, value: float) -> str:
        """Return "aim", "least" or "NO", or nothing where nothing is asked."""
        if self.aim is not None and self._reached(value, self.aim):
            return "aim"
        if self.least is None:
            return "" if self.aim is None else "below aim"
        return "least" if self._reached(value, self.least) else "NO"

    def _reached(self, value: float, goal: float) -> bool:
        return value <= goal if self.fewer else value >= goal


@dataclass(frozen=True)
class Row:
    """One figure: ``value`` in ``unit`` is what the goal speaks of, usually ours by the peer's."""

    what: str
    size: str
    ours: str
    peer: str
    value: float
    goal: Goal = Goal()
    unit: str = "x"

    def cells(self) -> list[str]:
        """Return the cells in the order of COLUMNS."""
        least, aim = (self._asked(goal) for goal in (self.goal.least, self.goal.aim))
        figure = _number(self.value, self.unit)
        return [
            *(self.what, self.size, self.ours, self.peer, figure),
            *(least, aim, self.goal.met(self.value)),
        ]

    def _asked(self, goal: float | None) -> str:
        if goal is None:
            return ""
        return f"{'<=' if self.goal.fewer else '>='} {_number(goal, self.unit)}"


@dataclass(frozen=True)
class Extra:
    """A table of its own shape."""

    title: str
    columns: list[str]
    rows: list[list[str]]


@dataclass
class Results:
    """What one subject measured: rows of the common table, tables of its own, remarks.

    ``about``: when and on what.
    """

    rows: list[Row] = field(default_factory=list)
    extras: list[Extra] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    about: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the results for the process that collects them."""
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Return what ``save`` wrote."""
        found = json.loads(path.read_text(encoding="utf-8"))
        rows = [Row(**{**row, "goal": Goal(**row["goal"])}) for row in found["rows"]]
        extras = [Extra(**extra) for extra in found["extras"]]
        return cls(rows, extras, found["notes"], found["about"])

    def add(self, other: "Results") -> None:
        """Put the results of another subject behind these."""
        self.rows += other.rows
        self.extras += other.extras
        self.notes += [note for note in other.notes if note not in self.notes]
        self.about += [line for line in other.about if line not in self.about]

    def terminal(self) -> str:
        """Return everything as text for a terminal."""
        parts = [aligned(COLUMNS, [row.cells() for row in self.rows])] if self.rows else []
        parts += [f"{each.title}\n{aligned(each.columns, each.rows)}" for each in self.extras]
        return "\n\n".join(["\n".join(self.about), *parts, *(f"* {note}" for note in self.notes)])

    def markdown(self) -> str:
        """Return everything as Markdown."""
        parts = [_markdown(COLUMNS, [row.cells() for row in self.rows])] if self.rows else []
        parts += [
            f"### {each.title}\n\n{_markdown(each.columns, each.rows)}" for each in self.extras
        ]
        told = (*self.notes, *self.about)
        return "\n\n".join([*parts, "\n".join(f"- {line}" for line in told)])


def subject(measure: Callable[[bool], Results], description: str | None) -> None:
    """Run one subject from the command line: print its table, and save it where asked to."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--save", type=Path, help="also write the results as JSON")
    options = parser.parse_args()
    about = machine.described()
    results = measure(options.quick)
    results.about = about
    print(results.terminal(), flush=True)
    if options.save:
        results.save(options.save)


def aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in columns as wide as what they hold."""
    every = [columns, *rows]
    widths = [max(len(row[n]) for row in every) for n in range(len(columns))]
    lines = ["  ".join(f"{c:{w}}" for c, w in zip(r, widths, strict=True)).rstrip() for r in every]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def rate(count: int, seconds: float) -> str:
    """Return how many a second, for a cell."""
    return f"{_digits(count / seconds)}/s"


def took(seconds: float) -> str:
    """Return a time, for a cell."""
    for unit, factor in (("s", 1), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{_digits(seconds * factor)} {unit}"
    return f"{_digits(seconds * 1e6)} us"


def _number(value: float, unit: str) -> str:
    return f"{_digits(value)} {unit}".strip()


def _digits(value: float) -> str:
    """Three figures are all that one run can tell."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows)]
    return "\n".join(lines)
