"""Where settled answers lead: every row of the transition table, and what a decision does."""

import pgtrigger
import pytest
from django.db import IntegrityError, connection, transaction

from moderation.models import Case, Decision, Entry, Removal
from moderation.models.case import CaseConflict
from moderation.review import decisions, queue
from moderation.signals import case_confirmed, case_reopened
from tests.moderation.review.making import add_entry, make_case, settled

pytestmark = pytest.mark.django_db

KNOWN, SUSPECT, KEEP, ESCALATE = (
    "REMOVE_KNOWN",
    "REMOVE_SUSPECT",
    "KEEP",
    "ESCALATE",
)

# near matches only?, the answers in order (who, what), the state after each, the last verdict
TABLE = [
    (False, [("rhea", KNOWN)], ["proposed"], None),
    (True, [("rhea", KNOWN)], ["proposed"], None),
    (True, [("rhea", SUSPECT)], ["proposed"], None),
    (True, [("rhea", KEEP)], ["proposed"], None),
    (True, [("rhea", KEEP), ("sven", KEEP)], ["proposed", "closed"], "cleared"),
    (True, [("rhea", KEEP), ("sven", SUSPECT)], ["proposed", "disputed"], None),
    (True, [("rhea", SUSPECT), ("sven", KEEP)], ["proposed", "disputed"], None),
    (
        True,
        [("rhea", KEEP), ("sven", SUSPECT), ("lena", KEEP)],
        ["proposed", "disputed", "closed"],
        "cleared",
    ),
    (False, [("rhea", KEEP)], ["proposed"], None),
    (False, [("rhea", ESCALATE)], ["escalated"], None),
    (False, [("rhea", KNOWN), ("sven", KNOWN)], ["proposed", "closed"], "confirmed"),
    (False, [("rhea", KNOWN), ("sven", SUSPECT)], ["proposed", "disputed"], "confirmed"),
    (
        False,
        [("rhea", KNOWN), ("sven", SUSPECT), ("lena", SUSPECT)],
        ["proposed", "disputed", "closed"],
        "confirmed",
    ),
    (False, [("rhea", KNOWN), ("sven", KEEP)], ["proposed", "disputed"], None),
    (False, [("rhea", KEEP), ("sven", KEEP)], ["proposed", "closed"], "cleared"),
    (False, [("rhea", KEEP), ("sven", KNOWN)], ["proposed", "disputed"], None),
    (False, [("rhea", KNOWN), ("sven", ESCALATE)], ["proposed", "escalated"], None),
    (
        False,
        [("rhea", KNOWN), ("sven", KEEP), ("lena", SUSPECT)],
        ["proposed", "disputed", "closed"],
        "confirmed",
    ),
    (
        False,
        [("rhea", KNOWN), ("sven", KEEP), ("lena", KEEP)],
        ["proposed", "disputed", "closed"],
        "cleared",
    ),
    (
        False,
        [("rhea", KNOWN), ("sven", ESCALATE), ("lena", KNOWN)],
        ["proposed", "escalated", "closed"],
        "confirmed",
    ),
    (False, [("rhea", ESCALATE), ("lena", KEEP)], ["escalated", "proposed"], None),
    (
        False,
        [("rhea", ESCALATE), ("lena", KEEP), ("sven", KEEP)],
        ["escalated", "proposed", "closed"],
        "cleared",
    ),
    (
        False,
        [("rhea", KNOWN), ("sven", ESCALATE), ("lena", KEEP)],
        ["proposed", "escalated", "proposed"],
        None,
    ),
    (
        False,
        [("rhea", KNOWN), ("sven", ESCALATE), ("lena", KEEP), ("lou", KNOWN)],
        ["proposed", "escalated", "proposed", "closed"],
        "confirmed",
    ),
    (False, [("rhea", ESCALATE), ("lena", KNOWN)], ["escalated", "proposed"], None),
    (
        False,
        [("rhea", ESCALATE), ("lena", KNOWN), ("sven", KNOWN)],
        ["escalated", "proposed", "closed"],
        "confirmed",
    ),
    (
        False,
        [("rhea", ESCALATE), ("lena", KNOWN), ("sven", KEEP), ("lou", KEEP)],
        ["escalated", "proposed", "disputed", "closed"],
        "cleared",
    ),
]


