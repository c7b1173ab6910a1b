"""The state machine of a case, row by row: every pair of a state and an event, and each verb on
the wrong state changes nothing."""

import pytest
from django.db import IntegrityError, transaction

from moderation.models import Case, CustodyEvent, Flag
from moderation.models.case import CaseConflict
from moderation.review import decisions, merging, queue, rounds, waiting
from tests.moderation.review.making import make_case

pytestmark = pytest.mark.django_db

# The table of console.md 1, as it is meant; the code has its own.
ANSWERED_FROM = ["open", "proposed", "disputed", "escalated"]
TABLE = {
    **{(state, "answer"): "answered" for state in ANSWERED_FROM},
    ("answered", "propose"): "proposed",
    ("answered", "dispute"): "disputed",
    ("answered", "escalate"): "escalated",
    ("answered", "wait"): "waiting",
    ("answered", "merge"): "merged",
    ("answered", "close"): "closed",
    ("answered", "requeue"): "open",
    ("proposed", "requeue"): "open",
    ("disputed", "requeue"): "open",
    ("escalated", "requeue"): "open",
    ("waiting", "wake"): "open",
    ("closed", "reopen"): "open",
    ("merged", "reopen"): "open",
}
EVENTS = sorted({event for _, event in TABLE})
STATES = ["open", "answered", "proposed", "disputed", "escalated", "waiting", "merged", "closed"]


def case_in(state):
    other = Case.objects.create() if state == "merged" else None
    return Case.objects.create(state=state, merged_into=other)


def test_there_are_no_other_states():
    assert sorted(STATES) == sorted(Case.State.values)
    assert {event for _, event in Case.TRANSITIONS} == set(EVENTS)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_every_pair(state, event):
    case = case_in(state)
    target = TABLE.get((state, event))
    if target is None:
        with pytest.raises(CaseConflict):
            case.move(event)
        case.refresh_from_db()
        assert (case.state, case.edit_no) == (state, 0)
        return
    case.move(event, merged_into=case_in("open") if event == "merge" else None)
    case.refresh_from_db()
    assert (case.state, case.edit_no) == (target, 1)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("to", STATES)
def test_undo_goes_back_to_where_answers_are_given_alone(state, to):
    case = case_in(state)
    if state == "answered" and to in ANSWERED_FROM:
        case.move("undo", to=to)
        assert Case.objects.get(pk=case.pk).state == to
        return
    with pytest.raises(CaseConflict):
        case.move("undo", to=to)
    assert Case.objects.get(pk=case.pk).state == state


def test_of_two_who_move_a_case_one_wins():
    case = case_in("open")
    late = Case.objects.get(pk=case.pk)
    case.move("answer")
    with pytest.raises(CaseConflict):
        late.move("answer")
    assert Case.objects.get().edit_no == 1


@pytest.mark.parametrize("state", STATES)
def test_each_verb_acts_from_its_own_states_alone(state, lead):
    done = []
    case = make_case(near=True)
    other = make_case(near=True) if state == "merged" else None
    Case.objects.filter(pk=case.pk).update(state=state, merged_into=other)
    Flag.objects.filter(case=case).update(case=other or case, merged_from=case if other else None)
    case.refresh_from_db()
    events = CustodyEvent.objects.count()
    for verb, call in {
        "reopen": lambda: decisions.reopen(case, because="new_match"),
        "separate": lambda: merging.separate(case, because="lead: wrong", by=lead),
        "send_back": lambda: rounds.send_back(case, by=lead, token="tab", reason="wrong"),
        "wake": lambda: waiting.wake(case.pk, because="waited"),
        "claim": lambda: queue.claim(case, by=lead),
    }.items():
        try:
            with transaction.atomic():
                if call():
                    done.append(verb)
                    transaction.set_rollback(True)
        except (CaseConflict, queue.NotYours):
            pass
    allowed = {"closed": ["reopen"], "merged": ["separate"], "waiting": ["wake"]}
    assert done == allowed.get(state, ["claim"] if state in ANSWERED_FROM else [])
    case.refresh_from_db()
    assert (case.state, CustodyEvent.objects.count()) == (state, events)


def test_a_merged_case_names_another_and_no_other_case_does():
    other = Case.objects.create()
    for fields in ({"state": "merged"}, {"merged_into": other}):
        with pytest.raises(IntegrityError, match="merged_names_a_case"), transaction.atomic():
            Case.objects.create(**fields)
    case = Case.objects.create(state="merged", merged_into=other)
    with pytest.raises(IntegrityError, match="merged_into_another"), transaction.atomic():
        Case.objects.filter(pk=case.pk).update(merged_into=case.pk)


@pytest.mark.parametrize("state", STATES)
def test_no_case_is_in_two_work_lists(state, reviewer, lead):
    case = make_case(harm_class="csam")
    other = Case.objects.create(harm_class="unknown") if state == "merged" else None
    Case.objects.filter(pk=case.pk).update(state=state, merged_into=other)
    reviewers = [each for each in queue.states_of(reviewer) if each == state]
    leads = [each for each in Case.FOR_LEADS if each == state]
    assert len(reviewers) + len(leads) <= 1
    for user in (reviewer, lead):
        lists = [bool(queue.offered_to(user).filter(pk=case.pk, state=each)) for each in Case.State]
        assert sum(lists) <= 1
    assert queue.offered_to(reviewer).filter(pk=case.pk).exists() == (state in ("open", "proposed"))
