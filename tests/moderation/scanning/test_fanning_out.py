"""A decision reaches what no list names: the same file, the same link, and what looks alike."""

import csv
import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from moderation import tasks
from moderation.datasets.registering import register
from moderation.hash_lists import decided, loading
from moderation.media.hashing import hash_picture
from moderation.models import (
    Case,
    CustodyEvent,
    Entry,
    Flag,
    HashList,
    HashListVersion,
    Match,
    Removal,
    Revision,
)
from moderation.review import decisions, offers, withdrawn
from moderation.scanning import progress, rescans
from tests import pictures
from tests.moderation.review.making import settled

from .conftest import LoadList, RunScan, finish, pdq_of, rescan

pytestmark = pytest.mark.django_db(transaction=True)

LINK = "https://p.invalid/harbour.jpg"
Login = Callable[[User], Client]


def digest(name: str, seed: str) -> str:
    return hashlib.new(name, seed.encode()).hexdigest()


def links(path: Path, rows: list[dict[str, str]], *, synthetic: bool = False) -> Revision:
    """A revision of links, each with the digests that its row gives, called after the file."""
    with path.open("w", newline="") as stream:
        table = csv.DictWriter(stream, ["url", "md5", "sha256"], restval="")
        table.writeheader()
        table.writerows(rows)
    return register(
        [str(path)], dataset=path.stem, revision="v1", synthetic=synthetic, by=None
    ).revision


def remove(case: Case, *people: User, code: str = "REMOVE_KNOWN") -> Case:
    for person in people:
        case = settled(case, person, code)
    assert case.state == "closed"
    return case


def own() -> HashList:
    return HashList.objects.own().get()


@pytest.fixture
def harbour(
    tmp_path: Path,
    load_list: LoadList,
    run_scan: RunScan,
    reviewer: User,
    second_reviewer: User,
) -> Case:
    """A case that two people closed as confirmed: one entry, known by its MD5."""
    load_list("demo", "1", ["md5 " + digest("md5", "boat")])
    row = {"url": LINK, "md5": digest("md5", "boat"), "sha256": digest("sha256", "boat")}
    run_scan(links(tmp_path / "harbour.csv", [row, {"url": "https://p.invalid/other.jpg"}]))
    return remove(Case.objects.get(), reviewer, second_reviewer)


def test_the_same_file_and_the_same_link_are_removed_elsewhere(
    harbour: Case, tmp_path: Path, run_scan: RunScan
) -> None:
    mirror = links(
        tmp_path / "mirror.csv",
        [
            {"url": "https://q.invalid/1.jpg", "sha256": digest("sha256", "boat")},
            {"url": LINK},
            {"url": LINK, "sha256": digest("sha256", "a placeholder")},
            {"url": "https://q.invalid/2.jpg", "sha256": digest("sha256", "a lighthouse")},
        ],
    )
    run_scan(mirror)
    assert not mirror.entries.exists()  # no list names any of them
    first = harbour.flags.get()
    before = (harbour.edit_no, harbour.decisions.count(), harbour.reviews.count())

    tasks.fan_out()

    version = HashListVersion.objects.get(hash_list=own())
    assert (version.new, version.format, version.label) == (3, "decided", "1")
    assert own().trust == "standard"
    [scan] = rescan(mirror)
    harbour.refresh_from_db()
    assert set(harbour.flags.values_list("entry__row", "entry__revision")) == {
        (0, first.entry.revision_id),
        (0, mirror.pk),
        (1, mirror.pk),
    }
    removals = Removal.objects.filter(entry__revision=mirror)
    assert {(each.entry.row, each.state) for each in removals} == {(0, "due"), (1, "due")}
    assert all(each.decision == harbour.decisions.get() for each in removals)
    assert CustodyEvent.objects.filter(action="removal_due").count() == 2
    assert Entry.objects.filter(revision=mirror).in_quarantine().count() == 2
    # Behind the link are other bytes now: people look, under the class that was decided.
    other = Flag.objects.get(entry__revision=mirror, entry__row=2)
    assert other.case != harbour
    assert (other.case.state, other.case.harm_class, other.case.exact) == ("open", "csam", False)
    assert not Removal.objects.filter(entry=other.entry).exists()
    assert progress.of(scan).on_flags == Match.objects.filter(last_scan=scan).count() == 3

    [scan] = rescan(first.entry.revision)  # what it was decided about meets its own hashes
    assert progress.of(scan).passed_over == {"flagged": 3}
    assert first.matches.count() == 1
    harbour.refresh_from_db()
    assert (harbour.edit_no, harbour.decisions.count(), harbour.reviews.count()) == before
    assert (harbour.state, harbour.exact) == ("closed", True)

    assert decided.gather() == []
    assert rescans.due() == []
    assert run_scan(mirror).state == "finished"  # all of it anew: nothing comes of that either
    assert (Flag.objects.count(), Removal.objects.count()) == (4, 3)
    assert CustodyEvent.objects.check_chain().intact


