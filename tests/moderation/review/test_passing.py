"""Skipped, or not for somebody: back in the queue, and not again for the same person."""

import pytest
from django.db import connection
from django.urls import reverse

from moderation.models import Case, CustodyEvent, Review
from moderation.models.case import CaseConflict
from moderation.review import answers, decisions, handing, listing, passing, queue
from moderation.review.passing import SkipReason
from tests.moderation.review.making import end_lease, make_case, settled

pytestmark = pytest.mark.django_db
SKIP, NOT_FOR_ME = "skip", "not_for_me"


def pass_on(case, user, how):
    held = queue.claim(case, by=user)
    if how == SKIP:
        passing.skip(held, by=user, token=held.lease_token, reason=SkipReason.LANGUAGE)
    else:
        passing.not_for_me(held, by=user, token=held.lease_token)


@pytest.mark.parametrize(("how", "ended"), [(SKIP, "skipped"), (NOT_FOR_ME, "not_for_me")])
def test_it_goes_back_and_next_gives_another(reviewer, second_reviewer, how, ended):
    case, other = make_case(priority=9), make_case(priority=1)
    pass_on(case, reviewer, how)
    assert case.reviews.get().ended == ended
    assert not Case.objects.leased_to(reviewer).exists()
    assert queue.claim_next(by=reviewer) == other
    assert queue.claim_next(by=second_reviewer) == case


@pytest.mark.parametrize("how", [SKIP, NOT_FOR_ME])
def test_by_hand_it_can_be_taken_again(reviewer, how):
    case = make_case()
    pass_on(case, reviewer, how)
    assert queue.claim_next(by=reviewer) is None
    assert queue.claim(case, by=reviewer).leased_by == reviewer


def test_it_is_remembered_at_the_next_stage_and_forgotten_in_the_next_round(
    reviewer, second_reviewer, person
):
    third = person("tess", "reviewer")
    case = make_case()
    pass_on(case, reviewer, NOT_FOR_ME)
    settled(case, second_reviewer, "KEEP")
    assert queue.claim_next(by=reviewer) is None
    settled(case, third, "KEEP")
    decisions.reopen(case, because="new_match")
    assert queue.claim_next(by=reviewer) == case


def test_a_skip_is_on_record_with_its_code(reviewer):
    case = make_case()
    pass_on(case, reviewer, SKIP)
    event = CustodyEvent.objects.get(action="case_released")
    assert (event.object_id, event.reason) == (str(case.pk), "skipped_language")


def test_not_for_me_reads_as_a_plain_release(reviewer, lead, login):
    plain, passed = make_case(), make_case()
    held = queue.claim(plain, by=reviewer)
    queue.release(held, by=reviewer, token=held.lease_token)
    pass_on(passed, reviewer, NOT_FOR_ME)
    alike = [
        (event.action, event.reason, event.before, event.after, event.actor)
        for event in CustodyEvent.objects.filter(action="case_released")
    ]
    assert len(alike) == 2
    assert alike[0] == alike[1]
    Case.objects.update(state="escalated")  # where a lead reads the whole story
    pages = []
    for case in (plain, passed):
        body = login(lead).get(reverse("moderation:case", args=[case.pk])).content.decode()
        history = body.partition('id="history-title"')[2].partition("</section>")[0]
        pages.append([line.strip() for line in history.splitlines() if "<span>" in line])
    assert pages[0] == pages[1]


@pytest.mark.parametrize("how", [SKIP, NOT_FOR_ME])
def test_twice_or_from_another_tab_changes_nothing(reviewer, second_reviewer, how):
    case = make_case()
    held = queue.claim(case, by=reviewer)

    def once(user, token):
        if how == SKIP:
            passing.skip(held, by=user, token=token, reason=SkipReason.UNCLEAR)
        else:
            passing.not_for_me(held, by=user, token=token)

    for user, token in (
        (reviewer, "another tab's"),
        (reviewer, ""),
        (second_reviewer, held.lease_token),
    ):
        with pytest.raises(CaseConflict):
            once(user, token)
    assert Case.objects.worked_on_by(reviewer).exists()
    once(reviewer, held.lease_token)
    with pytest.raises(CaseConflict):
        once(reviewer, held.lease_token)
    assert CustodyEvent.objects.filter(action="case_released").count() == 1


def test_after_the_time_ran_out_it_is_too_late(reviewer):
    held = queue.claim(make_case(), by=reviewer)
    end_lease(held)
    with pytest.raises(CaseConflict):
        passing.not_for_me(held, by=reviewer, token=held.lease_token)
    assert Review.objects.get().ended == ""


