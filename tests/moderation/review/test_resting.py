"""Rest from looks: the cases after L3, the end of a shift, breaks, and classes left out."""

from datetime import timedelta

import pytest
from django.utils import timezone

from moderation.models import Case, CustodyEvent, Reveal, Review, Wellness
from moderation.review import exposure, handing, holding, keeping, listing, queue, resting
from tests.moderation.review.making import answer, make_case, seal_copies
from tests.moderation.views.test_previews import SESSION, picture

pytestmark = pytest.mark.django_db
DRAFT = {"answer": "REMOVE_KNOWN", "reason": "same boat"}


@pytest.fixture(autouse=True)
def _evidence(settings, tmp_path):
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()


def case_with_copies() -> Case:
    case = make_case(near=True)
    seal_copies(case.flags.get().entry, picture())
    return case


def open_levels(case, by):
    steps = exposure.levels(case, case.flags.get().entry, by=by)
    return [step.number for step in steps if step.number and not step.locked and not step.drawing]


def look_at_l3(case, by):
    ticket = exposure.reveal(case, case.flags.get().entry, by=by, level=3, session=SESSION)
    exposure.open_ticket(ticket, by=by, session=SESSION)


def test_after_l3_the_next_two_cases_are_for_their_evidence_alone(reviewer):
    first, second, third, fourth = (case_with_copies() for _ in range(4))
    look_at_l3(queue.claim(first, by=reviewer), reviewer)
    assert open_levels(first, reviewer) == [1, 2, 3]  # the case it was for
    for case in (second, third):
        held = queue.claim(case, by=reviewer)
        assert open_levels(case, reviewer) == []
        with pytest.raises(exposure.Locked, match="evidence alone"):
            exposure.reveal(held, case.flags.get().entry, by=reviewer, level=1, session=SESSION)
    queue.claim(fourth, by=reviewer)
    assert open_levels(fourth, reviewer) == [1, 2, 3]


def test_a_look_of_yesterday_keeps_nothing_shut(reviewer):
    first, second = case_with_copies(), case_with_copies()
    look_at_l3(queue.claim(first, by=reviewer), reviewer)
    queue.claim(second, by=reviewer)
    Reveal.objects.update(opened_at=timezone.now() - timedelta(hours=25))
    assert open_levels(second, reviewer) == [1, 2, 3]


@pytest.mark.parametrize("level", [1, 2])
def test_after_other_levels_nothing_is_shut(reviewer, level):
    first, second = case_with_copies(), case_with_copies()
    held = queue.claim(first, by=reviewer)
    ticket = exposure.reveal(
        held, first.flags.get().entry, by=reviewer, level=level, session=SESSION
    )
    exposure.open_ticket(ticket, by=reviewer, session=SESSION)
    queue.claim(second, by=reviewer)
    assert open_levels(second, reviewer) == [1, 2, 3]


@pytest.mark.parametrize(
    ("minutes", "levels"), [(31, [1, 2, 3]), (29, [1, 2]), (-60, [1, 2]), (-500, [1, 2, 3])]
)
def test_there_is_no_l3_at_the_end_of_a_shift(reviewer, minutes, levels):
    case = queue.claim(case_with_copies(), by=reviewer)
    ends = timezone.now() + timedelta(minutes=minutes)
    Wellness.objects.create(person=reviewer, shift_ends_at=ends)
    assert open_levels(case, reviewer) == levels


def test_a_chosen_highest_level_holds_for_its_class_alone(reviewer):
    case = queue.claim(case_with_copies(), by=reviewer)
    Wellness.objects.create(person=reviewer, highest={"csam": 1})
    assert open_levels(case, reviewer) == [1]
    Case.objects.update(harm_class="other")
    assert open_levels(Case.objects.get(), reviewer) == [1, 2, 3]


def test_a_break_is_suggested_after_so_many_answers_and_not_again(reviewer, settings):
    settings.CASES_TO_BREAK = 2
    answer(make_case(), reviewer, "REMOVE_KNOWN")
    assert not resting.break_due(by=reviewer)
    answer(make_case(), reviewer, "REMOVE_KNOWN")
    assert resting.break_due(by=reviewer)
    resting.count_anew(by=reviewer)
    assert not resting.break_due(by=reviewer)
    Wellness.objects.all().delete()
    Review.objects.update(answered_at=timezone.now() - timedelta(hours=25))
    assert not resting.break_due(by=reviewer)


def test_a_break_gives_the_case_back_keeps_the_draft_and_what_is_on_hold(reviewer):
    on_hold, case = make_case(), make_case()
    held = queue.claim(on_hold, by=reviewer)
    holding.hold(held, by=reviewer, token=held.lease_token, hours=4, reason="Asked", draft={})
    queue.claim(case, by=reviewer)
    assert resting.take_break(by=reviewer, draft=DRAFT)
    assert not Case.objects.worked_on_by(reviewer).exists()
    assert Case.objects.leased_to(reviewer).get() == on_hold
    queue.claim(case, by=reviewer)
    assert case.reviews.get(ended="").draft == DRAFT
    assert not resting.break_due(by=reviewer)
    last = CustodyEvent.objects.filter(object_id=str(case.pk), action="case_released")
    assert last.get().reason == ""  # a plain release: nobody reads that it was a break


def test_a_break_without_a_case_is_a_break_too(reviewer):
    assert not resting.take_break(by=reviewer, draft={})


def test_what_is_left_out_comes_neither_by_next_nor_in_the_queue(reviewer, second_reviewer):
    left_out, other = make_case(priority=9, harm_class="other"), make_case()
    Wellness.objects.create(person=reviewer, opted_out=["other"])
    assert list(queue.visible_to(reviewer)) == [other]
    assert listing.figures(reviewer)["yours"] == 1
    assert listing.figures(reviewer)["waiting"] == 1
    assert queue.claim_next(by=reviewer) == other
    queue.release(other, by=reviewer, token=Case.objects.get(pk=other.pk).lease_token)
    assert queue.claim_next(by=second_reviewer) == left_out


def test_what_is_left_out_and_handed_over_waits_where_one_can_say_no(reviewer, second_reviewer):
    case = queue.claim(make_case(harm_class="other"), by=reviewer)
    Wellness.objects.create(person=second_reviewer, opted_out=["other"])
    assert second_reviewer in handing.receivers(case, by=reviewer)  # nobody learns of it
    handing.hand_over(
        case, by=reviewer, token=case.lease_token, to=second_reviewer, note="yours", draft={}
    )
    assert queue.claim_next(by=second_reviewer) is None
    assert [kept.case for kept in keeping.kept_by(second_reviewer)["handed"]] == [case]
    assert queue.claim(case, by=second_reviewer)
