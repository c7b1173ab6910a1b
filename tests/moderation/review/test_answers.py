"""Answers: given once, undone in time, settled once, and never against what changed meanwhile."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.utils import timezone

from moderation.models import Case, CustodyEvent, Decision, Grant, Review
from moderation.models.case import CaseConflict, HarmClass
from moderation.review import answers, decisions, leases, offers, queue
from tests.moderation.review.making import (
    add_entry,
    answer,
    end_grace,
    end_lease,
    make_case,
    make_revision,
    settled,
)

pytestmark = pytest.mark.django_db


def give(case, by, **changes):
    fields = {
        "token": case.lease_token,
        "edit_no": case.edit_no,
        "answer": "REMOVE_KNOWN",
        "idempotency_key": "key-1",
    }
    return answers.give(case, by=by, **(fields | changes))


def test_an_answer_waits_for_its_grace(reviewer, settings):
    held = queue.claim(make_case(harm_class="unknown"), by=reviewer)
    review = give(held, reviewer, harm_class="other", reason="seen on two lists")
    case = Case.objects.get()
    assert (case.state, case.came_from, case.edit_no) == ("answered", "open", 1)
    assert (case.leased_by, case.lease_token, case.lease_expires_at) == (None, "", None)
    assert (review.answer, review.harm_class, review.ended) == ("REMOVE_KNOWN", "other", "answered")
    assert review.settles_at - review.answered_at == timedelta(
        seconds=settings.ANSWER_GRACE_SECONDS
    )
    assert review.settled_at is None
    assert not Review.objects.standing().exists()
    event = CustodyEvent.objects.last()
    assert event.action == "answer_given"
    assert event.before == {"state": "open"}
    assert event.after["answer"] == "REMOVE_KNOWN"
    assert "seen" not in str(event.after) + event.reason


def test_the_harm_class_is_the_cases_unless_told(reviewer):
    assert give(queue.claim(make_case(), by=reviewer), reviewer).harm_class == "csam"


def test_the_match_is_right_only_under_the_class_that_the_list_gives(reviewer):
    """Or two people could close what is reported under a class that is reported to nobody."""
    held = queue.claim(make_case(), by=reviewer)
    with pytest.raises(offers.WrongClass, match=r"“Child sexual abuse material”.* choose answer 2"):
        give(held, reviewer, harm_class="other")
    assert not Review.objects.exclude(answer="").exists()
    assert give(held, reviewer, harm_class="csam").harm_class == "csam"


@pytest.mark.parametrize("harm_class", list(HarmClass))
def test_while_the_class_is_unknown_people_say_it(reviewer, harm_class):
    held = queue.claim(make_case(harm_class="unknown"), by=reviewer)
    assert give(held, reviewer, harm_class=harm_class).harm_class == harm_class


def test_only_removals_carry_a_harm_class(reviewer):
    held = queue.claim(make_case(), by=reviewer)
    given = give(held, reviewer, answer="ESCALATE", harm_class="csam", reason="two ships?")
    assert given.harm_class == ""


def test_the_same_key_again_changes_nothing(reviewer):
    held = queue.claim(make_case(), by=reviewer)
    first = give(held, reviewer)
    again = give(held, reviewer)
    assert again == first
    with pytest.raises(CaseConflict):
        give(held, reviewer, answer="KEEP_LIST_ERROR")
    assert again.answer == "REMOVE_KNOWN"
    assert Case.objects.get().edit_no == 1
    assert CustodyEvent.objects.filter(action="answer_given").count() == 1


def test_a_key_of_another_case_is_refused(reviewer):
    give(queue.claim(make_case(), by=reviewer), reviewer)
    with pytest.raises(CaseConflict):
        give(queue.claim(make_case(), by=reviewer), reviewer)


def test_a_stale_edit_is_refused(reviewer):
    held = queue.claim(make_case(), by=reviewer)
    with pytest.raises(CaseConflict):
        give(held, reviewer, edit_no=held.edit_no + 1)
    assert Case.objects.get().state == "open"


@pytest.mark.parametrize("token", ["", "another tab's"])
def test_another_tabs_token_is_refused(reviewer, token):
    held = queue.claim(make_case(), by=reviewer)
    with pytest.raises(CaseConflict):
        give(held, reviewer, token=token)


def test_an_expired_lease_is_refused(reviewer):
    held = queue.claim(make_case(), by=reviewer)
    end_lease(held)
    with pytest.raises(CaseConflict):
        give(held, reviewer)


def test_another_persons_lease_is_refused(reviewer, second_reviewer):
    held = queue.claim(make_case(), by=reviewer)
    with pytest.raises(CaseConflict):
        give(held, second_reviewer)


def test_one_person_cannot_answer_twice_in_a_round(reviewer):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    leases.lend(case, to=reviewer)
    case.reviews.create(reviewer=reviewer, stage="second")
    with pytest.raises(decisions.SamePerson):
        give(case, reviewer, idempotency_key="key-2")


def test_remove_known_needs_more_than_a_trial_list(reviewer):
    case = make_case(trust="trial")
    held = queue.claim(case, by=reviewer)
    with pytest.raises(offers.AnswerNotOffered, match="trial"):
        give(held, reviewer)
    assert give(held, reviewer, answer="REMOVE_SUSPECT").answer == "REMOVE_SUSPECT"


def test_a_lead_cannot_escalate_further(reviewer, lead):
    case = settled(make_case(), reviewer, "ESCALATE")
    held = queue.claim(case, by=lead)
    with pytest.raises(offers.AnswerNotOffered, match="lead"):
        give(held, lead, answer="ESCALATE", reason="still unsure")


@pytest.mark.parametrize("reason", ["", " \n"])
def test_an_escalation_and_a_keep_against_an_exact_match_take_a_reason(reviewer, reason):
    held = queue.claim(make_case(), by=reviewer)
    for code in ("ESCALATE", "KEEP_LIST_ERROR"):
        with pytest.raises(offers.ReasonNeeded):
            give(held, reviewer, answer=code, reason=reason)
    assert give(held, reviewer, answer="KEEP_LIST_ERROR", reason=" ship ").reason == "ship"


def test_a_keep_of_near_matches_takes_no_reason(reviewer):
    held = queue.claim(make_case(near=True), by=reviewer)
    assert give(held, reviewer, answer="KEEP_FALSE_MATCH").reason == ""


def test_no_other_answer_exists(reviewer):
    held = queue.claim(make_case(), by=reviewer)
    with pytest.raises(offers.AnswerNotOffered):
        give(held, reviewer, answer="BAN")


def test_undo_returns_case_and_lease(reviewer):
    case = make_case()
    review = answer(case, reviewer, "REMOVE_KNOWN")
    assert answers.undoable(by=reviewer) == review
    back = answers.undo(review, by=reviewer)
    assert (back.state, back.came_from, back.leased_by) == ("open", "", reviewer)
    assert back.edit_no == 2
    assert Review.objects.get(pk=review.pk).ended == "undone"
    assert case.reviews.get(ended="").stage == "first"
    assert answers.undoable(by=reviewer) is None
    again = give(back, reviewer, idempotency_key="key-2", answer="ESCALATE", reason="unsure")
    assert again.pk != review.pk


def test_undo_of_a_second_answer_goes_back_to_proposed(reviewer, second_reviewer):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    review = answer(case, second_reviewer, "KEEP")
    back = answers.undo(review, by=second_reviewer)
    assert back.state == "proposed"
    assert case.reviews.get(ended="").stage == "second"


def test_undo_puts_the_next_case_back(reviewer):
    first, second = make_case(priority=9), make_case()
    review = answer(first, reviewer, "REMOVE_KNOWN")
    assert queue.claim_next(by=reviewer) == second
    answers.undo(review, by=reviewer)
    assert list(Case.objects.leased_to(reviewer)) == [first]
    assert second.reviews.get().ended == "released"


def test_undo_a_second_early_and_a_second_late(reviewer):
    review = answer(make_case(), reviewer, "REMOVE_KNOWN")
    Review.objects.filter(pk=review.pk).update(settles_at=timezone.now() + timedelta(seconds=1))
    answers.undo(review, by=reviewer)
    late = answer(make_case(), reviewer, "REMOVE_KNOWN")
    end_grace(late)
    with pytest.raises(CaseConflict):
        answers.undo(late, by=reviewer)
    assert answers.undoable(by=reviewer) is None


@pytest.mark.parametrize(("seconds", "undone"), [(59, True), (61, False)])
def test_undo_ends_with_the_minute_and_nothing_leaves_before(reviewer, seconds, undone):
    review = answer(make_case(), reviewer, "REMOVE_KNOWN")
    Review.objects.update(  # as if it were given that long ago
        answered_at=F("answered_at") - timedelta(seconds=seconds),
        settles_at=F("settles_at") - timedelta(seconds=seconds),
    )
    assert answers.settle(review.pk) != undone
    if undone:
        assert answers.undo(review, by=reviewer).state == "open"
        return
    with pytest.raises(CaseConflict):
        answers.undo(review, by=reviewer)
    assert Case.objects.get().state == "proposed"


def test_undo_is_ones_own_and_once(reviewer, second_reviewer):
    review = answer(make_case(), reviewer, "REMOVE_KNOWN")
    with pytest.raises(CaseConflict):
        answers.undo(review, by=second_reviewer)
    answers.undo(review, by=reviewer)
    with pytest.raises(CaseConflict):
        answers.undo(review, by=reviewer)


def test_undo_needs_what_the_case_needs(lead, reviewer):
    """A role or a grant taken away in the minute takes the undo away, whoever asks."""
    escalated = answer(settled(make_case(), reviewer, "ESCALATE"), lead, "REMOVE_KNOWN")
    first = answer(make_case(), reviewer, "REMOVE_KNOWN")
    lead.groups.clear()
    Grant.objects.filter(person=reviewer).update(withdrawn_at=timezone.now())
    for review, person in ((escalated, lead), (first, reviewer)):
        now = User.objects.get(pk=person.pk)
        assert answers.undoable(by=now) is None
        with pytest.raises(CaseConflict):
            answers.undo(review, by=now)


def test_settle_waits_for_the_grace(reviewer):
    review = answer(make_case(), reviewer, "REMOVE_KNOWN")
    assert not answers.settle(review.pk)
    assert answers.settle_due() == 0
    assert Case.objects.get().state == "answered"


def test_settle_twice_is_settle_once(reviewer, second_reviewer):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    review = answer(case, second_reviewer, "REMOVE_KNOWN")
    end_grace(review)
    assert answers.settle(review.pk)
    assert not answers.settle(review.pk)
    assert Decision.objects.count() == 1
    assert CustodyEvent.objects.filter(action="answer_settled").count() == 2


def test_settle_leaves_an_undone_answer(reviewer):
    review = answer(make_case(), reviewer, "REMOVE_KNOWN")
    answers.undo(review, by=reviewer)
    end_grace(review)
    assert not answers.settle(review.pk)
    assert Case.objects.get().state == "open"


def test_settle_of_a_review_that_is_gone():
    assert not answers.settle(404)


def test_the_sweep_settles_what_a_lost_task_left(reviewer, second_reviewer):
    first = answer(make_case(), reviewer, "REMOVE_KNOWN")
    second = answer(make_case(), second_reviewer, "ESCALATE")
    for review in (first, second):
        end_grace(review)
    assert answers.settle_due() == 2
    assert answers.settle_due() == 0
    assert set(Case.objects.values_list("state", flat=True)) == {"proposed", "escalated"}


def test_reach_counts_entries_revisions_and_links():
    case = make_case(entries=3)
    linkless = add_entry(case, revision=make_revision("r2"))
    type(linkless).objects.filter(pk=linkless.pk).update(url_key=None)
    assert answers.reach(case) == {"entries": 4, "revisions": 2, "links": 3}


def test_every_step_is_in_an_intact_chain(reviewer, second_reviewer):
    case = make_case()
    answers.undo(answer(case, reviewer, "ESCALATE"), by=reviewer)
    case = settled(case, reviewer, "REMOVE_KNOWN")
    settled(case, second_reviewer, "REMOVE_KNOWN")
    events = CustodyEvent.objects.filter(object_type="case", object_id=str(case.pk))
    assert list(events.values_list("action", flat=True)) == [
        "case_claimed",
        "answer_given",
        "answer_undone",
        "answer_given",
        "answer_settled",
        "case_proposed",
        "case_claimed",
        "answer_given",
        "answer_settled",
        "case_confirmed",
    ]
    assert CustodyEvent.objects.check_chain().intact


def test_a_capability_lost_meanwhile_is_refused(reviewer):
    held = queue.claim(make_case(), by=reviewer)
    reviewer.groups.clear()
    without = type(reviewer).objects.get(pk=reviewer.pk)
    with pytest.raises(queue.NotYours):
        give(held, without)


@pytest.mark.parametrize("other", [{"answer": "ESCALATE"}, {"reason": "another boat"}])
def test_another_answer_with_the_same_key_is_refused_and_told(reviewer, other):
    case = queue.claim(make_case(near=True), by=reviewer)
    first = give(case, reviewer, answer="KEEP_FALSE_MATCH", reason="a boat")
    same = {"answer": "KEEP_FALSE_MATCH", "reason": "a boat"}
    assert give(case, reviewer, **same) == first
    with pytest.raises(CaseConflict, match="another answer was given"):
        give(case, reviewer, **(same | other))
    answers.undo(first, by=reviewer)
    with pytest.raises(CaseConflict, match="was undone"):
        give(case, reviewer, **same)
