"""Two who remove under different answers, and what a lead does: settle, or send back."""

import pytest

from moderation.models import Case, CustodyEvent, Decision, Entry, KnownHash, Removal, Review
from moderation.models.case import CaseConflict
from moderation.review import offers, queue, rounds
from moderation.signals import case_confirmed
from tests.moderation.review.making import answer, make_case, settled

pytestmark = pytest.mark.django_db

KNOWN, SUSPECT, OTHER = "REMOVE_KNOWN", "REMOVE_SUSPECT", "REMOVE_OTHER"


@pytest.fixture
def heard():
    """What was heard of confirmed cases: a report is drafted then."""
    told = []

    def listen(sender, case, decision, **kwargs):
        told.append((case.pk, decision.code, decision.harm_class))

    case_confirmed.connect(listen)
    yield told
    case_confirmed.disconnect(listen)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"code": KNOWN}, {"code": SUSPECT}),
        ({"code": KNOWN}, {"code": OTHER, "harm_class": "other"}),
        ({"code": SUSPECT}, {"code": SUSPECT, "harm_class": "non_photographic"}),
    ],
)
def test_two_who_remove_differently_have_removed_and_a_lead_settles_how(
    reviewer, second_reviewer, lead, heard, first, second
):
    case = settled(make_case(entries=2), reviewer, **first)
    case = settled(case, second_reviewer, **second)
    assert (case.state, case.closed_at) == ("disputed", None)
    assert Removal.objects.filter(state="due").count() == 2
    assert Entry.objects.in_quarantine().count() == 2
    assert Decision.objects.get().harm_class == "csam"  # the more serious one, until it is settled
    assert not heard
    assert list(case.reviews.values_list("why_another", flat=True)) == ["removal", "codes"]
    case = settled(case, lead, OTHER, harm_class="abuse_related")
    assert case.state == "closed"
    decision = case.decisions.standing().get()
    assert (decision.code, decision.harm_class) == (OTHER, "abuse_related")
    assert decision.second == lead
    assert heard == [(case.pk, OTHER, "abuse_related")]
    assert Removal.objects.count() == 2


def test_what_two_have_removed_a_lead_cannot_keep(reviewer, second_reviewer, lead):
    case = settled(settled(make_case(), reviewer, KNOWN), second_reviewer, SUSPECT)
    open_ = [each.answer for each in offers.offers(case, stage="lead") if not each.locked]
    assert open_ == list(Review.REMOVALS)
    for code in ("KEEP_LIST_ERROR", "CANNOT_TELL", "DUPLICATE_OF"):
        with pytest.raises(offers.AnswerNotOffered):
            answer(case, lead, code)


def test_a_lead_who_settles_finds_answer_1_under_what_the_list_says(
    reviewer, second_reviewer, lead
):
    """The case stands under the more serious class meanwhile, which the list never said."""
    case = make_case(harm_class="other")
    KnownHash.objects.update(scheme="decided:other", category="")
    case = settled(settled(case, reviewer, KNOWN), second_reviewer, SUSPECT, harm_class="csam")
    assert (case.state, case.harm_class) == ("disputed", "csam")
    [first, *_] = offers.offers(case, stage="lead")
    assert first.classes == ("other",)
    with pytest.raises(offers.WrongClass, match="“Other harm under local policy”"):
        answer(case, lead, KNOWN, harm_class="csam")
    case = settled(case, lead, KNOWN, harm_class="other")
    assert case.decisions.standing().get().harm_class == "other"


def test_a_lead_s_code_stands_against_a_second_person_s(reviewer, second_reviewer, lead):
    case = settled(settled(make_case(), reviewer, "ESCALATE"), lead, SUSPECT)
    case = settled(case, second_reviewer, KNOWN)
    assert case.state == "closed"
    assert case.decisions.get().code == SUSPECT


def test_another_harm_class_closes_under_it_and_reports_nothing(reviewer, second_reviewer):
    case = settled(make_case(), reviewer, OTHER, harm_class="adult_intimate")
    case = settled(case, second_reviewer, OTHER, harm_class="adult_intimate")
    assert (case.state, case.harm_class) == ("closed", "adult_intimate")
    assert Removal.objects.get().state == "due"
    assert not case.reports.exists()


def test_why_it_goes_to_another_person_is_on_record(reviewer, second_reviewer, lead):
    case = settled(settled(make_case(), reviewer, "KEEP"), second_reviewer, KNOWN)
    assert list(case.reviews.values_list("why_another", flat=True)) == ["keep", "verdicts"]
    events = CustodyEvent.objects.filter(action__in=("case_proposed", "case_disputed"))
    assert list(events.values_list("reason", flat=True)) == ["keep", "verdicts"]
    alone = settled(settled(make_case(), reviewer, "ESCALATE"), lead, KNOWN)
    assert list(alone.reviews.values_list("why_another", flat=True)) == ["asked", "lead_alone"]


@pytest.mark.parametrize("codes", [(KNOWN, "KEEP"), (KNOWN, "ESCALATE"), (KNOWN, SUSPECT)])
def test_sent_back_is_open_and_answered_anew(reviewer, second_reviewer, lead, codes):
    case = settled(settled(make_case(), reviewer, codes[0]), second_reviewer, codes[1])
    held = queue.claim(case, by=lead)
    case = rounds.send_back(held, by=lead, token=held.lease_token, reason="mind the colour")
    case = Case.objects.get(pk=case.pk)
    assert (case.state, case.leased_by, case.lease_kind) == ("open", None, "")
    assert case.reopened_because == "lead: mind the colour"
    assert not case.reviews.standing().exists()
    event = CustodyEvent.objects.last()
    assert (event.action, event.before["state"]) == ("case_requeued", held.state)
    assert queue.workable_by(reviewer).filter(pk=case.pk).exists()
    assert not queue.workable_by(lead).filter(pk=case.pk, state__in=Case.FOR_LEADS).exists()
    assert Removal.objects.count() == (1 if SUSPECT in codes else 0)  # what stands, stands
    case = settled(settled(case, reviewer, KNOWN), second_reviewer, KNOWN)
    assert case.state == "closed"
    assert Removal.objects.count() == 1


def test_only_who_has_it_sends_it_back(reviewer, second_reviewer, lead):
    case = settled(settled(make_case(), reviewer, KNOWN), second_reviewer, "KEEP")
    queue.claim(case, by=lead)
    with pytest.raises(CaseConflict):
        rounds.send_back(case, by=lead, token="another tab", reason="wrong")
    assert Case.objects.get().state == "disputed"
