"""What nobody could tell waits, and comes back by itself: once, and never before its time."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from moderation import tasks
from moderation.datasets import ledger
from moderation.models import Case, CustodyEvent, Entry, Review, Scan, Shard
from moderation.review import answers, offers, queue, waiting
from tests.moderation.review.making import answer, make_case, settled

pytestmark = pytest.mark.django_db


def left(case, **ago):
    """As if nobody could tell that long ago."""
    case.reviews.update(settled_at=Now() - timedelta(**ago))


def test_cannot_tell_waits_and_changes_no_entry(reviewer):
    case = make_case(near=True)
    Entry.objects.update(quarantined_at=timezone.now())
    case = settled(case, reviewer, "CANNOT_TELL")
    assert case.state == "waiting"
    assert Entry.objects.in_quarantine().count() == 1
    assert not case.decisions.exists()
    assert not queue.workable_by(reviewer).exists()


def test_it_is_not_offered_on_an_exact_match_of_a_trusted_list(reviewer):
    with pytest.raises(offers.AnswerNotOffered, match="removed even where nobody can see it"):
        answer(make_case(), reviewer, "CANNOT_TELL")
    assert settled(make_case(trust="standard"), reviewer, "CANNOT_TELL").state == "waiting"


def test_after_its_days_it_is_open_and_answered_anew(reviewer, second_reviewer, settings):
    case = settled(make_case(near=True), reviewer, "REMOVE_KNOWN")
    case = settled(case, second_reviewer, "CANNOT_TELL")
    left(case, days=settings.WAIT_DAYS, minutes=-1)
    assert waiting.wake_due() == 0
    left(case, days=settings.WAIT_DAYS, minutes=1)
    tasks.wake_waiting()
    case.refresh_from_db()
    assert (case.state, case.reopened_because) == ("open", "waited")
    assert not case.reviews.standing().exists()
    assert waiting.wake_due() == 0
    assert CustodyEvent.objects.filter(action="case_woken").count() == 1
    for person in (reviewer, second_reviewer):
        assert queue.workable_by(person).filter(pk=case.pk).exists()


def test_woken_twice_is_woken_once(reviewer):
    case = settled(make_case(near=True), reviewer, "CANNOT_TELL")
    assert waiting.wake(case.pk, because="waited")
    settled(case, reviewer, "REMOVE_KNOWN")
    assert not waiting.wake(case.pk, because="waited")
    assert Case.objects.get().state == "proposed"


@pytest.mark.parametrize(
    ("kind", "outcome", "reason", "later", "wakes"),
    [
        ("content", "hashed", "fetched", True, True),
        ("content", "gone", "http_404", True, True),
        ("content", "failed", "timeout", True, False),
        ("content", "hashed", "fetched", False, False),
        ("hash_only", "hashed", "fetched", True, False),
    ],
)
def test_a_scan_that_has_an_answer_wakes_it(
    reviewer, tmp_path, kind, outcome, reason, later, wakes
):
    case = settled(make_case(near=True), reviewer, "CANNOT_TELL")
    left(case, hours=1)
    at = timezone.now() - timedelta(hours=0 if later else 2)
    entry = Entry.objects.get()
    where = (tmp_path / "ledger.parquet").as_uri()
    with ledger.LedgerWriter(where, shard_checksum="0" * 64, algorithm_version="2") as writer:
        writer.write(
            {
                "row": [0, 1],
                "outcome": [outcome, "hashed"],
                "reason": [reason, "fetched"],
                "fetched_at": [at, timezone.now()],
            }
        )
    Shard.objects.filter(pk=entry.shard_id).update(ledger=where)
    scan = Scan.objects.get()
    Scan.objects.update(kind=kind)
    scan.refresh_from_db()
    assert waiting.wake_answered(scan) == (1 if wakes else 0)
    case.refresh_from_db()
    assert case.state == ("open" if wakes else "waiting")
    if wakes:
        assert case.reopened_because == f"answered scan {scan.pk}"
        entry.refresh_from_db()
        assert (entry.outcome, entry.reason) == (outcome, reason)
    assert waiting.wake_answered(scan) == 0


def test_undo_of_cannot_tell(reviewer):
    review = answer(make_case(near=True), reviewer, "CANNOT_TELL", reason="blocked")
    assert answers.undo(review, by=reviewer).state == "open"
    again = Review.objects.get(ended="")
    assert again.draft == {"answer": "CANNOT_TELL", "reason": "blocked"}