@pytest.fixture
def cast(reviewer, second_reviewer, lead, person):
    return {
        "rhea": reviewer,
        "sven": second_reviewer,
        "lena": lead,
        "lou": person("lou", "lead"),
    }


@pytest.mark.parametrize(("near", "steps", "states", "verdict"), TABLE)
def test_the_table(cast, near, steps, states, verdict):
    case = make_case(near=near)
    seen = []
    for who, code in steps:
        case = settled(case, cast[who], code)
        seen.append(case.state)
    assert seen == states
    decision = Decision.objects.last()
    assert (decision.verdict if decision else None) == verdict
    assert (case.closed_at is not None) == (states[-1] == "closed")
    if verdict:
        assert decision.first != decision.second
        assert {decision.first, decision.second} <= set(cast.values())


def test_a_confirmed_case_names_both_and_asks_every_entry_out(cast):
    seen = []

    def listen(sender, case, decision, **kwargs):
        assert transaction.get_connection().in_atomic_block
        seen.append((case.pk, case.state, decision.pk))

    case_confirmed.connect(listen)
    try:
        case = settled(make_case(entries=3), cast["rhea"], KNOWN)
        assert not seen
        case = settled(case, cast["sven"], KNOWN)
    finally:
        case_confirmed.disconnect(listen)
    decision = Decision.objects.get()
    assert (decision.first, decision.second) == (cast["rhea"], cast["sven"])
    assert (decision.code, decision.harm_class) == (KNOWN, "csam")
    assert seen == [(case.pk, "closed", decision.pk)]
    assert case.harm_class == "csam"
    removals = Removal.objects.filter(decision=decision)
    assert set(removals.values_list("state", flat=True)) == {"due"}
    assert set(removals.values_list("entry", flat=True)) == set(
        Entry.objects.values_list("pk", flat=True)
    )
    assert Entry.objects.in_quarantine().count() == 3


def test_the_first_settled_removal_quarantines_at_once(cast):
    settled(make_case(near=True, entries=2), cast["rhea"], SUSPECT)
    assert Entry.objects.in_quarantine().count() == 2


def test_cleared_leaves_quarantine(cast):
    case = make_case()
    Entry.objects.update(quarantined_at=case.opened_at)
    case = settled(case, cast["rhea"], KEEP)
    assert Entry.objects.in_quarantine().count() == 1
    settled(case, cast["sven"], KEEP)
    assert not Entry.objects.in_quarantine().exists()
    assert not Removal.objects.exists()


INSERT = """
    INSERT INTO moderation_decision (case_id, verdict, code, harm_class, first_id, second_id, at)
    VALUES (%s, %s, %s, 'csam', %s, %s, now())
"""


