"""The verdict on a figure, and that what one process saves another prints."""

from pathlib import Path

import pytest

from benchmarks.table import Extra, Goal, Results, Row


@pytest.mark.parametrize(
    ("goal", "value", "verdict"),
    [
        (Goal(7, 10), 6.9, "NO"),
        (Goal(7, 10), 7, "least"),
        (Goal(7, 10), 10, "aim"),
        (Goal(0.4, 0.1, fewer=True), 0.5, "NO"),
        (Goal(0.4, 0.1, fewer=True), 0.4, "least"),
        (Goal(0.4, 0.1, fewer=True), 0.1, "aim"),
        (Goal(None, 75), 74, "below aim"),
        (Goal(100, fewer=True), 100, "least"),
        (Goal(0, 0, fewer=True), 0, "aim"),
        (Goal(), 5, ""),
    ],
)
def test_a_figure_is_judged_by_its_goal(goal: Goal, value: float, verdict: str) -> None:
    assert goal.met(value) == verdict


def test_what_a_subject_saves_is_what_is_printed(tmp_path: Path) -> None:
    row = Row("join", "M = 1,000", "9/s", "peer 3/s", 3.0, Goal(2, 4))
    results = Results(
        [row], [Extra("Recall", ["edit", "ours"], [["grey", "99 %"]])], ["Random."], ["Date: 1"]
    )
    results.save(tmp_path / "saved.json")

    read = Results.read(tmp_path / "saved.json")

    assert read == results
    assert "join  M = 1,000  9/s   peer 3/s  3 x     >= 2 x" in read.terminal()
    assert (
        "| join | M = 1,000 | 9/s | peer 3/s | 3 x | >= 2 x | >= 4 x | least |" in read.markdown()
    )
    assert "### Recall\n\n| edit | ours |\n| --- | --- |\n| grey | 99 % |" in read.markdown()


def test_a_remark_that_several_subjects_make_stands_once() -> None:
    results = Results(notes=["Random."])

    results.add(Results(notes=["Random.", "Drawn."]))

    assert results.notes == ["Random.", "Drawn."]
