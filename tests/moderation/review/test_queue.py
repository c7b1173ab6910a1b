"""Claiming: one case, one holder; the most urgent first; nobody twice."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.utils import timezone

from moderation.models import Case, CustodyEvent, Review
from moderation.models.case import CaseConflict
from moderation.people import granting
from moderation.review import answers, queue
from tests.moderation.review.making import answer, end_lease, make_case, settled

pytestmark = pytest.mark.django_db


def actions(case):
    events = CustodyEvent.objects.filter(object_type="case", object_id=str(case.pk))
    return list(events.values_list("action", flat=True))


def test_next_is_by_priority_then_age(reviewer):
    old, urgent, new = make_case(priority=4), make_case(priority=8), make_case(priority=4)
    Case.objects.filter(pk=new.pk).update(opened_at=timezone.now() - timedelta(days=2))
    assert queue.claim_next(by=reviewer) == urgent
    settled(urgent, reviewer, "ESCALATE")
    assert queue.claim_next(by=reviewer) == new
    settled(new, reviewer, "ESCALATE")
    assert queue.claim_next(by=reviewer) == old


def test_a_claim_writes_lease_review_and_custody(reviewer, settings):
    case = make_case()
    held = queue.claim_next(by=reviewer)
    assert held.leased_by == reviewer
    assert len(held.lease_token) == 43
    seconds = (held.lease_expires_at - queue.database_now()).total_seconds()
    assert settings.LEASE_SECONDS - 5 < seconds <= settings.LEASE_SECONDS
    review = case.reviews.get()
    assert (review.reviewer, review.stage, review.ended) == (reviewer, "first", "")
    assert actions(case) == ["case_claimed"]


def test_the_live_lease_comes_first(reviewer):
    first = queue.claim_next(by=reviewer) if make_case(priority=1) else None
    make_case(priority=8)
    again = queue.claim_next(by=reviewer)
    assert again == first
    assert again.lease_token == first.lease_token
    assert Review.objects.count() == 1


def test_nothing_waits(reviewer):
    assert queue.claim_next(by=reviewer) is None


def test_an_expired_lease_is_taken_and_recorded(reviewer, second_reviewer):
    case = make_case()
    queue.claim_next(by=reviewer)
    assert queue.claim_next(by=second_reviewer) is None
    end_lease(case)
    held = queue.claim_next(by=second_reviewer)
    assert held == case
    assert held.leased_by == second_reviewer
    assert case.reviews.get(reviewer=reviewer).ended == "expired"
    assert actions(case) == ["case_claimed", "lease_expired", "case_claimed"]


def test_the_sweep_records_an_expired_lease_once(reviewer):
    case = make_case()
    queue.claim_next(by=reviewer)
    assert queue.record_expired() == 0
    end_lease(case)
    assert queue.record_expired() == 1
    assert queue.record_expired() == 0
    assert case.reviews.get().ended == "expired"
    assert Case.objects.get(pk=case.pk).leased_by == reviewer
    assert queue.claim_next(by=reviewer) == case


def test_own_standing_answer_bars_the_case(reviewer, second_reviewer):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    assert case.state == "proposed"
    assert queue.claim_next(by=reviewer) is None
    with pytest.raises(queue.NotYours, match="already answered"):
        queue.claim(case, by=reviewer)
    assert queue.claim_next(by=second_reviewer) == case


def test_leads_also_get_disputed_and_escalated(reviewer, lead):
    case = settled(make_case(), reviewer, "ESCALATE")
    assert case.state == "escalated"
    assert queue.claim_next(by=reviewer) is None
    assert queue.claim_next(by=lead) == case
    assert case.reviews.get(reviewer=lead).stage == "lead"


def test_without_decide_second_no_proposed_case(reviewer, person):
    settled(make_case(), reviewer, "REMOVE_KNOWN")
    trainee = person("tara")
    trainee.user_permissions.set(
        Permission.objects.filter(codename__in=["case_list", "case_open", "decide"])
    )
    granting.give_everything(trainee)
    trainee = User.objects.get(pk=trainee.pk)
    assert queue.claim_next(by=trainee) is None
    second = make_case()
    assert queue.claim_next(by=trainee) == second


@pytest.mark.parametrize("who", ["outsider", "auditor", "operator", "list_manager", "reporter"])
def test_others_get_no_case(request, who):
    case = make_case()
    user = request.getfixturevalue(who)
    assert queue.claim_next(by=user) is None
    with pytest.raises(queue.NotYours):
        queue.claim(case, by=user)
    assert not queue.openable_by(user).exists()


def test_a_case_just_answered_is_nobodys(reviewer, second_reviewer):
    case = make_case()
    answer(case, reviewer, "REMOVE_KNOWN")
    assert queue.claim_next(by=second_reviewer) is None
    with pytest.raises(queue.NotYours, match="just answered"):
        queue.claim(case, by=second_reviewer)


def test_claiming_another_case_gives_the_first_back(reviewer):
    first, second = make_case(), make_case()
    queue.claim(first, by=reviewer)
    queue.claim(second, by=reviewer)
    assert list(Case.objects.leased_to(reviewer)) == [second]
    assert first.reviews.get().ended == "released"
    assert actions(first) == ["case_claimed", "case_released"]


def test_a_failed_claim_keeps_what_one_holds(reviewer, second_reviewer):
    mine, theirs = make_case(), make_case()
    queue.claim(mine, by=reviewer)
    queue.claim(theirs, by=second_reviewer)
    with pytest.raises(queue.NotYours, match="Another person"):
        queue.claim(theirs, by=reviewer)
    assert list(Case.objects.leased_to(reviewer)) == [mine]


def test_renew_prolongs_a_live_lease_only(reviewer, second_reviewer):
    case = make_case()
    held = queue.claim(case, by=reviewer)
    Case.objects.filter(pk=case.pk).update(lease_expires_at=timezone.now() + timedelta(seconds=5))
    until = queue.renew(case, by=reviewer, token=held.lease_token)
    assert until > timezone.now() + timedelta(seconds=60)
    for user, token in ((second_reviewer, held.lease_token), (reviewer, "other"), (reviewer, "")):
        with pytest.raises(CaseConflict):
            queue.renew(case, by=user, token=token)
    end_lease(case)
    with pytest.raises(CaseConflict):
        queue.renew(case, by=reviewer, token=held.lease_token)


def test_release_needs_the_token(reviewer):
    case = make_case()
    held = queue.claim(case, by=reviewer)
    queue.release(case, by=reviewer, token="another tab's")
    assert Case.objects.leased_to(reviewer).exists()
    queue.release(case, by=reviewer, token=held.lease_token)
    assert not Case.objects.leased_to(reviewer).exists()
    assert case.reviews.get().ended == "released"
    queue.release(case, by=reviewer, token=held.lease_token)
    assert actions(case) == ["case_claimed", "case_released"]


def in_threads(*calls):
    """Run the calls at once, each on a connection of its own; their results in order."""
    results, gate = [None] * len(calls), threading.Barrier(len(calls))

    def run(at, call):
        try:
            gate.wait(10)
            results[at] = call()
        except Exception as error:
            results[at] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


@pytest.mark.django_db(transaction=True)
def test_two_people_racing_never_share_a_case(reviewer, second_reviewer):
    for _ in range(6):
        make_case()
    for _ in range(3):
        one, two = in_threads(
            lambda: queue.claim_next(by=reviewer), lambda: queue.claim_next(by=second_reviewer)
        )
        assert one is not None
        assert two is not None
        assert one != two
        for case, user in ((one, reviewer), (two, second_reviewer)):
            settled(case, user, "ESCALATE")
    assert Review.objects.count() == 6


@pytest.mark.django_db(transaction=True)
def test_two_people_racing_for_the_last_case(reviewer, second_reviewer):
    make_case()
    results = in_threads(
        lambda: queue.claim_next(by=reviewer), lambda: queue.claim_next(by=second_reviewer)
    )
    assert sorted(result is None for result in results) == [False, True]
    assert Review.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_double_press_leases_one_case(reviewer):
    make_case(), make_case()
    one, two = in_threads(
        lambda: queue.claim_next(by=reviewer), lambda: queue.claim_next(by=reviewer)
    )
    assert one == two
    assert Case.objects.leased_to(reviewer).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_claim_the_same_case(reviewer, second_reviewer):
    case = make_case()
    results = in_threads(
        lambda: queue.claim(case, by=reviewer), lambda: queue.claim(case, by=second_reviewer)
    )
    assert sorted(type(result).__name__ for result in results) == ["Case", "NotYours"]


@pytest.mark.django_db(transaction=True)
def test_two_tabs_answer_at_once(reviewer):
    held = queue.claim(make_case(), by=reviewer)

    def give(key):
        return answers.give(
            held,
            by=reviewer,
            token=held.lease_token,
            edit_no=held.edit_no,
            answer="REMOVE_KNOWN",
            idempotency_key=key,
        )

    results = in_threads(lambda: give("k1"), lambda: give("k2"))
    assert sorted(type(result).__name__ for result in results) == ["CaseConflict", "Review"]
    same = in_threads(lambda: give("k1"), lambda: give("k2"))
    assert sum(isinstance(result, Review) for result in same) == 1