def test_the_figures_say_so_to_oneself_alone(reviewer, second_reviewer):
    case = make_case()
    make_case()
    pass_on(case, reviewer, NOT_FOR_ME)
    mine, theirs = listing.figures(reviewer), listing.figures(second_reviewer)
    assert (mine["yours"], mine["you_passed_on"], mine["waiting"]) == (1, 1, 2)
    assert (theirs["yours"], theirs["you_passed_on"], theirs["waiting"]) == (2, 0, 2)
    settled(case, reviewer, "KEEP")  # after all
    mine = listing.figures(reviewer)
    assert (mine["yours"], mine["you_passed_on"], mine["you_answered"]) == (1, 0, 1)


# --- somebody concerned --------------------------------------------------------------------------
def may_know(case, user):
    held = queue.claim(case, by=user)
    passing.skip(held, by=user, token=held.lease_token, reason=SkipReason.CONCERNED)


def test_who_may_know_somebody_never_gets_the_case_again(reviewer, second_reviewer, lead):
    case = make_case()
    may_know(case, reviewer)
    for _ in range(2):
        assert queue.claim_next(by=reviewer) is None
        with pytest.raises(queue.NotYours, match="left to others for good"):
            queue.claim(case, by=reviewer)
        case = settled(settled(case, second_reviewer, "KEEP"), lead, "KEEP")
        case = decisions.reopen(case, because="new_facts")
    assert not queue.fit_for(reviewer).exists()
    assert queue.fit_for(lead).get() == case


def test_nobody_hands_it_to_them_nor_learns_why(reviewer, second_reviewer, lead):
    case = make_case()
    may_know(case, second_reviewer)
    held = queue.claim(case, by=reviewer)
    assert list(handing.receivers(case, by=reviewer)) == [lead]
    with pytest.raises(handing.NoReceiver) as refused:
        handing.hand_over(
            held, by=reviewer, token=held.lease_token, to=second_reviewer, note="n", draft={}
        )
    assert str(refused.value) == "This person may not work on this case now. Choose somebody else."


def test_a_lead_who_may_know_somebody_does_not_take_it_over(reviewer, lead):
    case = make_case()
    may_know(case, lead)
    queue.claim(case, by=reviewer)
    with pytest.raises(queue.NotYours, match="for good"):
        handing.take_over(case, by=lead)


def test_another_reason_is_forgotten_with_the_round(reviewer):
    case = make_case()
    pass_on(case, reviewer, SKIP)
    assert not Review.objects.concerned().exists()
    assert queue.claim(case, by=reviewer).leased_by == reviewer


def test_the_figures_tell_it_apart(reviewer, second_reviewer, lead, login):
    case, other = make_case(), make_case()
    may_know(case, reviewer)
    pass_on(other, reviewer, NOT_FOR_ME)
    make_case()
    decisions.new_round(settled(case, lead, "ESCALATE"), "requeue", because="legal_hold")
    mine, theirs = listing.figures(reviewer), listing.figures(second_reviewer)
    assert (mine["yours"], mine["you_left"], mine["you_passed_on"]) == (1, 1, 1)
    assert (theirs["yours"], theirs["you_left"]) == (3, 0)
    page = login(reviewer).get("/queue/").content.decode()
    assert "1 left to others, as you may know somebody concerned" in page


def test_the_page_says_so_before_and_after(reviewer, login):
    case = make_case()
    held = queue.claim(case, by=reviewer)
    client, at = login(reviewer), reverse("moderation:case", args=[case.pk])
    assert "the case is left to others for good" in client.get(at).content.decode()
    sent = {"token": held.lease_token, "skip_reason": SkipReason.CONCERNED.value}
    skip = reverse("moderation:case_skip", args=[case.pk])
    page = client.post(skip, sent, follow=True).content.decode()
    assert "It is left to others for good." in page
    assert "from the list you can still take it" not in page


def test_next_finds_its_case_by_the_indexes_past_what_was_passed_on(reviewer, second_reviewer):
    Case.objects.bulk_create(Case(priority=8) for _ in range(3000))
    first = list(Case.objects.by_priority()[:20])
    Review.objects.bulk_create(
        Review(case=case, reviewer=user, stage="first", ended="skipped")
        for case in first
        for user in (reviewer, second_reviewer)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE moderation_case")
        cursor.execute("ANALYZE moderation_review")
    offered = queue.offered_to(reviewer).by_priority()[:1]
    plan = offered.explain(analyze=True, timing=False, summary=False, costs=False)
    assert "case_reviewers_order" in plan
    assert "Sort" not in plan
    [case] = offered
    assert case not in first


def test_an_answer_undone_after_a_skip_of_another_case(reviewer):
    """A skip ends the lease it was made under, never the one of another case."""
    first, second = make_case(), make_case()
    held = queue.claim(first, by=reviewer)
    review = answers.give(
        held,
        by=reviewer,
        token=held.lease_token,
        edit_no=held.edit_no,
        answer="REMOVE_KNOWN",
        idempotency_key="k",
    )
    pass_on(second, reviewer, SKIP)
    answers.undo(review, by=reviewer)
    assert Case.objects.worked_on_by(reviewer).get() == first
