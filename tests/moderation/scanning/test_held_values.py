"""Values disabled by a list manager, and values set aside by flood control: nothing is lost."""

import io
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from moderation import tasks
from moderation.datasets.registering import register
from moderation.hash_lists import values
from moderation.hash_lists.loading import ListOptions, load
from moderation.models import (
    CustodyEvent,
    Flag,
    KnownHash,
    Match,
    Preview,
    Revision,
    Scan,
    SealedObject,
)
from moderation.scanning import flagging, pipeline, planning, progress, rescans, screening
from tests import pictures
from tests.known import only_row
from tests.moderation.hash_lists.rows import flagged_case

from .conftest import LoadList, RunScan, finish, md5_of, pdq_of, rescan

pytestmark = pytest.mark.django_db(transaction=True)
SHARDS, COPIES = 3, 8
LIMIT = 5


@pytest.fixture
def crowd(tmp_path: Path, transactional_db: None) -> Revision:
    """Shards of one picture saved again and again, all near to one another and none equal."""
    quality = iter(range(30, 30 + SHARDS * COPIES))
    paths = []
    for number in range(SHARDS):
        data = [pictures.encoded(pictures.picture(4), quality=next(quality)) for _ in range(COPIES)]
        paths.append(str(pictures.embedded(tmp_path / f"train-{number}.parquet", data)))
    return register(paths, dataset="crowd", revision="v1", by=None).revision


@pytest.fixture
def few(settings: Settings) -> None:
    settings.FLOOD_MATCHES = LIMIT


def counted(scan: Scan) -> dict[str, int]:
    """What was passed over; the sum with what is on flags must be what was found."""
    now = progress.of(scan)
    assert now.exact + now.near == now.on_flags + sum(now.passed_over.values())
    assert now.on_flags == Match.objects.filter(last_scan=scan).count()
    return now.passed_over


def disable(*, by: User, until: Any = None) -> KnownHash:
    return values.disable(only_row("demo"), by=by, until=until, note="A test chart.")


def test_a_disabled_value_is_passed_over_until_it_is_lifted(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    list_manager: User,
) -> None:
    load_list("demo", "1", [md5_of(drawn[4])])
    known = disable(by=list_manager)

    scan = run_scan(embedded)

    assert (progress.of(scan).exact, counted(scan)) == (1, {"disabled": 1})
    assert not Flag.objects.exists()
    screened = screening.screen_picture(drawn[4])
    assert (screened.verdict, screened.passed_over) == ("none", {"disabled": 1})
    # What is compared since then must not hide what was passed over before.
    load_list("demo", "2", [md5_of(drawn[4]), md5_of(drawn[7])])
    rescan(embedded)
    assert [flag.entry.row for flag in Flag.objects.all()] == [7]
    assert rescans.due() == []

    values.lift(known, by=list_manager)

    assert [due.reason for due in rescans.due()] == [Scan.Reason.RULES]
    [scan] = rescan(embedded)
    assert counted(scan) == {}
    assert Flag.objects.count() == 2
    assert rescans.due() == []
    assert screening.screen_picture(drawn[4]).verdict == "exact"


def test_a_value_disabled_until_a_date_comes_back_by_itself(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    list_manager: User,
) -> None:
    load_list("demo", "1", [md5_of(drawn[4])])
    disable(by=list_manager, until=timezone.now() + timedelta(days=1))
    run_scan(embedded)
    assert rescans.due() == []

    KnownHash.objects.update(disabled_until=timezone.now())  # a day later

    assert len(rescan(embedded)) == 1
    assert Flag.objects.count() == 1
    assert rescans.due() == []