@pytest.mark.parametrize("verdict", Decision.Verdict.values)
@pytest.mark.parametrize("second", ["rhea", None])
def test_the_database_refuses_a_verdict_of_one_person(cast, verdict, second):
    code = KNOWN if verdict == "confirmed" else KEEP
    second_id = cast[second].pk if second else None
    row = [make_case().pk, verdict, code, cast["rhea"].pk, second_id]
    with (
        pytest.raises(IntegrityError, match="two_people_decide"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(INSERT, row)
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [*row[:-1], cast["sven"].pk])
    assert Decision.objects.get().second == cast["sven"]


@pytest.mark.parametrize("code", [KNOWN, KEEP])
@pytest.mark.parametrize("second", ["first_id", "NULL"])
def test_the_database_refuses_to_make_it_one_person_later(cast, code, second):
    settled(settled(make_case(), cast["rhea"], code), cast["sven"], code)
    with (
        pgtrigger.ignore("moderation.Decision:decisions_stand"),
        pytest.raises(IntegrityError, match="two_people_decide"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"UPDATE moderation_decision SET second_id = {second}")
    assert Decision.objects.get().second == cast["sven"]


def test_no_verdict_has_one_person_on_both_sides(cast):
    case = settled(make_case(), cast["rhea"], KNOWN)
    review = case.reviews.get()
    for close in (decisions.confirm, decisions.clear):
        with pytest.raises(decisions.SamePerson), transaction.atomic():
            close(case, first=review, second=review)
    assert Case.objects.get().state == "proposed"


def test_asking_removals_again_adds_only_what_is_new(cast):
    case = settled(settled(make_case(), cast["rhea"], KNOWN), cast["sven"], KNOWN)
    decision = Decision.objects.get()
    assert decisions.ask_removals(decision) == 0
    entry = add_entry(case)
    assert decisions.ask_removals(decision) == 1
    assert entry.removals.get().state == "due"


def test_reopened_begins_a_new_round(cast):
    heard = []

    def listen(sender, case, **kwargs):
        heard.append(case.pk)

    case = settled(settled(make_case(), cast["rhea"], KNOWN), cast["sven"], KNOWN)
    case_reopened.connect(listen)
    try:
        case = decisions.reopen(case, because="known hash 4 withdrawn")
    finally:
        case_reopened.disconnect(listen)
    assert (case.state, case.closed_at) == ("open", None)
    assert case.reopened_because == "known hash 4 withdrawn"
    assert heard == [case.pk]
    assert not case.reviews.standing().exists()
    assert Removal.objects.standing().count() == 1
    assert case.decisions.standing().get().verdict == "confirmed"
    assert queue.claim(case, by=cast["rhea"]) == case


def test_only_a_closed_case_is_reopened(cast):
    with pytest.raises(CaseConflict):
        decisions.reopen(make_case(), because="known hash 4 withdrawn")


def test_a_reopened_case_confirmed_again_keeps_its_removal(cast):
    case = settled(settled(make_case(), cast["rhea"], KNOWN), cast["sven"], KNOWN)
    old = Decision.objects.get()
    case = decisions.reopen(case, because="known hash 4 withdrawn")
    settled(settled(case, cast["sven"], SUSPECT), cast["rhea"], SUSPECT)
    new = case.decisions.standing().get()
    assert (new.supersedes, new.code) == (old, SUSPECT)
    assert Removal.objects.get().state == "due"


def test_restoring_takes_two(cast):
    case = settled(settled(make_case(near=True), cast["rhea"], KNOWN), cast["sven"], KNOWN)
    case = decisions.reopen(case, because="known hash 4 withdrawn")
    case = settled(case, cast["rhea"], KEEP)
    assert case.state == "proposed"
    assert Removal.objects.get().state == "due"
    case = settled(case, cast["sven"], KEEP)
    assert case.state == "closed"
    assert Removal.objects.get().state == "withdrawn"
    assert case.decisions.standing().get().verdict == "cleared"
    assert not Entry.objects.in_quarantine().exists()


def test_restoring_is_no_lead_s_alone(cast):
    case = settled(settled(make_case(), cast["rhea"], KNOWN), cast["sven"], KNOWN)
    case = decisions.reopen(case, because="known hash 4 withdrawn")
    case = settled(settled(case, cast["rhea"], ESCALATE), cast["lena"], KEEP)
    assert case.state == "proposed"
    assert settled(case, cast["sven"], KEEP).state == "closed"


def test_what_is_verified_gone_stays_gone(cast):
    case = settled(settled(make_case(), cast["rhea"], KNOWN), cast["sven"], KNOWN)
    Removal.objects.update(state="verified")
    case = decisions.reopen(case, because="known hash 4 withdrawn")
    settled(settled(case, cast["rhea"], KEEP), cast["sven"], KEEP)
    assert Removal.objects.get().state == "verified"