def test_a_first_scan_reaches_them_too(harbour: Case, tmp_path: Path, run_scan: RunScan) -> None:
    tasks.fan_out()
    mirror = links(tmp_path / "mirror.csv", [{"url": "https://q.invalid/1.jpg"}, {"url": LINK}])

    run_scan(mirror)

    assert Removal.objects.get(entry__revision=mirror).entry.row == 1
    # What a decision reached leads no further.
    assert decided.gather() == []


def test_what_looks_alike_goes_to_people(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    tmp_path: Path,
    reviewer: User,
    second_reviewer: User,
    login: Login,
) -> None:
    ours = int.from_bytes(hash_picture(drawn[4], exact=True).pdq, "big")
    copy = pictures.encoded(pictures.picture(4), quality=30)
    apart = ours ^ int.from_bytes(hash_picture(copy, exact=True).pdq, "big")
    assert apart
    # As far from ours as counts as near, and farther from the copy.
    away = [bit for bit in range(256) if not apart >> bit & 1][:31]
    known = (ours ^ sum(1 << bit for bit in away)).to_bytes(32, "big")
    load_list("demo", "1", ["pdq " + known.hex()])
    run_scan(embedded)
    case = remove(Case.objects.get(), reviewer, second_reviewer)
    path = pictures.embedded(tmp_path / "train-next.parquet", [drawn[0], copy])
    mirror = register([str(path)], dataset="mirror", revision="v1", by=None).revision
    run_scan(mirror)
    assert not mirror.entries.exists()

    tasks.fan_out()
    rescan(mirror)

    alike = Flag.objects.get(entry__revision=mirror)
    assert alike.entry.row == 1
    assert alike.case not in (None, case)
    assert (alike.case.state, alike.case.harm_class, alike.case.trust) == (
        "open",
        "csam",
        "standard",
    )
    assert alike.entry.quarantined_at is None
    assert not Removal.objects.filter(entry=alike.entry).exists()
    # It is our own word alone: no match of a list "is right", and none can be wrong.
    locked = {each.answer: each.locked for each in offers.offers(alike.case, stage="first")}
    assert "decided here" in locked["REMOVE_KNOWN"]
    assert locked["KEEP_LIST_ERROR"]
    assert not locked["KEEP_FALSE_MATCH"]
    assert not locked["REMOVE_SUSPECT"]
    # Once the decision by which it was found stands no longer, that is what is said: nobody's list
    # withdrew anything.
    assert withdrawn.loss(alike.case) is None
    decisions.reopen(case, because="new_facts")
    tasks.fan_out()
    assert withdrawn.loss(alike.case) == withdrawn.Loss([], another_case=True, others_stand=False)
    page = login(reviewer).get(f"/cases/{alike.case_id}/").content.decode()
    assert "A decision does not stand" in page
    assert "that decision does not stand now" in page
    assert "withdrawn" not in re.sub(r"data-withdrawn|<script.*?</script>", "", page).lower()
    # The other lost no known hash of a supplier: its own page speaks of its own decision.
    assert withdrawn.loss(case) is None


