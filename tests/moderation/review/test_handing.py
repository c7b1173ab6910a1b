"""Handing over: to whom, who may not, first for the receiver, and a lead who takes over."""

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction
from django.utils import timezone

from moderation.models import Case, CustodyEvent, Grant
from moderation.models.case import CaseConflict
from moderation.review import answers, handing, holding, keeping, listing, passing, queue
from tests.moderation.review.making import end_lease, make_case, settled
from tests.moderation.review.test_queue import in_threads

pytestmark = pytest.mark.django_db
DRAFT = {"reason": "same boat"}


def hand_over(case, user, to, **how):
    how = {"note": "You know this harbour", "draft": DRAFT} | how
    held = queue.claim(case, by=user)
    handing.hand_over(held, by=user, token=held.lease_token, to=to, **how)
    return Case.objects.get(pk=case.pk)


def test_the_receiver_gets_it_first(reviewer, second_reviewer, lead):
    urgent, case = make_case(priority=9), make_case(priority=1)
    handed = hand_over(case, reviewer, second_reviewer)
    assert (handed.leased_by, handed.lease_kind, handed.lease_token) == (
        second_reviewer,
        "handed",
        "",
    )
    assert case.reviews.get().ended == "handed"
    [kept] = keeping.kept_by(second_reviewer)["handed"]
    assert (kept.case, kept.note) == (case, "You know this harbour")
    assert queue.claim_next(by=lead) == urgent
    with pytest.raises(queue.NotYours, match="Another person"):
        queue.claim(case, by=reviewer)
    taken = queue.claim_next(by=second_reviewer)
    assert (taken, taken.lease_kind) == (case, "work")
    assert handing.note_on(taken, by=second_reviewer) == "You know this harbour"
    assert case.reviews.get(ended="").draft == {}
    event = CustodyEvent.objects.get(action="case_handed_over")
    assert event.after == {"to": second_reviewer.person.pseudonym}


def test_not_taken_in_time_it_is_anybodys(reviewer, second_reviewer, lead):
    case = hand_over(make_case(), reviewer, second_reviewer)
    end_lease(case)
    assert keeping.kept_by(second_reviewer)["handed"] == []
    assert queue.claim_next(by=reviewer) is None  # they gave it away on purpose
    assert queue.claim_next(by=lead) == case


def test_to_the_queue_with_a_note(reviewer, second_reviewer):
    case = hand_over(make_case(), reviewer, None)
    assert case.leased_by is None
    assert queue.claim_next(by=reviewer) is None
    assert queue.claim_next(by=second_reviewer) == case
    assert handing.note_on(case, by=second_reviewer) == "You know this harbour"


def test_a_note_of_another_stage_is_not_shown(reviewer, second_reviewer, person):
    third = person("tess", "reviewer")
    case = hand_over(make_case(), reviewer, second_reviewer, note="looks like a jetty")
    case = settled(case, second_reviewer, "KEEP")
    assert handing.note_on(queue.claim(case, by=third), by=third) == ""


def test_the_draft_comes_back_to_its_writer_alone(reviewer, second_reviewer):
    case = hand_over(make_case(), reviewer, None)
    queue.claim(case, by=reviewer)
    assert case.reviews.get(ended="").draft == DRAFT
    case = hand_over(case, reviewer, second_reviewer)
    queue.claim(case, by=second_reviewer)
    assert case.reviews.get(ended="").draft == {}


def test_who_may_be_named(reviewer, second_reviewer, lead, reporter, operator, person):
    ungranted, off = person("ulla", "reviewer"), person("olaf", "reviewer")
    Grant.objects.filter(person=ungranted).update(withdrawn_at=timezone.now())
    type(off).objects.filter(pk=off.pk).update(is_active=False)
    case = make_case()
    assert set(handing.receivers(case, by=reviewer)) == {second_reviewer, lead}
    for other in (reviewer, reporter, operator, ungranted, off):
        with pytest.raises(handing.NoReceiver), transaction.atomic():
            hand_over(case, reviewer, other)
    assert not CustodyEvent.objects.filter(action="case_handed_over").exists()


def test_what_waits_for_a_lead_goes_to_leads(reviewer, lead, person):
    other = person("lars", "lead")
    case = settled(make_case(), reviewer, "ESCALATE")
    assert list(handing.receivers(case, by=lead)) == [other]