def test_a_value_lifted_while_a_shard_is_scanned_is_due_afterwards(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    list_manager: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker had passed it over, and writes what it covered after the value came back."""
    load_list("demo", "1", [md5_of(drawn[4])])
    known = disable(by=list_manager)
    write = flagging.finish

    def late(*args: Any, **options: Any) -> None:
        values.lift(known, by=list_manager)
        write(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(flagging, "finish", late)
        assert counted(run_scan(embedded)) == {"disabled": 1}

    rescan(embedded)
    assert Flag.objects.count() == 1


def test_a_category_given_anew_keeps_a_value_disabled(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    list_manager: User,
) -> None:
    def categorised(label: str, category: str) -> None:
        text = f"hash,type,category\n{md5_of(drawn[4]).split()[1]},MD5,{category}\n"
        options = ListOptions(synthetic=True)
        load(io.BytesIO(text.encode()), slug="demo", label=label, format="csv", options=options)

    categorised("1", "B")
    disable(by=list_manager)
    run_scan(embedded)
    categorised("2", "A")

    [scan] = rescan(embedded)
    assert counted(scan) == {"disabled": 1}
    known = KnownHash.objects.get(removed_in=None)
    assert (known.note, known.disabled_by) == ("A test chart.", list_manager)

    values.lift(known, by=list_manager)
    rescan(embedded)
    assert Flag.objects.count() == 1
    assert rescans.due() == []


def test_a_value_near_to_too_many_is_set_aside_and_found_once_released(
    crowd: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    list_manager: User,
    few: None,
) -> None:
    load_list("demo", "1", [pdq_of(drawn[4])])

    scan = run_scan(crowd)

    assert counted(scan) == {"set_aside": SHARDS * COPIES - LIMIT}
    assert Flag.objects.count() == LIMIT
    known = KnownHash.objects.get()
    assert known.set_aside_at is not None
    event = CustodyEvent.objects.get(action="known_hash_set_aside")
    assert event.after == {"hash_list": known.hash_list_id, "scan": scan.pk, "entries": LIMIT}
    # Previews of what is not flagged are not kept.
    assert SealedObject.objects.filter(shredded_at=None).count() == Preview.objects.count()
    assert rescans.due() == []
    assert screening.screen_hash(*pdq_of(drawn[4]).split()).passed_over == {"set_aside": 1}

    values.release(known, by=list_manager)

    [scan] = rescan(crowd)
    assert counted(scan) == {}
    assert Flag.objects.count() == SHARDS * COPIES
    assert rescans.due() == []


def test_what_was_set_aside_can_be_disabled_instead(
    crowd: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    list_manager: User,
    few: None,
) -> None:
    load_list("demo", "1", [pdq_of(drawn[4])])
    run_scan(crowd)

    known = disable(by=list_manager)

    assert known.set_aside_at is None
    assert rescans.due() == []
    assert counted(run_scan(crowd)) == {"disabled": SHARDS * COPIES}
    values.lift(known, by=list_manager)
    assert len(rescans.due()) == 1


def test_equal_files_are_never_set_aside(
    drawn: list[bytes], load_list: LoadList, run_scan: RunScan, few: None, tmp_path: Path
) -> None:
    """However many there are, they are one case."""
    path = pictures.embedded(tmp_path / "train-0.parquet", [drawn[4]] * 20)
    revision = register([str(path)], dataset="copies", revision="v1", by=None).revision
    load_list("demo", "1", [md5_of(drawn[4])])

    assert counted(run_scan(revision)) == {}
    assert Flag.objects.count() == 20


def test_several_workers_together_flag_no_more_than_the_limit(
    crowd: Revision, drawn: list[bytes], load_list: LoadList, few: None
) -> None:
    load_list("demo", "1", [pdq_of(drawn[4])])
    scan = planning.start(crowd, by=None)
    begin = threading.Barrier(SHARDS)

    def work(shard_scan: int) -> None:
        try:
            begin.wait()
            tasks.do_shard(shard_scan)
        finally:
            connection.close()

    workers = [
        threading.Thread(target=work, args=(pk,))
        for pk in scan.shard_scans.values_list("pk", flat=True)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    finish(scan)

    assert scan.state == Scan.State.FINISHED
    assert counted(scan) == {"set_aside": SHARDS * COPIES - LIMIT}
    assert Match.objects.count() == LIMIT
    assert CustodyEvent.objects.filter(action="known_hash_set_aside").count() == 1


def test_a_match_is_written_while_its_value_is_being_disabled(
    load_list: LoadList, list_manager: User
) -> None:
    """Whoever flags holds the chain and points at the value; whoever disables holds the value and
    waits for the chain."""
    load_list("demo", "1", ["md5 " + "ab" * 16])
    known = only_row("demo")

    def change() -> None:
        try:
            values.disable(known, by=list_manager, until=None, note="A test chart.")
        finally:
            connection.close()

    manager = threading.Thread(target=change)
    with transaction.atomic():
        CustodyEvent.objects.append("case_opened", known, by=None)
        manager.start()
        until = time.monotonic() + 30
        while not waiting() and time.monotonic() < until:
            time.sleep(0.05)
        assert waiting()
        flagged_case(known)
    manager.join()

    assert Match.objects.get().known_hash.is_disabled()


def waiting() -> bool:
    """Whether somebody waits for an advisory lock, as that of the chain."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool(cursor.fetchone()[0])


def test_a_shard_done_twice_counts_no_entry_twice_against_the_limit(
    crowd: Revision, drawn: list[bytes], load_list: LoadList, settings: Settings
) -> None:
    settings.FLOOD_MATCHES = SHARDS * COPIES
    load_list("demo", "1", [pdq_of(drawn[4])])
    scan = planning.start(crowd, by=None)
    first = scan.shard_scans.first()
    tasks.do_shard(first.pk)
    scan.shard_scans.filter(pk=first.pk).update(state="due")  # as after a worker was killed

    finish(scan)

    assert counted(scan) == {}
    assert Flag.objects.count() == SHARDS * COPIES


def test_more_hits_than_are_held_in_memory_are_all_flagged(
    crowd: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load_list("empty", "1", ["md5 " + "ab" * 16])
    run_scan(crowd)
    load_list("demo", "1", [pdq_of(drawn[4])])
    load_list("links", "1", ["url_md5 " + "ab" * 16])
    monkeypatch.setattr(pipeline, "HELD_ROWS", 1)

    [scan] = rescan(crowd)

    assert counted(scan) == {}
    assert Flag.objects.count() == progress.of(scan).near == SHARDS * COPIES


@pytest.mark.parametrize("step", [values.lift, values.release])
def test_a_step_that_no_longer_fits_changes_nothing(
    load_list: LoadList, list_manager: User, step: Callable[..., KnownHash]
) -> None:
    load_list("demo", "1", ["md5 " + "ab" * 16])
    before = CustodyEvent.objects.count()

    step(only_row("demo"), by=list_manager)

    assert CustodyEvent.objects.count() == before


def test_disabling_and_lifting_are_custody_events_of_the_person(
    load_list: LoadList, list_manager: User
) -> None:
    load_list("demo", "1", ["md5 " + "ab" * 16])
    until = timezone.now() + timedelta(days=3)

    known = disable(by=list_manager, until=until)
    disable(by=list_manager, until=until)  # a second press
    values.lift(known, by=list_manager)

    disabled, enabled = CustodyEvent.objects.filter(object_type="knownhash")
    assert (disabled.action, enabled.action) == ("known_hash_disabled", "known_hash_enabled")
    assert disabled.actor == enabled.actor == list_manager.person.pseudonym
    assert disabled.reason == "A test chart."
    assert disabled.after["disabled_until"] == until.isoformat()
    assert (enabled.before["disabled"], enabled.after["disabled"]) == (True, False)


@pytest.mark.parametrize(
    ("note", "until", "words"),
    [
        (" ", None, "Say why"),
        ("See www.example.org", None, "Leave links and hashes out"),
        ("Value " + "ab" * 16, None, "Leave links and hashes out"),
        ("A test chart.", timezone.now() - timedelta(days=1), "must lie ahead"),
    ],
)
def test_a_value_is_disabled_with_a_reason_and_until_a_day_to_come(
    load_list: LoadList, list_manager: User, note: str, until: Any, words: str
) -> None:
    load_list("demo", "1", ["md5 " + "ab" * 16])

    with pytest.raises(values.ValueRefused, match=words):
        values.disable(only_row("demo"), by=list_manager, until=until, note=note)

    assert KnownHash.objects.get().disabled_at is None
