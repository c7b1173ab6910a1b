"""A supplier takes values back: the dry run says what that would reopen, and loading reopens
exactly the cases that are closed and of which no report has left the house."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from moderation import tasks
from moderation.datasets.registering import register
from moderation.models import Case, CustodyEvent, Removal, Scan
from moderation.scanning import planning
from reports.models import Report
from tests import pictures
from tests.moderation.review.making import settled
from tests.moderation.scanning.conftest import finish, md5_of
from tests.reports.making import filed

from .test_bad_input import command

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = ("withdrawn", "filed", "open", "half-way", "stays", "renamed", "cleared")


def states() -> dict[str, str]:
    """Each case's state by the name of its only entry."""
    rows = Case.objects.values_list("flags__entry__row", "state")
    return {NAMES[row]: state for row, state in rows}


def test_what_is_withdrawn_is_looked_at_again(
    surroundings: dict[str, str],
    reviewer: User,
    second_reviewer: User,
    reporter: User,
    second_reporter: User,
    tmp_path: Path,
) -> None:
    drawn = [pictures.encoded(pictures.picture(seed)) for seed in range(len(NAMES))]
    values = {
        name: md5_of(data).split()[1].upper() for name, data in zip(NAMES, drawn, strict=True)
    }

    def write(version: str, categories: dict[str, str]) -> list[str]:
        file = tmp_path / f"{version}.csv"
        rows = [f"{values[name]},MD5,{category}" for name, category in categories.items()]
        file.write_text("\n".join(["hash,type,category", *rows]))
        words = ["load_hash_list", str(file), "--list", "demo", "--version", version]
        return [*words, "--format", "csv", "--trust", "trusted", "--synthetic"]

    assert command(*write("1", dict.fromkeys(NAMES, "A")))[0] == 0
    links = pictures.links(tmp_path / "in.parquet", drawn)
    revision = register(
        [str(links)], dataset="harbour", revision="v1", synthetic=True, by=None
    ).revision
    assert finish(planning.start(revision, by=None)).state == Scan.State.FINISHED
    cases = {NAMES[case.flags.get().entry.row]: case for case in Case.objects.all()}
    assert set(cases) == set(NAMES)
    for name in ("withdrawn", "filed", "stays", "renamed", "half-way"):
        settled(cases[name], reviewer, "REMOVE_KNOWN")
        if name != "half-way":
            settled(cases[name], second_reviewer, "REMOVE_KNOWN")
    for person in (reviewer, second_reviewer):
        settled(cases["cleared"], person, "KEEP")
    filed(cases["filed"], by=second_reporter, composer=reporter)
    before = states()
    assert before == {
        **dict.fromkeys(("withdrawn", "filed", "stays", "renamed", "cleared"), "closed"),
        "open": "open",
        "half-way": "proposed",
    }

    second = write("2", {"stays": "A", "renamed": "B"})
    code, _, err = command(*second, "--dry-run")
    assert code == 0
    assert "removed 5" in err
    assert "What it withdraws would reopen 2 cases: closed, and not reported" in err
    tasks.rescan_due()
    assert states() == before

    code, _, err = command(*second)
    assert code == 0
    assert "What it withdraws reopens 2 cases: closed, and not reported" in err
    for _ in range(2):  # the schedule comes again and again
        tasks.rescan_due()
    assert states() == {**before, "withdrawn": "open", "cleared": "open"}
    events = CustodyEvent.objects.filter(action="case_reopened")
    assert {event.object_id for event in events} == {
        str(cases["withdrawn"].pk),
        str(cases["cleared"].pk),
    }
    assert all(event.reason.startswith("known_hash_withdrawn version ") for event in events)
    # The removal stands until people have decided anew; the draft of a report does not.
    assert Removal.objects.standing().filter(entry__flag__case=cases["withdrawn"]).exists()
    assert not Report.objects.unsent().filter(case=cases["withdrawn"]).exists()
    assert Report.objects.get(case=cases["filed"]).state == Report.State.SENT

    settled(cases["withdrawn"], reviewer, "KEEP")
    settled(cases["withdrawn"], second_reviewer, "KEEP")
    tasks.rescan_due()
    assert states()["withdrawn"] == "closed"  # once per version, not for ever
    assert not Removal.objects.standing().filter(entry__flag__case=cases["withdrawn"]).exists()
    assert CustodyEvent.objects.check_chain().intact
