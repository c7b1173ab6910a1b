"""What the migration says of rows from before it: due dates, cases without a look, and skips."""

import importlib
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from moderation.models import Case, Review
from moderation.review import decisions, passing, queue
from moderation.review.passing import SkipReason
from moderation.scanning import priorities
from tests.moderation.review.making import add_entry, make_case, settled

pytestmark = pytest.mark.django_db(transaction=True)
FILLS = importlib.import_module("moderation.migrations.0041_back_to_people")


def fill(statement):
    """Run it as the migration does, with an index of the same tables after it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        for table in ("moderation_case", "moderation_review"):
            cursor.execute(f"CREATE INDEX tried ON {table} (id)")
            cursor.execute("DROP INDEX tried")


def test_what_came_back_is_due_from_then(reviewer, second_reviewer):
    case, other = make_case(), make_case()
    for each in (case, other):
        Case.objects.filter(pk=each.pk).update(opened_at=timezone.now() - timedelta(days=40))
        each.refresh_from_db()
        priorities.rate(each)
    case = settled(settled(case, reviewer, "KEEP"), second_reviewer, "KEEP")
    decisions.reopen(case, because="new_facts")
    expected = Case.objects.get(pk=case.pk).due_at
    # As it was before there was such a time.
    Case.objects.update(due_since=None, due_at=other.due_at)
    fill(FILLS.DUE)
    now = Case.objects.get(pk=case.pk)
    assert abs(now.due_at - expected) < timedelta(minutes=1)
    assert abs(timezone.now() - now.due_since) < timedelta(minutes=1)
    untouched = Case.objects.get(pk=other.pk)
    assert (untouched.due_since, untouched.due_at) == (None, other.due_at)


def test_which_cases_need_no_look():
    near, mixed, exact = make_case(near=True), make_case(trust="standard"), make_case()
    add_entry(mixed, algorithm="pdq", distance=3)
    expected = set(Case.objects.filter(assessed=True).values_list("pk", flat=True))
    assert expected == {exact.pk}
    assert near.pk not in expected
    Case.objects.update(assessed=False)
    fill(FILLS.ASSESSED)
    assert set(Case.objects.filter(assessed=True).values_list("pk", flat=True)) == expected


def test_who_skipped_for_that_reason(reviewer, second_reviewer):
    for case, person, reason in (
        (make_case(), reviewer, SkipReason.CONCERNED),
        (make_case(), reviewer, SkipReason.UNCLEAR),
        (make_case(), second_reviewer, SkipReason.CONCERNED),
    ):
        held = queue.claim(case, by=person)
        passing.skip(held, by=person, token=held.lease_token, reason=reason)
    expected = set(Review.objects.concerned().values_list("case", "reviewer"))
    assert len(expected) == 2
    Review.objects.update(concerned=False)
    fill(FILLS.CONCERNED)
    assert set(Review.objects.concerned().values_list("case", "reviewer")) == expected
