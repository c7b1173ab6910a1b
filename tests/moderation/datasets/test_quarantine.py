"""What is in quarantine is left out of clean copies while people decide, and comes back if kept."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from moderation.datasets import removals
from moderation.datasets.registering import register
from moderation.models import Case, CustodyEvent, Receipt, Revision
from moderation.review import decisions
from tests.moderation.review.making import add_entry, settled

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 6


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "in" / "links.csv"
    file.parent.mkdir()
    rows = "".join(f"https://pictures.example/{row}.jpg\n" for row in range(ROWS))
    file.write_text(f"url\n{rows}")
    return file


@pytest.fixture
def revision(source: Path) -> Revision:
    return register([str(source)], dataset="harbour", revision="v1", by=None).revision


def a_case(revision: Revision, *, near: bool = False) -> Case:
    """A case with the next row of the revision; an exact one is quarantined, as a scan does it."""
    case = Case.objects.create(harm_class="csam", priority=8.0)
    if near:
        add_entry(case, revision=revision, algorithm="pdq", distance=12)
    else:
        add_entry(case, revision=revision)
        decisions.quarantine(case)
    return case


def decided(case: Case, code: str, *people: User) -> Case:
    for person in people:
        case = settled(case, person, code)
    assert case.state == Case.State.CLOSED
    return case


def applied(manifest: Path, source: Path, out: Path) -> dict[str, Any]:
    told = io.StringIO()
    call_command(
        "apply_manifest", str(manifest), str(source), "--out", str(out), "--json", stdout=told
    )
    found: dict[str, Any] = json.loads(told.getvalue())
    return found


def left(out: Path) -> set[int]:
    lines = (out / "links.csv").read_text().split()[1:]
    return {int(line.rpartition("/")[2].partition(".")[0]) for line in lines}


@pytest.fixture
def cases(revision: Revision, reviewer: User, second_reviewer: User) -> dict[str, Case]:
    """Row 0 is confirmed, 1 an exact match that nobody answered, 2 a near one that one person
    removes, 3 a near one that one person keeps, 4 a near one that nobody answered."""
    made = {
        "confirmed": a_case(revision),
        "exact": a_case(revision),
        "removed_by_one": a_case(revision, near=True),
        "kept_by_one": a_case(revision, near=True),
        "unanswered": a_case(revision, near=True),
    }
    decided(made["confirmed"], "REMOVE_KNOWN", reviewer, second_reviewer)
    settled(made["removed_by_one"], reviewer, "REMOVE_KNOWN")
    settled(made["kept_by_one"], reviewer, "KEEP")
    return made


@pytest.fixture
def manifest(cases: dict[str, Case], revision: Revision, tmp_path: Path) -> Path:
    file = tmp_path / "manifest.jsonl"
    call_command("build_manifest", "harbour@v1", "--out", str(file), stdout=io.StringIO())
    return file


def test_a_manifest_lists_what_two_people_confirmed_and_nothing_else(
    manifest: Path, revision: Revision, cases: dict[str, Case], second_reviewer: User
) -> None:
    whole = manifest.read_bytes()
    lines = [json.loads(line) for line in whole.splitlines()]
    assert [line["row"] for line in lines if "row" in line] == [0]

    settled(cases["unanswered"], second_reviewer, "REMOVE_KNOWN")  # in quarantine from here on

    built, _ = removals.build_manifest(revision, by=None)
    assert removals.read_manifest(built, by=None) == whole
    rows = list(built.lines.values_list("removal__entry__row", flat=True))
    assert rows == [0]


def test_a_clean_copy_is_without_what_people_still_decide_about(
    manifest: Path, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    told = applied(manifest, source, out)

    assert left(out) == {3, 4, 5}
    assert told.pop("checksums").keys() == {"links.csv"}
    assert told == {"rows_in": 6, "rows_out": 3, "removed": 1, "provisional": 2}
    receipt = Receipt.objects.get()
    assert (receipt.removed, receipt.provisional, receipt.unlisted) == (1, 2, 0)
    event = CustodyEvent.objects.get(action="manifest_applied")
    told = {name: event.after[name] for name in ("removed", "provisional", "rows_out")}
    assert told == {"removed": 1, "provisional": 2, "rows_out": 3}


def test_people_read_how_many_and_what_becomes_of_them(
    manifest: Path, source: Path, tmp_path: Path
) -> None:
    out = io.StringIO()
    folder = str(tmp_path / "out")
    call_command("apply_manifest", str(manifest), str(source), "--out", folder, stdout=out)
    said = out.getvalue()
    assert "6 rows in, 1 removed, 2 provisionally left out, 3 rows out." in said
    assert "What they keep comes back when this runs again" in said
    assert "no manifest lists yet" not in said
    # Who was first in a case, and what they said, stands in no number of a row or case.
    assert "row 2" not in said
    assert "case" not in said.lower()


def test_what_is_kept_comes_back_and_what_is_confirmed_stays_out(
    manifest: Path,
    source: Path,
    cases: dict[str, Case],
    reviewer: User,
    second_reviewer: User,
    tmp_path: Path,
) -> None:
    decided(cases["exact"], "KEEP", reviewer, second_reviewer)
    decided(cases["removed_by_one"], "REMOVE_KNOWN", second_reviewer)

    told = applied(manifest, source, tmp_path / "later")

    assert left(tmp_path / "later") == {1, 3, 4, 5}
    told.pop("checksums")
    assert told == {"rows_in": 6, "rows_out": 4, "removed": 1, "unlisted": 1}

    following = tmp_path / "next.jsonl"
    call_command("build_manifest", "harbour@v1", "--out", str(following), stdout=io.StringIO())
    told = applied(following, source, tmp_path / "last")
    assert (told["removed"], left(tmp_path / "last")) == (2, {1, 3, 4, 5})
    assert "provisional" not in told
    assert "unlisted" not in told


def test_a_shard_with_nothing_but_provisional_rows_must_be_given_too(
    revision: Revision, reviewer: User, second_reviewer: User, source: Path, tmp_path: Path
) -> None:
    other = source.with_name("more.csv")
    other.write_text("url\nhttps://pictures.example/10.jpg\nhttps://pictures.example/11.jpg\n")
    both = register([str(source), str(other)], dataset="harbour", revision="v2", by=None).revision
    decided(a_case(both), "REMOVE_KNOWN", reviewer, second_reviewer)
    second = Case.objects.create(harm_class="csam", priority=8.0)
    entry = add_entry(second, revision=both)
    shard = both.shards.get(number=1)
    type(entry).objects.filter(pk=entry.pk).update(shard=shard, row=1)
    decisions.quarantine(second)
    file = tmp_path / "manifest.jsonl"
    call_command("build_manifest", "harbour@v2", "--out", str(file), stdout=io.StringIO())

    with pytest.raises(Exception, match=r"not among the paths: more\.csv"):
        applied(file, source, tmp_path / "out")
    assert not (tmp_path / "out").exists()

    told = applied(file, source.parent, tmp_path / "out")
    assert (told["removed"], told["provisional"], told["rows_out"]) == (1, 1, 6)
    assert (tmp_path / "out" / "more.csv").read_text() == "url\nhttps://pictures.example/10.jpg\n"
