"""A known hash that two people hold wrong: disabled, disputed, and what the owner's word does."""

import pytest

from moderation.hash_lists import values
from moderation.models import CustodyEvent, Dispute, Entry, KnownHash, Match
from moderation.models.dispute import DisputeConflict
from moderation.review import decisions, disputes
from tests.moderation.review.making import make_case, settled, withdraw
from tests.reports.making import filed

pytestmark = pytest.mark.django_db

WRONG, KNOWN = "KEEP_LIST_ERROR", "REMOVE_KNOWN"
Outcome = Dispute.Outcome


def decided(case, one, two, code):
    return settled(settled(case, one, code), two, code)


@pytest.fixture
def disputed(reviewer, second_reviewer):
    return decided(make_case(), reviewer, second_reviewer, WRONG)


def known_of(case):
    return KnownHash.objects.get(matches__flag__case=case)


def test_one_person_disputes_nothing(reviewer):
    case = settled(make_case(), reviewer, WRONG)
    assert case.state == "proposed"
    assert not Dispute.objects.exists()
    assert not known_of(case).is_disabled()


def test_two_people_disable_and_dispute_it(disputed):
    assert disputed.state == "closed"
    assert disputed.decisions.get().verdict == "cleared"
    known = known_of(disputed)
    assert known.is_disabled()
    assert known.disabled_by is None
    dispute = Dispute.objects.get()
    assert (dispute.known_hash, dispute.state, dispute.disabled) == (known, "raised", True)
    assert not Entry.objects.in_quarantine().exists()
    actions = CustodyEvent.objects.order_by("-seq").values_list("action", flat=True)[:2]
    assert list(actions) == ["dispute_raised", "known_hash_disabled"]


def test_near_matches_are_not_disputed(reviewer, second_reviewer):
    decided(make_case(near=True), reviewer, second_reviewer, "KEEP_FALSE_MATCH")
    assert not Dispute.objects.exists()
    assert not KnownHash.objects.disabled().exists()


def test_what_the_list_has_withdrawn_needs_no_dispute(reviewer, second_reviewer):
    case = make_case()
    withdraw(case)
    assert decided(case, reviewer, second_reviewer, WRONG).state == "closed"
    assert not Dispute.objects.exists()


def test_a_running_dispute_is_the_only_one(disputed, reviewer, second_reviewer):
    case = make_case()
    Match.objects.filter(flag__case=case).update(known_hash=known_of(disputed))
    assert decided(case, reviewer, second_reviewer, WRONG).state == "closed"
    assert Dispute.objects.count() == 1


def test_told_and_ended_without_an_answer_it_stays_disabled(disputed, list_manager):
    dispute = Dispute.objects.get()
    assert disputes.tell([dispute.pk], by=list_manager, how=Dispute.Told.BY_HAND) == 1
    dispute.refresh_from_db()
    assert (dispute.state, dispute.told_how) == ("told", "by_hand")
    assert disputes.end(dispute, by=list_manager, outcome=Outcome.NO_ANSWER) == []
    dispute.refresh_from_db()
    assert (dispute.state, dispute.outcome) == ("ended", "no_answer")
    assert known_of(disputed).is_disabled()
    assert disputes.tell([dispute.pk], by=list_manager, how=Dispute.Told.BY_HAND) == 0
    with pytest.raises(DisputeConflict):
        disputes.end(dispute, by=list_manager, outcome=Outcome.UPHELD)


def test_rejected_it_is_in_force_again_and_the_kept_case_open(disputed, list_manager):
    dispute = Dispute.objects.get()
    back = disputes.end(dispute, by=list_manager, outcome=Outcome.REJECTED, note="seen twice")
    assert back == [disputed]
    assert not known_of(disputed).is_disabled()
    disputed.refresh_from_db()
    assert disputed.state == "open"
    assert disputed.reopened_because == f"dispute_rejected {dispute.pk}"


def test_upheld_sends_back_what_was_removed_for_it(
    disputed, reviewer, second_reviewer, list_manager, reporter, second_reporter
):
    known = known_of(disputed)
    removed, reported = make_case(), make_case()
    Match.objects.exclude(flag__case=disputed).update(known_hash=known)
    removed = decided(removed, reviewer, second_reviewer, KNOWN)
    reported = decided(reported, reviewer, second_reviewer, KNOWN)
    filed(reported, by=second_reporter, composer=reporter)
    back = disputes.end(Dispute.objects.get(), by=list_manager, outcome=Outcome.UPHELD)
    assert back == [removed]
    assert known_of(disputed).is_disabled()
    disputed.refresh_from_db()
    assert disputed.state == "closed"


def test_decided_otherwise_the_dispute_is_taken_back(disputed, reviewer, second_reviewer):
    case = decisions.reopen(disputed, because="new_match")
    decided(case, reviewer, second_reviewer, KNOWN)
    dispute = Dispute.objects.get()
    assert (dispute.state, dispute.outcome) == ("ended", "retracted")
    assert not known_of(disputed).is_disabled()


def test_what_a_list_manager_had_disabled_is_not_put_into_force(
    reviewer, second_reviewer, list_manager
):
    case = make_case()
    values.disable(known_of(case), by=list_manager, until=None, note="we know")
    decided(case, reviewer, second_reviewer, WRONG)
    disputes.end(Dispute.objects.get(), by=list_manager, outcome=Outcome.REJECTED)
    assert known_of(case).is_disabled()
