"""A hold: a lease for hours, three a person, ended by the clock; and what was being written."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from moderation.models import Case, CustodyEvent, Grant, Review
from moderation.models.case import CaseConflict
from moderation.review import answers, decisions, exposure, holding, keeping, listing, queue
from tests.moderation.review.making import (
    answer,
    end_grace,
    end_lease,
    make_case,
    seal_copies,
    settled,
)
from tests.moderation.review.test_queue import in_threads
from tests.moderation.views.test_previews import picture

pytestmark = pytest.mark.django_db
DRAFT = {"answer": "REMOVE_KNOWN", "harm_class": "csam", "reason": "same boat"}


def hold(case, user, **how):
    how = {"hours": 4, "reason": "Asked the liaison", "draft": DRAFT} | how
    held = queue.claim(case, by=user)
    return holding.hold(held, by=user, token=held.lease_token, **how)


def test_it_stays_ones_own_and_next_gives_another(reviewer, second_reviewer):
    case, other = make_case(priority=9), make_case(priority=1)
    until = hold(case, reviewer)
    left = until - queue.database_now()
    assert timedelta(hours=3, minutes=59) < left <= timedelta(hours=4)
    row = Case.objects.get(pk=case.pk)
    assert (row.leased_by, row.lease_kind, row.lease_token) == (reviewer, "hold", "")
    assert queue.claim_next(by=second_reviewer) == other
    with pytest.raises(queue.NotYours, match="Another person"):
        queue.claim(case, by=second_reviewer)
    event = CustodyEvent.objects.get(action="case_held")
    assert (event.object_id, event.reason) == (str(case.pk), "Asked the liaison")


def test_next_gives_its_holder_another(reviewer):
    case, other = make_case(priority=9), make_case(priority=1)
    hold(case, reviewer)
    assert queue.claim_next(by=reviewer) == other
    assert Case.objects.leased_to(reviewer).count() == 2


def test_never_longer_than_it_may_be(reviewer, settings):
    until = hold(make_case(), reviewer, hours=1000)
    assert until <= queue.database_now() + timedelta(hours=settings.HOLD_HOURS)


def test_in_one_round_it_ends_a_day_after_the_first_hold(reviewer, second_reviewer, settings):
    case = make_case()
    first = hold(case, reviewer, hours=4)
    early = timezone.now() - timedelta(hours=settings.HOLD_HOURS - 1)
    case.reviews.update(held_since=early)
    until = hold(case, reviewer, hours=settings.HOLD_HOURS)  # an hour of the day is left
    assert until < first
    assert timedelta(0) < until - queue.database_now() <= timedelta(hours=1)
    end_lease(case)
    case.reviews.update(held_since=early - timedelta(hours=2))
    with pytest.raises(holding.HoldRefused, match="first put this case on hold 24 hours ago"):
        hold(case, reviewer)  # a fresh lease of it starts no second day
    held = Case.objects.worked_on_by(reviewer).get()
    queue.release(held, by=reviewer, token=held.lease_token)
    hold(case, second_reviewer)
    end_lease(case)
    settled(settled(case, reviewer, "REMOVE_KNOWN"), second_reviewer, "REMOVE_KNOWN")
    decisions.reopen(Case.objects.get(pk=case.pk), because="new_match")
    hold(case, reviewer)  # a new round


def test_three_a_person(reviewer, second_reviewer):
    for _ in range(3):
        hold(make_case(), reviewer)
    fourth = make_case()
    with pytest.raises(holding.HoldRefused, match="as many cases on hold"):
        hold(fourth, reviewer)
    assert Case.objects.worked_on_by(reviewer).get() == fourth
    hold(make_case(), second_reviewer)
    end_lease(Case.objects.on_hold().filter(leased_by=reviewer).first())
    hold(fourth, reviewer)


def test_going_on_makes_it_work_again(reviewer):
    case, other = make_case(), make_case()
    hold(case, reviewer)
    queue.claim(other, by=reviewer)
    back = queue.claim(case, by=reviewer)
    assert (back.lease_kind, len(back.lease_token)) == ("work", 43)
    assert back.lease_expires_at < timezone.now() + timedelta(hours=1)
    review = case.reviews.get()
    assert (review.ended, review.draft, review.note) == ("", DRAFT, "")
    assert other.reviews.get().ended == "released"  # one work lease a person
    assert CustodyEvent.objects.filter(action="case_resumed", object_id=str(case.pk)).exists()


def test_on_hold_nobody_answers_or_renews(reviewer):
    case = make_case()
    held = queue.claim(case, by=reviewer)
    token = held.lease_token
    holding.hold(held, by=reviewer, token=token, hours=1, reason="later", draft={})
    for old in (token, ""):
        with pytest.raises(CaseConflict):
            queue.renew(case, by=reviewer, token=old)
        with pytest.raises(CaseConflict):
            answers.give(
                case,
                by=reviewer,
                token=old,
                edit_no=0,
                answer="REMOVE_KNOWN",
                idempotency_key="k" + old,
            )
        with pytest.raises(CaseConflict):
            holding.hold(case, by=reviewer, token=old, hours=1, reason="again", draft={})
    queue.release(case, by=reviewer, token="")
    assert Case.objects.on_hold().get() == case


def test_on_hold_nobody_looks(reviewer, settings, tmp_path):
    settings.EVIDENCE_URL = tmp_path.as_uri()
    case = make_case()
    entry = seal_copies(case.flags.get().entry, picture())
    held = queue.claim(case, by=reviewer)
    ticket = exposure.reveal(case, entry, by=reviewer, level=1, session="s")
    holding.hold(held, by=reviewer, token=held.lease_token, hours=1, reason="later", draft={})
    with pytest.raises(exposure.NoTicket):
        exposure.open_ticket(ticket, by=reviewer, session="s")
    with pytest.raises(exposure.Locked, match="Take the case first"):
        exposure.reveal(case, entry, by=reviewer, level=1, session="s")


def test_going_on_needs_what_taking_needs(reviewer):
    case = make_case()
    hold(case, reviewer)
    Grant.objects.filter(person=reviewer).update(withdrawn_at=timezone.now())
    with pytest.raises(queue.NotYours, match="grant"):
        queue.claim(case, by=reviewer)
    assert queue.openable_by(reviewer).get() == case


def test_it_ends_by_the_clock_and_comes_back_with_the_draft(reviewer):
    case = make_case()
    hold(case, reviewer)
    end_lease(case)
    assert queue.record_expired() == 1
    assert case.reviews.get().ended == "expired"
    assert queue.claim_next(by=reviewer) == case
    assert case.reviews.get(ended="").draft == DRAFT


def test_no_draft_comes_back_where_somebody_else_was_in_between(reviewer, second_reviewer):
    case = make_case()
    hold(case, reviewer)
    end_lease(case)
    held = queue.claim_next(by=second_reviewer)
    assert case.reviews.get(ended="").draft == {}
    queue.release(held, by=second_reviewer, token=held.lease_token)
    queue.claim(case, by=reviewer)
    assert case.reviews.get(ended="").draft == {}


def test_a_renewal_keeps_what_is_being_written(reviewer):
    case = make_case()
    held = queue.claim(case, by=reviewer)
    queue.renew(held, by=reviewer, token=held.lease_token, draft=DRAFT)
    queue.renew(held, by=reviewer, token=held.lease_token)
    with pytest.raises(CaseConflict):
        queue.renew(held, by=reviewer, token="another tab's", draft={"reason": "other"})
    end_lease(case)
    queue.claim(case, by=reviewer)
    assert case.reviews.get(ended="").draft == DRAFT


def test_an_answer_leaves_no_draft_and_undo_brings_it_back(reviewer):
    case = make_case()
    held = queue.claim(case, by=reviewer)
    queue.renew(held, by=reviewer, token=held.lease_token, draft=DRAFT)
    review = answer(case, reviewer, "KEEP", reason="another boat")
    assert Review.objects.get().draft == {}
    answers.undo(review, by=reviewer)
    again = case.reviews.get(ended="")
    assert again.draft == {"answer": "KEEP_LIST_ERROR", "reason": "another boat"}


def test_no_draft_outlives_its_case_or_its_round(reviewer, second_reviewer, person):
    third = person("tess", "reviewer")
    case = make_case()
    hold(case, third)
    end_lease(case)
    settled(settled(case, reviewer, "REMOVE_KNOWN"), second_reviewer, "REMOVE_KNOWN")
    assert not Review.objects.exclude(draft={}).exists()
    Review.objects.filter(reviewer=third).update(draft=DRAFT)
    decisions.reopen(case, because="new_match")
    queue.claim(case, by=third)
    assert case.reviews.get(ended="").draft == {}


def test_undo_while_something_is_on_hold(reviewer):
    first, kept = make_case(), make_case()
    hold(kept, reviewer)
    review = answer(first, reviewer, "ESCALATE")
    answers.undo(review, by=reviewer)
    assert Case.objects.worked_on_by(reviewer).get() == first
    assert Case.objects.on_hold().get() == kept


def test_who_is_switched_off_keeps_no_hold(reviewer, operator):
    case = make_case()
    hold(case, reviewer)
    assert queue.take_back(reviewer, by=operator) == 1
    row = Case.objects.get(pk=case.pk)
    assert (row.leased_by, row.lease_kind, row.lease_expires_at) == (None, "", None)


def test_the_figures_and_the_lists(reviewer, second_reviewer, lead):
    case = make_case()
    make_case()
    hold(case, reviewer)
    mine = listing.figures(reviewer)
    assert (mine["yours"], mine["kept"], mine["held"], mine["waiting"]) == (1, 1, None, 2)
    assert listing.figures(second_reviewer)["others_hold"] == 1
    [kept] = keeping.kept_by(reviewer)["hold"]
    assert (kept.case, kept.note) == (case, "Asked the liaison")
    assert [kept.case for kept in keeping.held_by_others(lead)] == [case]
    assert keeping.held_by_others(reviewer) == []


def test_the_database_refuses_a_second_work_lease(reviewer):
    queue.claim(make_case(), by=reviewer)
    other = make_case()
    until = timezone.now() + timedelta(hours=1)
    with pytest.raises(IntegrityError, match="one_work_lease_each"), transaction.atomic():
        Case.objects.filter(pk=other.pk).update(
            leased_by=reviewer, lease_kind="work", lease_expires_at=until
        )


@pytest.mark.parametrize("how", ["next", "by hand", "undo"])
def test_ones_own_lease_that_ran_out_is_ended_by_the_next(reviewer, how):
    review = answer(make_case(priority=1), reviewer, "ESCALATE") if how == "undo" else None
    old, new = make_case(priority=1), make_case(priority=9)
    queue.claim(old, by=reviewer)
    end_lease(old)
    if how == "undo":
        answers.undo(review, by=reviewer)
    elif how == "next":
        assert queue.claim_next(by=reviewer) == new
    else:
        queue.claim(new, by=reviewer)
    row = Case.objects.get(pk=old.pk)
    assert (row.leased_by, row.lease_kind) == (None, "")
    assert old.reviews.get().ended == "expired"


@pytest.mark.django_db(transaction=True)
def test_two_presses_of_hold_are_one(reviewer):
    held = queue.claim(make_case(), by=reviewer)

    def press():
        return holding.hold(
            held, by=reviewer, token=held.lease_token, hours=1, reason="later", draft={}
        )

    results = in_threads(press, press)
    assert sorted(type(result).__name__ for result in results) == ["CaseConflict", "datetime"]
    assert CustodyEvent.objects.filter(action="case_held").count() == 1


@pytest.mark.django_db(transaction=True)
def test_hold_and_answer_at_once_are_one_of_both(reviewer):
    held = queue.claim(make_case(), by=reviewer)
    results = in_threads(
        lambda: holding.hold(
            held, by=reviewer, token=held.lease_token, hours=1, reason="later", draft={}
        ),
        lambda: answers.give(
            held,
            by=reviewer,
            token=held.lease_token,
            edit_no=held.edit_no,
            answer="REMOVE_KNOWN",
            idempotency_key="k",
        ),
    )
    assert sum(isinstance(result, CaseConflict) for result in results) == 1
    row = Case.objects.get(pk=held.pk)
    assert (row.state, row.lease_kind) in {("open", "hold"), ("answered", "")}


@pytest.mark.django_db(transaction=True)
def test_next_and_going_on_at_once_leave_one_work_lease(reviewer):
    case = make_case(priority=9)
    make_case()
    hold(case, reviewer)
    results = in_threads(
        lambda: queue.claim_next(by=reviewer), lambda: queue.claim(case, by=reviewer)
    )
    assert all(isinstance(result, Case) for result in results), results
    assert Case.objects.worked_on_by(reviewer).count() == 1


def test_settling_is_not_held_up(reviewer):
    review = answer(make_case(), reviewer, "REMOVE_KNOWN")
    hold(make_case(), reviewer)
    end_grace(review)
    assert answers.settle(review.pk)
