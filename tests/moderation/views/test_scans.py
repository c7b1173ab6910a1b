"""Scans: start, watch, pause, resume, cancel; what is refused says why and changes nothing."""

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from moderation.models import CustodyEvent, LegalBasis, Scan
from moderation.views import scans as views
from moderation.views import words

from . import rows

pytestmark = pytest.mark.django_db


def at(name, pk):
    return reverse(f"moderation:{name}", args=[pk])


def text(answer):
    return " ".join(answer.content.decode().split())


@pytest.fixture
def enqueued(monkeypatch, django_capture_on_commit_callbacks):
    """What is handed to the broker after the commit; the broker itself has its own tests."""
    calls = []
    monkeypatch.setattr(views.tasks.enqueue_scan, "delay", calls.append)
    return calls


@pytest.fixture
def basis():
    return LegalBasis.objects.create(
        basis="Order 7", officer="Ada", until=timezone.now() + timedelta(days=1)
    )


def actions():
    return list(CustodyEvent.objects.values_list("action", flat=True))


def test_start_by_default_takes_hashes_only_and_every_list(
    login, operator, enqueued, django_capture_on_commit_callbacks
):
    revision = rows.revision()
    first, second = rows.hash_list("a"), rows.hash_list("b")
    with django_capture_on_commit_callbacks(execute=True):
        answer = login(operator).post(at("start_scan", revision.pk), {"kind": "hash_only"})
        assert enqueued == []  # not before the commit
    scan = Scan.objects.get()
    assert answer.url == at("scan", scan.pk)
    assert (scan.kind, scan.reason, scan.requested_by) == ("hash_only", "requested", operator)
    assert set(scan.versions.all()) == {first.current, second.current}
    assert enqueued == [scan.pk]
    assert actions() == ["scan_started"]


def test_start_with_some_lists(login, operator, enqueued):
    revision = rows.revision()
    rows.hash_list("a")
    chosen = rows.hash_list("b")
    login(operator).post(at("start_scan", revision.pk), {"kind": "hash_only", "lists": ["b"]})
    assert list(Scan.objects.get().versions.all()) == [chosen.current]


def test_fetching_needs_a_basis(login, list_manager, enqueued):
    revision = rows.revision()
    rows.hash_list()
    answer = login(list_manager).post(at("start_scan", revision.pk), {"kind": "content"})
    assert answer.status_code == 400
    assert "no legal basis is recorded" in text(answer)
    assert not Scan.objects.exists()
    assert enqueued == []


def test_fetching_with_a_basis(login, list_manager, enqueued, basis):
    rows.hash_list()
    login(list_manager).post(at("start_scan", rows.revision().pk), {"kind": "content"})
    assert Scan.objects.get().kind == "content"


def test_a_start_without_lists_says_what_to_do(login, operator, enqueued):
    answer = login(operator).post(at("start_scan", rows.revision().pk), {"kind": "hash_only"})
    assert answer.status_code == 409
    assert "No hash list is in force" in text(answer)
    assert not Scan.objects.exists()


@pytest.mark.parametrize("sent", [{}, {"kind": "quick"}, {"kind": "hash_only", "lists": ["none"]}])
def test_nonsense_starts_nothing(login, operator, enqueued, sent):
    rows.hash_list()
    answer = login(operator).post(at("start_scan", rows.revision().pk), sent)
    assert answer.status_code == 400
    assert not Scan.objects.exists()


def test_started_twice_is_one_scan(login, operator, enqueued):
    revision = rows.revision()
    rows.hash_list()
    client = login(operator)
    for _ in range(2):
        client.post(at("start_scan", revision.pk), {"kind": "hash_only"})
    assert Scan.objects.count() == 1
    assert actions() == ["scan_started"]


def test_the_table_shows_each_scan_with_its_figures(login, operator):
    scan = rows.scan(rows.revision(shards=2, rows=100), by=operator)
    answer = login(operator).get("/scans/")
    (row,) = answer.context["page"]
    assert (row.pk, row.rows, row.rows_done, row.exact, row.near) == (scan.pk, 200, 100, 2, 1)
    assert operator.username not in text(answer)


def test_no_scan_yet_says_where_to_start(login, operator):
    assert "Nothing has been scanned yet" in text(login(operator).get("/scans/"))


