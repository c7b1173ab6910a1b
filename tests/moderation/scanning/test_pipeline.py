"""A scan end to end in one process: what it finds, what it counts, what it leaves behind."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from moderation.datasets.registering import register
from moderation.evidence import sealing, store
from moderation.models import (
    Case,
    Coverage,
    Entry,
    Flag,
    Match,
    Preview,
    Removal,
    Revision,
    Scan,
)
from moderation.scanning import progress, rescans
from tests import pictures

from .conftest import LoadList, RunScan, finish, md5_of, pdq_of

# The heartbeat has a connection of its own, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


def test_the_datasets_own_digests_are_matched(
    links: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("demo", "1", [md5_of(drawn[3]), md5_of(drawn[8]), "md5 " + "ab" * 16])

    scan = run_scan(links)

    assert scan.state == Scan.State.FINISHED
    found = progress.as_json(scan)
    assert found["entries"] == 12
    assert found["outcomes"] == {"hashed": 12}
    assert found["matches"] == {"exact": 2, "near": 0}
    assert (found["flags"], found["cases"]) == (2, 2)
    rows = Entry.objects.values_list("shard__number", "row", "row_key").order_by("pk")
    assert list(rows) == [(0, 3, "10003"), (1, 2, "10002")]


def test_an_entry_without_a_match_leaves_no_row(
    links: Revision, load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("demo", "1", ["md5 " + "ab" * 16])

    run_scan(links)

    assert not Entry.objects.exists()
    assert all(shard.ledger for shard in links.shards.all())


def test_url_and_caption_are_sealed(
    links: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("demo", "1", [md5_of(drawn[3])])

    run_scan(links)

    entry = Entry.objects.get()
    assert b"p.invalid" not in bytes(entry.sealed)
    assert sealing.open_text(entry.sealed) == {
        "url": "https://p.invalid/part-0/3.jpg",
        "caption": "A quiet harbour, view 3",
    }


def test_a_scan_repeated_changes_nothing(
    links: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("demo", "1", [md5_of(drawn[3])])
    first = progress.as_json(run_scan(links))

    second = progress.as_json(run_scan(links))

    assert {**second, "scan": 0} == {**first, "scan": 0}
    assert Flag.objects.count() == Match.objects.count() == Case.objects.count() == 1


@pytest.mark.parametrize(
    ("edit", "variant"), [("plain", "plain"), ("half", "plain"), ("flip", "flip_h")]
)
def test_embedded_pictures_are_hashed_in_place(
    embedded: Revision, load_list: LoadList, run_scan: RunScan, edit: str, variant: str
) -> None:
    image = pictures.picture(5)
    edited = {
        "plain": image,
        "half": image.resize((160, 160)),
        "flip": image.transpose(pictures.Image.Transpose.FLIP_LEFT_RIGHT),
    }[edit]
    load_list("near", "1", [pdq_of(pictures.encoded(edited, "PNG"))])

    scan = run_scan(embedded)

    match = Match.objects.get()
    assert progress.of(scan).near == 1
    assert match.flag.entry.row == 5
    assert match.variant == variant
    assert match.origin == Match.Origin.EMBEDDED
    assert match.distance <= match.threshold == 31


def test_previews_are_sealed_for_what_is_flagged_and_nothing_else(
    embedded: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan, tmp_path: Path
) -> None:
    load_list("demo", "1", [md5_of(drawn[4])])

    run_scan(embedded)

    previews = Preview.objects.order_by("level", "drawing")
    assert [(each.level, each.drawing) for each in previews] == [
        (1, False),
        (2, False),
        (2, True),
        (3, False),
    ]
    sizes = [
        max(pictures.Image.open(pictures.io.BytesIO(store.open_sealed(each.sealed))).size)
        for each in previews
    ]
    assert sizes == [24, 64, 128, 256]
    kept = [path for path in (tmp_path / "evidence").rglob("*") if path.is_file()]
    assert len(kept) == 4
    assert not any(drawn[4][:64] in path.read_bytes() for path in kept)


def test_entries_that_show_one_picture_join_one_case(
    embedded: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan, tmp_path: Path
) -> None:
    copy = pictures.encoded(pictures.picture(4), quality=40)
    path = pictures.embedded(tmp_path / "train-copy.parquet", [drawn[4], copy, drawn[7]])
    mirror = register([str(path)], dataset="mirror", revision="v1", by=None).revision
    load_list("demo", "1", [pdq_of(drawn[4]), md5_of(drawn[7])])

    run_scan(embedded)
    run_scan(mirror)

    assert Flag.objects.count() == 5
    assert sorted(case.flags.count() for case in Case.objects.all()) == [2, 3]


def test_a_new_list_version_finds_what_was_clean_before(
    embedded: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("demo", "1", [md5_of(drawn[1])])
    run_scan(embedded)
    assert rescans.due() == []

    load_list("demo", "2", [md5_of(drawn[1]), pdq_of(drawn[9])])
    [due] = rescans.due()
    scan = finish(rescans.start(due, by=None))

    assert scan.state == Scan.State.FINISHED
    assert progress.of(scan).near == 1  # only what is new was compared
    assert set(Entry.objects.values_list("row", flat=True)) == {1, 9}
    assert Preview.objects.filter(entry__row=9).count() == 4
    assert rescans.due() == []
    assert set(Coverage.objects.values_list("version__label", flat=True)) == {"2"}


def test_url_digests_are_matched_in_first_scan_and_rescan(
    links: Revision, load_list: LoadList, run_scan: RunScan
) -> None:
    import hashlib

    def url_md5(text: str) -> str:
        return "url_md5 " + hashlib.md5(text.encode()).hexdigest()

    load_list("urls", "1", [url_md5("https://p.invalid/part-0/2.jpg")])
    run_scan(links)
    load_list("urls", "2", [url_md5(f"p.invalid/part-1/{n}.jpg") for n in (0, 2)])
    [due] = rescans.due()
    finish(rescans.start(due, by=None))

    variants = Match.objects.order_by("pk").values_list("flag__entry__row", "variant", "origin")
    assert list(variants) == [
        (2, "url_raw", "url"),
        (0, "url_no_scheme", "url"),
        (2, "url_no_scheme", "url"),
    ]


def test_trial_lists_are_counted_and_flag_nothing(
    links: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("trial", "1", [md5_of(drawn[3])], trust="trial")

    scan = run_scan(links)

    assert progress.of(scan).exact == 1
    assert not Flag.objects.exists()


def test_an_exact_match_on_a_trusted_list_is_quarantined_at_once(
    links: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("trusted", "1", [md5_of(drawn[3])], trust="trusted")
    load_list("standard", "1", [md5_of(drawn[5])])

    run_scan(links)

    assert [entry.row for entry in Entry.objects.in_quarantine()] == [3]


def test_a_changed_shard_is_refused(
    links: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan, tmp_path: Path
) -> None:
    load_list("demo", "1", [md5_of(drawn[3])])
    pictures.links(tmp_path / "part-1.parquet", drawn[:6])

    scan = run_scan(links)

    assert scan.state == Scan.State.FAILED
    assert "changed since it was registered" in scan.error
    assert list(links.shards.exclude(ledger="").values_list("number", flat=True)) == [0]


def test_a_look_alike_never_joins_a_case_that_somebody_answered(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    tmp_path: Path,
    reviewer: User,
) -> None:
    load_list("demo", "1", [pdq_of(drawn[4])])
    run_scan(embedded)
    case = Case.objects.get()
    case.reviews.create(reviewer=reviewer, stage="first", answer="REMOVE_SUSPECT")
    copy = pictures.encoded(pictures.picture(4), quality=40)
    path = pictures.embedded(tmp_path / "train-copy.parquet", [drawn[4], copy])

    run_scan(register([str(path)], dataset="mirror", revision="v1", by=None).revision)

    # The same file joins; the look-alike, which nobody was shown, has a case of its own.
    assert case.flags.count() == 2
    [other] = Case.objects.exclude(pk=case.pk)
    assert other.flags.get().entry.row == 1


def test_an_entry_that_joins_makes_answers_to_the_smaller_case_stale(
    embedded: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan, tmp_path: Path
) -> None:
    load_list("demo", "1", [pdq_of(drawn[4])])
    run_scan(embedded)
    before = Case.objects.get().edit_no
    copy = pictures.encoded(pictures.picture(4), quality=40)
    path = pictures.embedded(tmp_path / "train-copy.parquet", [copy])

    run_scan(register([str(path)], dataset="mirror", revision="v1", by=None).revision)

    assert Case.objects.get().edit_no == before + 1


@pytest.mark.parametrize("verdict", ["confirmed", "cleared"])
def test_a_decision_stands_for_the_same_picture_in_the_next_revision(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    tmp_path: Path,
    reviewer: User,
    second_reviewer: User,
    verdict: str,
) -> None:
    load_list("demo", "1", [pdq_of(drawn[4])], trust="trusted")
    run_scan(embedded)
    case = Case.objects.get()
    Case.objects.update(state=Case.State.CLOSED)
    decision = case.decisions.create(
        verdict=verdict,
        code="REMOVE_SUSPECT",
        harm_class="csam",
        first=reviewer,
        second=second_reviewer,
    )
    path = pictures.embedded(tmp_path / "train-next.parquet", [drawn[4], drawn[5]])

    run_scan(register([str(path)], dataset="quay", revision="v2", by=None).revision)

    case.refresh_from_db()
    assert case.state == Case.State.CLOSED
    assert case.flags.count() == 2
    assert Removal.objects.filter(decision=decision).count() == (verdict == "confirmed")

    load_list("demo", "2", [pdq_of(drawn[4]), md5_of(drawn[4])], trust="trusted")
    for due in rescans.due():
        finish(rescans.start(due, by=None))

    # A hash nobody had judged speaks against what was kept; what was confirmed stays so.
    case.refresh_from_db()
    assert case.state == (Case.State.CLOSED if verdict == "confirmed" else Case.State.OPEN)


@pytest.mark.parametrize(
    ("found", "same_size", "state"),
    [(True, True, "failed"), (False, True, "finished"), (False, False, "failed")],
)
def test_a_rescan_reads_the_shard_only_where_something_hit(
    links: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    found: bool,
    same_size: bool,
    state: str,
) -> None:
    load_list("demo", "1", ["md5 " + "ab" * 16])
    run_scan(links)
    path = Path(links.shards.get(number=1).location)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data if same_size else data + b"x")

    load_list("demo", "2", [md5_of(drawn[8]) if found else "md5 " + "cd" * 16])
    [due] = rescans.due()
    scan = finish(rescans.start(due, by=None))

    assert scan.state == state
    assert ("Shard 1 changed since it was registered" in scan.error) == (state == "failed")
    assert not Flag.objects.exists()


def test_a_rescan_compares_what_the_first_scan_of_the_same_lists_compares(
    embedded: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan
) -> None:
    """Each algorithm alone: the columns that are read are those it needs."""
    load_list("none", "1", ["md5 " + "ab" * 16])
    run_scan(embedded)
    for number, line in enumerate((md5_of(drawn[2]), pdq_of(drawn[4]))):
        load_list(f"one-{number}", "1", [line])
        [due] = rescans.due()
        finish(rescans.start(due, by=None))
    found = Match.objects.values_list("flag__entry__row", "algorithm", "origin")
    assert set(found) == {(2, "md5", "embedded"), (4, "pdq", "embedded")}
    entry = Entry.objects.get(row=4)
    assert (entry.width, entry.format) != (None, "")  # read for what hit alone
