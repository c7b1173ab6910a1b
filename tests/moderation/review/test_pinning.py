"""A pinned case comes first; only a lead pins, with a reason, and it goes on record."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from moderation.models import Case, CustodyEvent
from moderation.review import pinning, queue
from tests.moderation.review.making import make_case, settled

pytestmark = pytest.mark.django_db


def test_next_takes_what_is_pinned_first(reviewer, lead):
    make_case(priority=100)
    low = make_case(priority=1)
    pinning.pin(low, by=lead, reason="a court asks")
    assert queue.claim_next(by=reviewer) == low
    event = CustodyEvent.objects.get(action="case_pinned")
    assert (event.object_id, event.reason) == (str(low.pk), "a court asks")


def test_unpinned_it_comes_when_its_priority_says(reviewer, lead):
    high, low = make_case(priority=100), make_case(priority=1)
    pinning.pin(low, by=lead, reason="a court asks")
    pinning.unpin(low, by=lead)
    assert queue.claim_next(by=reviewer) == high
    assert CustodyEvent.objects.filter(action="case_unpinned").count() == 1
    with pytest.raises(pinning.NotPinned):
        pinning.unpin(low, by=lead)


def test_who_is_no_lead_pins_nothing(reviewer):
    case = make_case()
    for step in (
        lambda: pinning.pin(case, by=reviewer, reason="x"),
        lambda: pinning.unpin(case, by=reviewer),
    ):
        with pytest.raises(pinning.NotPinned, match="Only a lead"):
            step()
    assert Case.objects.get().pinned_at is None


def test_pinned_once_and_only_in_work(lead):
    case, closed = make_case(), make_case(state="closed")
    pinning.pin(case, by=lead, reason="a court asks")
    with pytest.raises(pinning.NotPinned, match="already"):
        pinning.pin(case, by=lead, reason="another")
    with pytest.raises(pinning.NotPinned, match="waits"):
        pinning.pin(closed, by=lead, reason="another")
    with pytest.raises(IntegrityError), transaction.atomic():
        Case.objects.filter(pk=closed.pk).update(pinned_at=timezone.now())


def test_a_pin_ends_when_the_case_is_closed(reviewer, second_reviewer, lead):
    case = make_case()
    pinning.pin(case, by=lead, reason="a court asks")
    settled(settled(case, reviewer, "REMOVE_KNOWN"), second_reviewer, "REMOVE_KNOWN")
    closed = Case.objects.get(pk=case.pk)
    assert (closed.state, closed.pinned_at, closed.pinned_because) == ("closed", None, "")


def test_age_counts_double_after_thirty_days(reviewer):
    old, fresh = make_case(priority=4), make_case(priority=7.9)
    Case.objects.filter(pk=old.pk).update(opened_at=timezone.now() - timedelta(days=30))
    assert queue.claim_next(by=reviewer) == old
    queue.release(old, by=reviewer, token=Case.objects.get(pk=old.pk).lease_token)
    Case.objects.filter(pk=fresh.pk).update(priority=8.1)
    assert queue.claim_next(by=reviewer).pk == fresh.pk