def test_a_scan_that_runs_asks_again_every_two_seconds(login, operator):
    scan = rows.scan(rows.revision())
    answer = login(operator).get(at("scan", scan.pk))
    assert 'hx-trigger="every 2s"' in text(answer)
    assert "100 of 200 entries, 50 %" in text(answer)
    assert "not found (404)" in text(answer)
    assert "data-confirm=" in text(answer)


@pytest.mark.parametrize("state", ["paused", "finished", "cancelled", "failed"])
def test_a_scan_that_does_not_run_asks_for_nothing(login, operator, state):
    scan = rows.scan(rows.revision(), state=state)
    assert "data-poll" not in text(login(operator).get(at("scan", scan.pk)))


def test_the_fragment_is_the_moving_part_alone(login, operator):
    scan = rows.scan(rows.revision())
    answer = login(operator).get(at("scan_progress", scan.pk), {"state": "running"})
    assert text(answer).startswith("<div") or "scan-progress" in text(answer)[:200]
    assert "<html" not in text(answer)
    assert answer["Cache-Control"] == "no-store"


def test_the_fragment_reloads_the_page_when_the_state_has_changed(login, operator):
    scan = rows.scan(rows.revision(), state="finished")
    answer = login(operator).get(at("scan_progress", scan.pk), {"state": "running"})
    assert answer["HX-Refresh"] == "true"


def test_failed_shards_stand_as_numbers(login, operator):
    scan = rows.scan(rows.revision(), state="failed")
    scan.shard_scans.filter(state="due").update(
        state="failed", attempts=3, error="Shard changed: import it again."
    )
    answer = login(operator).get(at("scan", scan.pk))
    assert "Shard 1, attempt 3" in text(answer)
    assert "Shard changed: import it again." in text(answer)
    assert "/data/harbour" not in text(answer)


def test_pause_resume_cancel(login, operator, enqueued, django_capture_on_commit_callbacks):
    scan = rows.scan(rows.revision())
    client = login(operator)
    for step, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(at(f"{step}_scan", scan.pk), follow=True)
        scan.refresh_from_db()
        assert scan.state == state
        assert f"Scan {scan.pk}" in next(str(note) for note in answer.context["messages"])
    assert enqueued == [scan.pk]
    assert actions() == ["scan_paused", "scan_resumed", "scan_cancelled"]


@pytest.mark.parametrize("step", ["pause", "resume", "cancel"])
def test_a_step_too_late_changes_nothing_and_says_so(login, operator, enqueued, step):
    scan = rows.scan(rows.revision(), state="finished")
    answer = login(operator).post(at(f"{step}_scan", scan.pk), follow=True)
    assert [note.level_tag for note in answer.context["messages"]] == ["error"]
    assert Scan.objects.get().state == "finished"
    assert actions() == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "a minute"), (59, "a minute"), (60, "1 min"), (3599, "1 h 0 min"), (90_000, "1 d 1 h")],
)
def test_time_left_in_words(seconds, words):
    assert views.in_words(seconds) == words


def test_every_reason_has_words():
    from moderation.outcomes import REASONS

    assert set(words.REASONS) == set(REASONS)


@pytest.fixture
def still():
    """The clock stands still, however long a page takes."""
    with time_machine.travel(timezone.now(), tick=False):
        yield


def test_the_page_tells_pace_end_and_who_is_waited_for(login, operator, still):
    scan = rows.scan(rows.revision(shards=2, rows=1000), by=operator)
    page = at("scan", scan.pk)
    assert "the end cannot be told yet" in text(login(operator).get(page))

    Scan.objects.update(started_at=timezone.now() - timedelta(minutes=10))
    scan.shard_scans.filter(state="due").update(
        state="running", rows_done=400, recent_rows=60, held_rows=1, heard_at=timezone.now()
    )
    shown = text(login(operator).get(page))
    assert "1 entries/s in the last minute; about 10 min left" in shown
    assert "1 entry waits for its site, which asked for a pause" in shown

    scan.shard_scans.update(recent_rows=0, held_rows=1200)
    shown = text(login(operator).get(page))
    assert "0 entries/s in the last minute; the end cannot be told yet" in shown
    assert "1,200 entries wait for their sites" in shown
