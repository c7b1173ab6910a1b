"""A list's precision: counted from final decisions that stand, and what it does to priorities."""

import math

import pytest

from moderation.hash_lists import precision
from moderation.models import Case, HashList, ListPrecision
from moderation.review import decisions
from moderation.scanning import priorities
from moderation.tasks import weigh_lists
from tests.moderation.review.making import add_entry, make_case, make_list, settled

pytestmark = pytest.mark.django_db
REMOVE, KEEP = "REMOVE_KNOWN", "KEEP"
LIST = "harbour-trusted"


@pytest.fixture
def decided(reviewer, second_reviewer):
    """Close a case by two people of one mind; ``decided("KEEP", near=True)``."""

    def decide(code, case=None, **fields):
        case = case or make_case(**fields)
        return settled(settled(case, reviewer, code), second_reviewer, code)

    return decide


def counted(slug=LIST):
    precision.count()
    kept = ListPrecision.objects.get(hash_list__slug=slug)
    return (
        (kept.exact_confirmed, kept.exact_reviewed),
        (kept.near_confirmed, kept.near_reviewed),
    )


def weigh(slug=LIST, **weights):
    """Give a list these weights, as if they had been counted."""
    ListPrecision.objects.update_or_create(
        hash_list=HashList.objects.get(slug=slug), defaults=weights
    )


@pytest.mark.parametrize(
    ("confirmed", "reviewed", "weight"),
    [(0, 0, 1), (500, 500, 1), (0, 1, 10 / 11), (9, 10, 0.95), (5, 10, 0.75), (0, 90, 0.5)],
)
def test_the_weight_of_a_match(confirmed, reviewed, weight):
    assert precision.weight(confirmed=confirmed, reviewed=reviewed) == pytest.approx(weight)


# --- counting ------------------------------------------------------------------------------------
def test_a_list_that_nobody_judged_counts_nothing(reviewer):
    settled(make_case(), reviewer, REMOVE)  # one person is no decision
    assert counted() == ((0, 0), (0, 0))
    kept = ListPrecision.objects.get()
    assert (kept.exact_weight, kept.near_weight, kept.weighed) == (1, 1, True)
    assert kept.percent is None


def test_exact_and_near_are_counted_apart(decided):
    decided(REMOVE)
    decided(KEEP)
    for code in (REMOVE, REMOVE, KEEP):
        decided(code, near=True)
    assert counted() == ((1, 2), (2, 3))
    kept = ListPrecision.objects.get()
    assert (kept.percent, kept.exact_percent, kept.near_percent) == (60, None, None)


def test_a_case_counts_once_for_a_list_and_as_exact_where_any_match_is(decided):
    case = make_case(near=True, entries=3)
    add_entry(case)
    add_entry(case, algorithm="pdq", distance=4, slug="tide")
    decided(REMOVE, case)
    assert counted() == ((1, 1), (0, 0))
    assert counted("tide") == ((0, 0), (1, 1))


def test_only_what_stands_and_is_final_counts(decided, reviewer, second_reviewer):
    case = decided(KEEP, near=True)
    assert counted() == ((0, 0), (0, 1))
    decisions.reopen(case, because="new_match")
    assert counted() == ((0, 0), (0, 0))
    decided(REMOVE, case)
    assert counted() == ((0, 0), (1, 1))
    case = settled(make_case(near=True), reviewer, REMOVE)
    case = settled(case, second_reviewer, "REMOVE_SUSPECT")
    assert (case.state, case.decisions.count()) == ("disputed", 1)  # removed; a lead says as what
    assert counted() == ((0, 0), (1, 1))


def test_a_share_is_rounded_down_and_needs_a_few(decided):
    kept = ListPrecision(exact_reviewed=4, exact_confirmed=4)
    assert kept.percent is None
    kept.near_reviewed, kept.near_confirmed = 996, 995
    assert (kept.percent, kept.near_percent) == (99, 99)


# --- weighing ------------------------------------------------------------------------------------
def rated(case):
    case.refresh_from_db()
    priorities.rate(case)
    return case.priority


