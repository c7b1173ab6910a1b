"""The chain is checked once a day: what was found is kept, its head is sealed in the evidence
store, and the next check asks whether the chain still holds it."""

import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from moderation import files, tasks
from moderation.evidence import chain_checks, retention, store
from moderation.models import ChainCheck, CustodyEvent, Dataset, SealedObject, custody
from moderation.models.chain_check import LOST_AFTER

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _evidence(settings: Any, tmp_path: Path) -> None:
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()


@pytest.fixture
def dataset() -> Dataset:
    return Dataset.objects.create(name="harbour")


@pytest.fixture
def events(dataset: Dataset) -> list[CustodyEvent]:
    return append(dataset, 5)


def append(dataset: Dataset, count: int) -> list[CustodyEvent]:
    with transaction.atomic():
        return [
            CustodyEvent.objects.append("step", dataset, by=None, after={"n": n})
            for n in range(count)
        ]


def as_owner(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE moderation_custodyevent DISABLE TRIGGER USER")
        cursor.execute(sql)
        cursor.execute("ALTER TABLE moderation_custodyevent ENABLE TRIGGER USER")


def checked() -> ChainCheck:
    check, new = chain_checks.begin(by=None)
    assert new
    return chain_checks.run(check)


def test_an_intact_chain_and_its_note(events: list[CustodyEvent]) -> None:
    found = checked()
    head = bytes(events[-1].hash)
    assert (found.state, found.events, found.expected) == ("intact", 5, 5)
    assert bytes(found.head or b"") == head
    assert found.finished_at is not None
    assert found.sealed is not None
    assert found.sealed.kind == SealedObject.Kind.HEAD
    note = json.loads(store.open_sealed(found.sealed))
    assert note["events"] == 5
    assert note["head"].replace("-", "") == head.hex()
    assert CustodyEvent.objects.count() == 5  # it does not grow by being looked at


def test_a_chain_with_nothing_in_it() -> None:
    found = checked()
    assert (found.state, found.events, found.sealed) == ("intact", 0, None)


@pytest.mark.parametrize(
    ("sql", "at"),
    [
        ("UPDATE moderation_custodyevent SET action = 'other' WHERE seq = 4", 4),
        ("DELETE FROM moderation_custodyevent WHERE seq = 2", 3),
    ],
)
def test_a_broken_chain_is_an_error_of_the_log(
    events: list[CustodyEvent], caplog: pytest.LogCaptureFixture, sql: str, at: int
) -> None:
    as_owner(sql)
    with caplog.at_level(logging.INFO):
        found = checked()
    assert (found.state, found.why, found.broken_at) == ("broken", "event", at)
    assert found.sealed is None
    [line] = [each for each in caplog.records if each.name == chain_checks.logger.name]
    assert (line.levelno, line.getMessage()) == (
        logging.ERROR,
        f"custody chain: broken at event {at}",
    )


@pytest.mark.parametrize("again", [False, True], ids=["cut", "written anew"])
def test_what_is_intact_in_itself_is_compared_with_the_last_note(
    events: list[CustodyEvent], dataset: Dataset, caplog: pytest.LogCaptureFixture, again: bool
) -> None:
    assert checked().state == "intact"
    as_owner("DELETE FROM moderation_custodyevent WHERE seq > 3")
    if again:
        append(dataset, 9)
    assert CustodyEvent.objects.check_chain().intact
    for _ in range(2):  # and it stays broken, however often somebody looks
        found = checked()
        assert (found.state, found.why, found.broken_at) == ("broken", "note", 5)
    assert "event 5 is not the one that was noted" in caplog.text


def test_a_chain_that_grew_still_holds_its_notes(
    events: list[CustodyEvent], dataset: Dataset
) -> None:
    for events_ in (5, 8):
        assert (found := checked()).state == "intact"
        assert found.events == events_
        append(dataset, 3)


def test_events_and_head_are_of_one_moment(
    events: list[CustodyEvent], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is appended while it is read is the next check's."""
    monkeypatch.setattr(custody, "SEEN_EVERY", 2)
    seen = []

    def step(count: int) -> None:
        seen.append(count)
        if count == 2:
            append(dataset, 1)

    found = CustodyEvent.objects.check_chain(seen=step)
    assert seen == [2, 4]
    assert found.head == bytes(CustodyEvent.objects.get(seq=found.events).hash).hex()


def test_it_says_how_far_it_is(events: list[CustodyEvent], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody, "SEEN_EVERY", 2)
    check, _ = chain_checks.begin(by=None)
    told: list[int] = []

    def linked(event: CustodyEvent) -> bytes:
        told.append(ChainCheck.objects.get().events)
        return bytes(event.hash)

    monkeypatch.setattr(CustodyEvent, "computed_hash", linked)
    chain_checks.run(check)
    assert told == [0, 0, 2, 2, 4]


def test_a_store_that_does_not_take_the_note(
    events: list[CustodyEvent],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    client: Any,
    auditor: Any,
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise files.LocationError("no room")

    monkeypatch.setattr(files, "write_atomically", full)
    found = checked()
    assert (found.state, found.sealed) == ("intact", None)
    assert "the evidence store did not take the head" in caplog.text
    client.force_login(auditor)
    assert "did not take a note of this head" in client.get("/audit/").content.decode()


def test_a_note_that_cannot_be_read_is_told_and_no_proof(
    events: list[CustodyEvent], caplog: pytest.LogCaptureFixture
) -> None:
    first = checked()
    assert first.sealed is not None
    files.delete(store._location(first.sealed))
    assert checked().state == "intact"
    assert f"the note of check {first.pk} cannot be read" in caplog.text


def test_one_at_a_time_and_none_for_ever() -> None:
    first, new = chain_checks.begin(by=None)
    assert new
    assert chain_checks.begin(by=None) == (first, False)
    with pytest.raises(IntegrityError), transaction.atomic():
        ChainCheck.objects.create(expected=0)
    ChainCheck.objects.update(seen_at=timezone.now() - LOST_AFTER - timedelta(seconds=1))
    second, new = chain_checks.begin(by=None)
    assert new
    assert second != first
    first.refresh_from_db()
    assert first.state == "lost"
    chain_checks.run(first)  # its worker was only slow: the result of another is not overwritten
    first.refresh_from_db()
    assert first.state == "lost"


def test_a_worker_that_fails_leaves_none_running(
    events: list[CustodyEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError

    check, _ = chain_checks.begin(by=None)
    with monkeypatch.context() as broken:
        broken.setattr(type(CustodyEvent.objects), "check_chain", fails)
        with pytest.raises(RuntimeError):
            tasks.check_chain(check.pk)
    check.refresh_from_db()
    assert check.state == "lost"
    tasks.check_chain(check.pk)  # given out twice: it steps aside
    check.refresh_from_db()
    assert check.state == "lost"


def test_the_schedule_acts_once_a_day(events: list[CustodyEvent]) -> None:
    planned = PeriodicTask.objects.get(name="Check the chain")
    assert planned.task == tasks.check_chain_if_due.name
    assert planned.interval.every == 3600
    for _ in range(3):
        tasks.check_chain_if_due()
    assert ChainCheck.objects.count() == 1
    ChainCheck.objects.update(started_at=timezone.now() - timedelta(hours=24))
    tasks.check_chain_if_due()
    assert [each.state for each in ChainCheck.objects.all()] == ["intact", "intact"]


def test_notes_stay_and_one_that_nothing_names_goes(events: list[CustodyEvent]) -> None:
    kept = checked().sealed
    lost = store.seal(b"{}", SealedObject.Kind.HEAD)  # its worker was stopped before it wrote so
    SealedObject.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert retention.delete_due() == 1
    left = SealedObject.objects.readable().get()
    assert (left, lost.pk) == (kept, lost.pk)
    assert store.open_sealed(left)