# --- a lead assigns ------------------------------------------------------------------------------
def test_a_lead_assigns_what_nobody_holds(reviewer, lead, second_reviewer):
    urgent, case = make_case(priority=9), make_case(priority=1)
    handing.assign(case, by=lead, to=reviewer, note="You know this harbour")
    case.refresh_from_db()
    assert (case.leased_by, case.lease_kind, case.state) == (reviewer, "handed", "open")
    [kept] = keeping.kept_by(reviewer)["handed"]
    assert (kept.case, kept.note) == (case, "You know this harbour")
    event = CustodyEvent.objects.get(action="case_assigned")
    assert event.actor == lead.person.pseudonym
    assert event.after == {"to": reviewer.person.pseudonym}
    assert queue.claim_next(by=second_reviewer) == urgent
    taken = queue.claim_next(by=reviewer)
    assert (taken, taken.lease_kind) == (case, "work")
    assert handing.note_on(taken, by=reviewer) == "You know this harbour"


def test_what_a_lead_assigned_next_does_not_give_them_as_second_person(reviewer, lead):
    case = make_case()
    handing.assign(case, by=lead, to=reviewer, note="n")
    settled(case, reviewer, "REMOVE_KNOWN")
    assert queue.claim_next(by=lead) is None


def test_assigning_is_a_capability_of_its_own(reviewer, second_reviewer):
    case = make_case()
    with pytest.raises(queue.NotYours, match="Only a lead"):
        handing.assign(case, by=second_reviewer, to=reviewer, note="n")
    grant = Permission.objects.get(codename="case_assign")
    second_reviewer.user_permissions.add(grant)
    again = type(second_reviewer).objects.get(pk=second_reviewer.pk)
    handing.assign(case, by=again, to=reviewer, note="n")
    assert Case.objects.get().leased_by == reviewer


def test_what_somebody_holds_is_not_assigned(reviewer, second_reviewer, lead):
    case = make_case()
    queue.claim(case, by=reviewer)
    with pytest.raises(queue.NotYours, match="Somebody holds"):
        handing.assign(case, by=lead, to=second_reviewer, note="n")
    end_lease(case)
    handing.assign(case, by=lead, to=second_reviewer, note="n")
    assert case.reviews.get(reviewer=reviewer).ended == "expired"


def test_whoever_did_another_stage_is_refused_in_neutral_words(
    reviewer, second_reviewer, lead, person
):
    other, third = person("lars", "lead"), person("lola", "lead")
    case = settled(settled(make_case(), other, "KEEP"), second_reviewer, "REMOVE_KNOWN")
    assert case.state == "disputed"
    concerned = person("ludo", "lead")
    said = set()
    for unfit in (other, second_reviewer, concerned):
        if unfit == concerned:
            held = queue.claim(case, by=concerned)
            passing.skip(
                held, by=concerned, token=held.lease_token, reason=passing.SkipReason.CONCERNED
            )
        with pytest.raises(handing.NoReceiver) as refused, transaction.atomic():
            handing.assign(case, by=lead, to=unfit, note="n")
        said.add(str(refused.value))
    assert len(said) == 1
    assert not CustodyEvent.objects.filter(action="case_assigned").exists()
    handing.assign(case, by=lead, to=third, note="n")


def test_where_a_second_person_is_asked_nobody_is_named(reviewer, second_reviewer, lead):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    for other in (reviewer, second_reviewer):
        with pytest.raises(handing.NoReceiver, match="may not work"), transaction.atomic():
            handing.assign(case, by=lead, to=other, note="n")


def test_a_second_person_names_nobody(reviewer, second_reviewer, lead):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    assert not handing.receivers(case, by=second_reviewer).exists()
    for other in (reviewer, lead):  # who answered and who did not are told apart by nothing
        with pytest.raises(handing.NoReceiver, match="may not work"), transaction.atomic():
            hand_over(case, second_reviewer, other)
    case = hand_over(case, second_reviewer, None)
    assert case.leased_by is None
    assert queue.claim_next(by=reviewer) is None
    assert queue.claim_next(by=lead) == case


def test_a_lead_does_not_name_who_answered(reviewer, lead, person):
    other, third = person("lars", "lead"), person("lola", "lead")
    case = settled(make_case(), other, "ESCALATE")
    assert list(handing.receivers(case, by=lead)) == [third]


def test_a_receiver_may_say_no_and_is_not_given_it_again(reviewer, second_reviewer):
    case = hand_over(make_case(), reviewer, second_reviewer)
    taken = queue.claim_next(by=second_reviewer)
    passing.not_for_me(taken, by=second_reviewer, token=taken.lease_token)
    hand_over(case, reviewer, second_reviewer)
    assert queue.claim_next(by=second_reviewer) is None
    [waits] = keeping.kept_by(second_reviewer)["handed"]
    assert waits.case == case


def test_handed_back_it_comes_first_again(reviewer, second_reviewer):
    case = hand_over(make_case(), reviewer, second_reviewer)
    hand_over(case, second_reviewer, reviewer)
    assert queue.claim_next(by=reviewer) == case