def test_the_precision_of_its_kind_is_part_of_a_priority():
    near, exact = make_case(near=True, entries=2), make_case(entries=2)
    before = rated(near), rated(exact)
    weigh(near_weight=0.6)
    assert (rated(near), rated(exact)) == pytest.approx((before[0] * 0.6, before[1]))
    weigh(near_weight=0.6, exact_weight=0.8)
    assert rated(exact) == pytest.approx(before[1] * 0.8)


def test_of_several_lists_the_best_counts():
    case = make_case(near=True)
    add_entry(case, algorithm="pdq", distance=12, slug="tide")
    before = rated(case)
    weigh(near_weight=0.5)
    assert rated(case) == pytest.approx(before)
    weigh("tide", near_weight=0.7, exact_weight=0.5)
    assert rated(case) == pytest.approx(before * 0.7)
    add_entry(case)  # exact, on the list whose near matches are poor
    weigh(near_weight=0.5, exact_weight=0.9)
    severity = priorities.SEVERITY[Case.objects.get().triage]
    assert rated(case) == pytest.approx(severity * 2 * 0.9 * (1 + math.log10(3)))


def test_a_list_of_our_own_has_none_and_lends_none(decided):
    make_list("decided-here", trust="standard")
    HashList.objects.filter(slug="decided-here").update(own=True)
    case = make_case(near=True)
    before = rated(case)
    add_entry(case, algorithm="pdq", distance=12, slug="decided-here", trust="standard")
    reach = rated(case) / before
    weigh(near_weight=0.5)
    assert rated(case) == pytest.approx(before * reach * 0.5)
    decided(KEEP, case)
    assert counted() == ((0, 0), (0, 1))
    assert ListPrecision.objects.count() == 1
    alone = Case.objects.create(harm_class="csam")
    add_entry(alone, slug="decided-here", trust="standard")
    assert rated(alone) == pytest.approx(priorities.SEVERITY[alone.triage])


def test_rating_a_case_asks_no_more_for_more_decisions(decided, django_assert_max_num_queries):
    case = make_case(near=True)
    for _ in range(2):
        with django_assert_max_num_queries(6):
            priorities.rate(case)
        decided(KEEP, near=True)
        weigh_lists()


def test_cases_that_wait_sink_with_their_list(decided):
    waiting, other = make_case(near=True), make_case(near=True)
    add_entry(other, algorithm="pdq", distance=12, slug="tide")
    exact = make_case()
    before = [rated(each) for each in (waiting, other, exact)]
    closed = [decided(KEEP, near=True) for _ in range(4)]
    at_close = [Case.objects.get(pk=case.pk).priority for case in closed]
    weigh_lists()
    kept = ListPrecision.objects.get(hash_list__slug=LIST)
    assert kept.near_weight == pytest.approx(10 / 14)
    assert kept.weighed
    now = [Case.objects.get(pk=each.pk).priority for each in (waiting, other, exact)]
    assert now == pytest.approx([before[0] * 10 / 14, before[1], before[2]])
    assert [Case.objects.get(pk=case.pk).priority for case in closed] == at_close
    assert Case.objects.in_work().by_priority().last() == waiting
    assert rated(waiting) == pytest.approx(now[0])


def test_a_weight_moves_only_when_it_is_off(decided):
    make_list(LIST)
    weigh(near_weight=10 / 11 + precision.MOVES - 0.01)
    waiting = make_case(near=True)
    before = rated(waiting)
    decided(KEEP, near=True)
    weigh_lists()
    waiting.refresh_from_db()
    assert waiting.priority == before
    decided(KEEP, near=True)
    weigh_lists()
    waiting.refresh_from_db()
    assert waiting.priority < before


def test_what_a_stopped_worker_left_is_weighed_the_next_time(decided):
    waiting = make_case(near=True)
    before = rated(waiting)
    decided(KEEP, near=True)
    precision.count()
    assert not ListPrecision.objects.get().weighed
    weigh_lists()
    waiting.refresh_from_db()
    assert waiting.priority == pytest.approx(before * 10 / 11)
    assert priorities.weigh_again(ListPrecision.objects.get()) == 0
