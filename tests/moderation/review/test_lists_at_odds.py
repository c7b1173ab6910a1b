"""What a person is told before they look, and when an exact match with a trusted list is not enough
to keep L2 and up shut."""

import secrets
from datetime import timedelta

import pytest
from django.utils import timezone

from moderation.hash_lists import precision
from moderation.models import Case, HashList, KnownHash, ListPrecision, Reveal
from moderation.models.list_precision import FEW_LOOKS
from moderation.review import exposure, queue
from tests.moderation.review.making import add_entry, make_case, seal_copies, settled, withdraw
from tests.moderation.views.test_previews import picture

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _evidence(settings, tmp_path):
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()


@pytest.fixture
def case(reviewer):
    """One exact match with a trusted list, previews made, in the reviewer's hands."""
    made = make_case()
    seal_copies(made.flags.get().entry, picture())
    KnownHash.objects.update(category="A")
    return queue.claim(made, by=reviewer)


def locked(case, by):
    """Why L2 is shut; empty where it is open."""
    entry = case.flags.order_by("pk").first().entry
    steps = exposure.levels(case, entry, by=by)
    return next(step.locked for step in steps if step.number == 2 and not step.drawing)


def classed(case, **fields):
    """Another exact match of the case, its known hash classed by these fields."""
    add_entry(case, slug="tide", trust="standard")
    known = KnownHash.objects.latest("pk")
    KnownHash.objects.filter(pk=known.pk).update(**fields)


def test_where_the_lists_are_at_one_l2_stays_shut(case, reviewer):
    classed(case, scheme="iwf", category="B")  # another grade, the same class
    assert "analysts have assessed" in locked(case, reviewer)
    assert exposure.advice(case).startswith("You need not look.")


def test_where_lists_give_different_classes_it_opens(case, reviewer):
    classed(case, scheme="arachnid", category="harmful-abusive-material")
    assert locked(case, reviewer) == ""
    assert "the lists do not say of which class it is" in exposure.advice(case)


def test_a_value_without_a_class_contradicts_nobody(case, reviewer):
    classed(case, scheme="iwf", category="no such thing")
    assert locked(case, reviewer) != ""


def test_what_our_own_list_says_contradicts_nobody(case, reviewer):
    classed(case, scheme="decided:other", category="")
    HashList.objects.filter(slug="tide").update(own=True)
    assert locked(case, reviewer) != ""


def test_where_a_list_took_its_value_back_it_opens(case, reviewer):
    withdraw(case)
    assert locked(case, reviewer) == ""
    assert "a list has taken back a known hash" in exposure.advice(case)


def test_a_value_given_another_category_is_not_taken_back(case, reviewer):
    withdraw(case, again=True)
    assert locked(case, reviewer) != ""


@pytest.mark.parametrize(("until", "shut"), [(None, False), (-1, True), (1, False)])
def test_where_a_known_hash_is_disabled_it_opens_until_it_is_back(case, reviewer, until, shut):
    ends = None if until is None else timezone.now() + timedelta(hours=until)
    KnownHash.objects.update(disabled_at=timezone.now(), disabled_until=ends)
    assert bool(locked(case, reviewer)) is shut


# --- what was usually enough ---------------------------------------------------------------------
def near_case_closed(*people, level=0, by=None, opened=True):
    """A near case that people decided; ``by`` looked at it up to a level."""
    case = make_case(near=True)
    if level:
        now = timezone.now()
        Reveal.objects.create(
            case=case,
            entry=case.flags.get().entry,
            reviewer=by or people[0],
            level=level,
            ticket_digest=secrets.token_bytes(32),
            opened_at=now if opened else None,
        )
    for person in people:
        case = settled(case, person, "REMOVE_KNOWN")
    assert case.state == "closed"
    return case


def told():
    precision.count()
    kept = ListPrecision.objects.get(hash_list__slug="harbour-trusted")
    return kept.near_level, exposure.advice(make_case(near=True))


def test_of_a_list_by_which_few_were_decided_nothing_is_told(reviewer, second_reviewer):
    for _ in range(FEW_LOOKS - 1):
        near_case_closed(reviewer, second_reviewer, level=1)
    level, advice = told()
    assert level is None
    assert "usually" not in advice


def test_the_median_of_the_highest_level_that_who_answered_looked_at(
    reviewer, second_reviewer, lead
):
    for _ in range(4):
        near_case_closed(reviewer, second_reviewer)
    for _ in range(4):
        near_case_closed(reviewer, second_reviewer, level=1)
    for _ in range(2):
        near_case_closed(reviewer, second_reviewer, level=2)
    level, advice = told()
    assert level == 1
    assert f"For the list harbour-trusted L1 was usually enough ({FEW_LOOKS} cases)." in advice


@pytest.mark.parametrize("how", ["not opened", "by somebody else", "exact"])
def test_what_was_no_look_of_theirs_counts_for_nothing(reviewer, second_reviewer, lead, how):
    for _ in range(FEW_LOOKS):
        case = near_case_closed(
            reviewer,
            second_reviewer,
            level=2,
            by=lead if how == "by somebody else" else None,
            opened=how != "not opened",
        )
        if how == "exact":
            add_entry(case)
    level, advice = told()
    if how == "exact":
        assert level is None
    else:
        assert level == 0
        assert "For the list harbour-trusted usually no look was needed" in advice


def test_a_case_that_is_open_again_is_no_longer_counted(reviewer, second_reviewer):
    for _ in range(FEW_LOOKS):
        near_case_closed(reviewer, second_reviewer, level=1)
    assert told()[0] == 1
    Case.objects.filter(state="closed").first().move("reopen", closed_at=None)
    assert told()[0] is None
