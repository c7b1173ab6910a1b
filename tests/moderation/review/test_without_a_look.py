"""Whoever has no look left is given first what needs none."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from moderation.models import Case, Wellness
from moderation.review import budget, queue
from tests.moderation.review.making import add_entry, make_case, settled
from tests.moderation.review.test_budget import looked

pytestmark = pytest.mark.django_db


@pytest.fixture
def cases():
    """Near ones are more urgent; the last needs no look. An exact match with a standard list, and a
    near one with a trusted list beside it, is no such case."""
    near = make_case(near=True, priority=9)
    mixed = make_case(trust="standard", priority=8)
    add_entry(mixed, algorithm="pdq", distance=3)
    return [near, mixed, make_case(priority=1)]


def stop(person):
    Wellness.objects.create(person=person, stopped_at=timezone.now())


def given(person):
    """What Next gives, taken back at once."""
    case = queue.claim_next(by=person)
    if case is not None:
        queue.release(case, by=person, token=case.lease_token)
    return case


def test_with_looks_left_the_most_urgent_comes_first(cases, reviewer):
    assert given(reviewer) == cases[0]


def test_at_the_stop_what_needs_no_look_comes_first_and_then_the_others(cases, reviewer):
    stop(reviewer)
    assert queue.claim_next(by=reviewer) == cases[2]
    settled(cases[2], reviewer, "REMOVE_KNOWN")
    assert queue.claim_next(by=reviewer) == cases[0]


def test_at_a_limit_of_ones_own_too(cases, reviewer, settings):
    Wellness.objects.create(person=reviewer, day_limit=1)
    looked(reviewer, 3)
    assert budget.standing(by=reviewer).spent
    assert given(reviewer) == cases[2]
    Wellness.objects.update(day_limit=2)
    assert not budget.standing(by=reviewer).spent


def test_after_a_look_at_l3_for_as_many_cases_as_the_rest_takes(cases, reviewer, settings):
    settings.CASES_AFTER_L3 = 1
    looked(reviewer, 3, ago=timedelta(minutes=5))  # in the near case
    assert queue.claim_next(by=reviewer) == cases[2]
    settled(cases[2], reviewer, "REMOVE_KNOWN")
    make_case(priority=1)
    assert given(reviewer) == cases[0]


def test_a_look_of_yesterday_steers_nothing(cases, reviewer):
    looked(reviewer, 3, ago=timedelta(hours=25))
    assert given(reviewer) == cases[0]


def test_what_two_people_differ_about_needs_its_looks(cases, lead, reviewer, second_reviewer):
    settled(settled(cases[2], reviewer, "REMOVE_KNOWN"), second_reviewer, "KEEP")
    stop(lead)
    assert given(lead) == cases[0]


def test_it_is_the_same_number_of_queries_however_many_wait(cases, reviewer):
    stop(reviewer)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            case = queue.claim_next(by=reviewer)
        queue.release(case, by=reviewer, token=case.lease_token)
        return len(captured)

    queries()  # what is made on the first occasion
    few = queries()
    for _ in range(5):
        make_case()
        make_case(near=True)
    assert queries() == few


def test_it_is_found_by_its_index_behind_whatever_stands_before_it(reviewer):
    Case.objects.bulk_create(Case(priority=8, harm_class="csam") for _ in range(3000))
    last = make_case(priority=0.1)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE moderation_case")
    offered = queue.without_a_look(queue.offered_to(reviewer)).by_priority()[:1]
    plan = offered.explain(analyze=True, timing=False, summary=False, costs=False)
    assert "case_assessed_order" in plan
    assert "Sort" not in plan
    assert list(offered) == [last]


def test_start_next_says_so(login, reviewer):
    page = " ".join(login(reviewer).get("/queue/").content.decode().split())
    assert "exact matches with a trusted list come first: they need none" in page