@pytest.mark.parametrize("token", ["another tab's", ""])
def test_a_stale_tab_hands_nothing_over(reviewer, second_reviewer, token):
    held = queue.claim(make_case(), by=reviewer)
    with pytest.raises(CaseConflict):
        handing.hand_over(held, by=reviewer, token=token, to=second_reviewer, note="n", draft={})
    assert Case.objects.worked_on_by(reviewer).get() == held


def test_who_is_switched_off_keeps_nothing_handed(reviewer, second_reviewer, operator):
    case = hand_over(make_case(), reviewer, second_reviewer)
    assert queue.take_back(second_reviewer, by=operator) == 1
    assert queue.workable_by(reviewer).get() == case


def test_the_figures(reviewer, second_reviewer):
    hand_over(make_case(), reviewer, second_reviewer)
    theirs, mine = listing.figures(second_reviewer), listing.figures(reviewer)
    assert (theirs["kept"], theirs["yours"], theirs["waiting"]) == (1, 0, 1)
    assert (mine["others_hold"], mine["yours"]) == (1, 0)


@pytest.mark.parametrize("kind", ["work", "hold", "handed"])
def test_a_lead_takes_over_any_lease(reviewer, second_reviewer, lead, kind):
    case, mine = make_case(), make_case()
    queue.claim(mine, by=lead)
    held = queue.claim(case, by=reviewer)
    queue.renew(held, by=reviewer, token=held.lease_token, draft=DRAFT)
    if kind == "hold":
        holding.hold(
            held, by=reviewer, token=held.lease_token, hours=1, reason="later", draft=DRAFT
        )
    if kind == "handed":
        hand_over(case, reviewer, second_reviewer)
    taken = handing.take_over(case, by=lead)
    assert (taken.leased_by, taken.lease_kind) == (lead, "work")
    assert list(Case.objects.leased_to(lead)) == [case]
    left = case.reviews.get(reviewer=reviewer)
    assert left.ended == ("handed" if kind == "handed" else "taken_over")
    assert left.draft == DRAFT
    holder = second_reviewer if kind == "handed" else reviewer
    event = CustodyEvent.objects.get(action="case_taken_over")
    assert event.after == {"from": holder.person.pseudonym}
    assert handing.take_over(case, by=lead) == taken  # a second press
    assert CustodyEvent.objects.filter(action="case_taken_over").count() == 1


def test_a_lead_does_not_take_over_what_is_not_for_them(reviewer, second_reviewer, lead, person):
    other = person("lars", "lead")
    case = settled(make_case(), lead, "REMOVE_KNOWN")
    queue.claim(case, by=reviewer)
    with pytest.raises(queue.NotYours, match="already answered"):
        handing.take_over(case, by=lead)
    with pytest.raises(queue.NotYours, match="Only a lead"):
        handing.take_over(case, by=second_reviewer)
    assert handing.take_over(case, by=other).leased_by == other


@pytest.mark.django_db(transaction=True)
def test_taken_over_while_it_is_answered(reviewer, lead):
    held = queue.claim(make_case(), by=reviewer)
    results = in_threads(
        lambda: handing.take_over(held, by=lead),
        lambda: answers.give(
            held,
            by=reviewer,
            token=held.lease_token,
            edit_no=held.edit_no,
            answer="REMOVE_KNOWN",
            idempotency_key="k",
        ),
    )
    failed = [type(r).__name__ for r in results if isinstance(r, Exception)]
    assert failed in (["NotYours"], ["CaseConflict"])
    assert Case.objects.leased_to(reviewer).count() == 0


@pytest.mark.django_db(transaction=True)
def test_two_who_hand_over_to_each_other_wait_for_nobody(reviewer, second_reviewer):
    for _ in range(3):
        one, two = make_case(), make_case()
        first, second = queue.claim(one, by=reviewer), queue.claim(two, by=second_reviewer)

        def hand(held, by, to):
            return handing.hand_over(held, by=by, token=held.lease_token, to=to, note="n", draft={})

        results = in_threads(
            lambda first=first: hand(first, reviewer, second_reviewer),
            lambda second=second: hand(second, second_reviewer, reviewer),
        )
        assert results == [None, None]
        assert Case.objects.get(pk=one.pk).leased_by == second_reviewer
        assert Case.objects.get(pk=two.pk).leased_by == reviewer


@pytest.mark.django_db(transaction=True)
def test_two_presses_hand_it_over_once(reviewer, second_reviewer):
    held = queue.claim(make_case(), by=reviewer)

    def press():
        handing.hand_over(
            held, by=reviewer, token=held.lease_token, to=second_reviewer, note="n", draft={}
        )

    results = in_threads(press, press)
    assert sorted(type(result).__name__ for result in results) == ["CaseConflict", "NoneType"]
    assert CustodyEvent.objects.filter(action="case_handed_over").count() == 1