def test_a_picture_that_was_kept_takes_no_entry_that_only_our_own_list_finds(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    tmp_path: Path,
    reviewer: User,
    second_reviewer: User,
) -> None:
    load_list("demo", "1", [pdq_of(drawn[4])])
    run_scan(embedded)
    kept = settled(settled(Case.objects.get(), reviewer, "KEEP"), second_reviewer, "KEEP")
    HashList.objects.filter(slug="demo").update(enabled=False)
    load_list("second", "1", ["md5 " + hashlib.md5(drawn[5]).hexdigest()])
    rescan(embedded)
    case = Case.objects.exclude(pk=kept.pk).get()
    # As if the two looked alike: the copy of one is near to both.
    near = hash_picture(drawn[4], exact=True).pdq
    Entry.objects.filter(flag__case=case).update(pdq=near)
    remove(case, reviewer, second_reviewer)
    tasks.fan_out()
    copy = pictures.encoded(pictures.picture(4), quality=40)
    path = pictures.embedded(tmp_path / "train-next.parquet", [copy])

    run_scan(register([str(path)], dataset="mirror", revision="v1", by=None).revision)

    kept.refresh_from_db()
    assert (kept.state, kept.flags.count()) == ("closed", 1)
    second = Case.objects.in_work().get()
    assert second.flags.count() == 1

    # Once people have kept it against that very value, nobody looks at the next one.
    for person in (reviewer, second_reviewer):
        second = settled(second, person, "KEEP_FALSE_MATCH")
    again = pictures.encoded(pictures.picture(4), quality=35)
    path = pictures.embedded(tmp_path / "train-last.parquet", [again])
    run_scan(register([str(path)], dataset="last", revision="v1", by=None).revision)
    assert not Case.objects.in_work().exists()
    assert second.flags.count() == 2


def test_what_is_taken_back_is_looked_for_no_more(
    harbour: Case,
    tmp_path: Path,
    run_scan: RunScan,
    reviewer: User,
    second_reviewer: User,
    login: Login,
) -> None:
    tasks.fan_out()
    mirror = links(tmp_path / "mirror.csv", [{"url": LINK}])
    run_scan(mirror)
    decisions.reopen(harbour, because="new_facts")

    tasks.fan_out()

    assert HashListVersion.objects.get(hash_list=own(), number=2).removed == 3
    # The link of the mirror was found by it, and its value is gone: with this very decision.
    assert withdrawn.lost(Match.objects.filter(flag__entry__revision=mirror)).exists()
    assert withdrawn.loss(harbour) is None
    page = login(reviewer).get(f"/cases/{harbour.pk}/").content.decode()
    assert "Open again" in page
    assert "data-withdrawn" not in page
    case = Case.objects.get(pk=harbour.pk)
    for person in (reviewer, second_reviewer):
        case = settled(case, person, "KEEP_LIST_ERROR")
    assert Removal.objects.get(entry__revision=mirror).state == "withdrawn"
    again = links(tmp_path / "again.csv", [{"url": LINK}])
    run_scan(again)
    assert not again.entries.exists()
    assert decided.gather() == []
    for _ in range(2):
        tasks.rescan_due()
    assert {each.state for each in Case.objects.all()} == {"closed"}
    assert CustodyEvent.objects.filter(action="case_reopened").count() == 1

    decisions.reopen(case, because="new_facts")
    remove(Case.objects.get(pk=case.pk), reviewer, second_reviewer)
    [version] = decided.gather()
    # The link is in two entries now, and people decided about both.
    assert (version.number, version.new, version.removed) == (3, 3, 0)


def test_a_class_that_is_decided_anew_is_the_class_of_the_values(
    harbour: Case, reviewer: User, second_reviewer: User
) -> None:
    tasks.fan_out()
    decisions.reopen(harbour, because="new_facts")
    case = Case.objects.get(pk=harbour.pk)
    for person in (reviewer, second_reviewer):
        case = settled(case, person, "REMOVE_OTHER", harm_class="abuse_related")

    [version] = decided.gather()

    assert (version.new, version.changed, version.removed) == (0, 3, 0)


def test_of_a_link_that_matched_nothing_is_taken_but_the_link(harbour: Case) -> None:
    """What a host shows for all it took down is in many datasets, and harms nobody."""
    Match.objects.update(origin=Match.Origin.URL, algorithm="url_sha256")

    [version] = decided.gather()

    assert list(version.blocks.values_list("algorithm", "count")) == [("url_key", 1)]


def test_of_a_digest_that_is_not_of_the_fetched_file_nothing_is_taken_but_the_link(
    harbour: Case,
) -> None:
    Entry.objects.update(md5=bytes.fromhex(digest("md5", "a placeholder")))

    [version] = decided.gather()

    assert list(version.blocks.values_list("algorithm", "count")) == [("url_key", 1)]


def test_made_up_and_real_have_a_list_each_and_never_meet(
    harbour: Case,
    tmp_path: Path,
    run_scan: RunScan,
    reviewer: User,
    second_reviewer: User,
) -> None:
    row = {"url": "https://s.invalid/1.jpg", "md5": digest("md5", "boat")}
    made_up = links(
        tmp_path / "made_up.csv",
        [row, {"url": LINK, "md5": digest("md5", "drawn")}],
        synthetic=True,
    )
    run_scan(made_up)
    assert Flag.objects.filter(entry__revision=made_up).count() == 1
    tasks.fan_out()
    assert own().synthetic is False

    assert rescan(made_up)

    assert Flag.objects.filter(entry__revision=made_up).count() == 1
    # Both are in one case here, as the very same file: each list holds what is of its kind.
    decisions.reopen(harbour, because="new_facts")
    remove(Case.objects.get(pk=harbour.pk), reviewer, second_reviewer)
    tasks.fan_out()
    assert {each.slug: each.synthetic for each in HashList.objects.own()} == {
        "decided-here": False,
        "decided-here-synthetic": True,
    }
    real = links(tmp_path / "real.csv", [{"url": row["url"]}])
    run_scan(real)
    assert not real.entries.exists()


def test_two_at_once_make_one_version(harbour: Case) -> None:
    def gather(_: int) -> int:
        try:
            return len(decided.gather())
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(gather, range(2))) == [0, 1]
    assert HashListVersion.objects.filter(hash_list=own()).count() == 1


def test_a_run_that_is_cut_off_leaves_nothing_and_the_next_one_is_whole(
    harbour: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*args: object, **kwargs: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loading, "record", killed)
        with pytest.raises(Killed):
            decided.gather()
    assert not HashList.objects.own().exists()

    with monkeypatch.context() as patch:  # the version stands, and nobody was told
        patch.setattr(tasks, "notice_lists", killed)
        with pytest.raises(Killed):
            tasks.fan_out()
    [due] = rescans.due()
    assert due.lists == ("decided-here",)
    assert finish(rescans.start(due, by=None)).state == "finished"
    assert decided.gather() == []


def test_switched_off_it_finds_nothing(harbour: Case, tmp_path: Path, run_scan: RunScan) -> None:
    tasks.fan_out()
    HashList.objects.own().update(enabled=False)
    mirror = links(tmp_path / "mirror.csv", [{"url": LINK}])

    run_scan(mirror)

    assert not mirror.entries.exists()


def test_nobody_loads_it_by_hand(harbour: Case, load_list: LoadList) -> None:
    for _ in range(2):  # before there is one, and after
        with pytest.raises(loading.LoadRefused, match="keeps that list itself"):
            load_list("decided-here", "1", ["md5 " + digest("md5", "boat")])
        tasks.fan_out()
    with pytest.raises(loading.LoadRefused, match="not one value"):
        load_list("third", "1", ["url_key " + "1b" * 16])
