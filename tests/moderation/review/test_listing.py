"""The queue in figures and parts: counts are exact without counting, places hold in any length."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Count, Sum
from django.utils import timezone

from moderation.models import Case, CaseTally
from moderation.review import listing, passing, queue
from tests.moderation.review.making import make_case, settled

pytestmark = pytest.mark.django_db


def tally():
    rows = CaseTally.objects.values_list("state", "triage").annotate(n=Sum("cases"))
    return {(state, triage): n for state, triage, n in rows if n}


def counted():
    rows = Case.objects.values_list("state", "triage").annotate(n=Count("pk"))
    return {(state, triage): n for state, triage, n in rows}


def test_the_tally_is_the_count_whatever_happens_to_cases(reviewer, second_reviewer):
    Case.objects.bulk_create(Case(triage=t) for t in ("high", "high", "critical"))
    assert tally() == counted() == {("open", "high"): 2, ("open", "critical"): 1}
    Case.objects.filter(triage="high").update(triage="standard")
    Case.objects.update(state="closed")
    assert tally() == counted() == {("closed", "standard"): 2, ("closed", "critical"): 1}
    Case.objects.filter(triage="standard").delete()
    assert tally() == counted() == {("closed", "critical"): 1}
    case = settled(make_case(triage="high"), reviewer, "REMOVE_KNOWN")
    assert tally() == counted()
    settled(case, second_reviewer, "KEEP")
    assert tally() == counted()
    assert tally()["disputed", "high"] == 1


def test_a_change_that_moves_no_count_leaves_no_note(reviewer):
    make_case()
    notes = CaseTally.objects.count()
    queue.claim_next(by=reviewer)
    assert CaseTally.objects.count() == notes


def test_summing_up_changes_no_count():
    for _ in range(5):
        make_case(triage="high")
    Case.objects.update(state="closed")
    assert CaseTally.objects.count() > 1
    before = tally()
    CaseTally.objects.all().sum_up()
    assert tally() == before
    assert CaseTally.objects.count() == 1


def test_the_figures_are_what_a_count_of_every_case_gives(person, reviewer, second_reviewer, lead):
    third = person("tess", "reviewer")
    for number in range(12):
        case = make_case(priority=float(number % 3), triage="high")
        if number % 4 == 1:
            settled(case, (reviewer, third)[number % 2], "KEEP")
        if number % 4 == 2:
            settled(settled(case, second_reviewer, "REMOVE_KNOWN"), third, "KEEP")
        if number % 4 == 3:
            settled(case, third, "ESCALATE")
    queue.claim_next(by=second_reviewer)
    queue.claim(Case.objects.filter(state="proposed").first(), by=lead)
    for case in Case.objects.filter(state="open").unleased()[:2]:
        held = queue.claim(case, by=reviewer)
        passing.not_for_me(held, by=reviewer, token=held.lease_token)
    for user in (reviewer, second_reviewer, third, lead):
        figures = listing.figures(user)
        workable = queue.offered_to(user)
        assert figures["yours"] == workable.count()
        assert figures["first"] == workable.filter(state="open").count()
        assert figures["second"] == workable.filter(state="proposed").count()
        assert figures["lead"] == workable.filter(state__in=Case.FOR_LEADS).count()
        assert figures["oldest"] == workable.order_by("opened_at").first().opened_at
        assert figures["waiting"] == Case.objects.in_work().count()
        assert figures["others_hold"] == Case.objects.leased().exclude(leased_by=user).count()
        told = ("yours", "others_hold", "you_answered", "you_left", "you_passed_on", "kept")
        told = (*told, "for_leads")
        assert sum(figures[name] for name in told) + (figures["held"] is not None) == 12
        assert min(figures[name] for name in told) >= 0


def test_what_is_due_is_counted_no_further_than_it_is_told(reviewer, monkeypatch):
    monkeypatch.setattr(listing, "COUNTED", 2)
    soon = timezone.now() + timedelta(hours=1)
    for expected in ((1, False), (2, False), (2, True), (2, True)):
        make_case(due_at=soon)
        figures = listing.figures(reviewer)
        assert (figures["due"], figures["due_goes_on"]) == expected


def test_every_case_stands_in_one_part_forwards_and_backwards():
    opened = timezone.now()
    for number in range(23):
        case = make_case(priority=(8.0, 4.0, 1 / 3)[number % 3])
        if number % 2:
            Case.objects.filter(pk=case.pk).update(opened_at=opened)
    expected = list(Case.objects.by_priority())

    found, part = [], listing.part(Case.objects.all(), after=None, before=None, size=5)
    assert not part.more_before
    while True:
        found += part.cases
        if not part.more_behind:
            break
        part = listing.part(Case.objects.all(), after=part.cases[-1], before=None, size=5)
        assert part.more_before
    assert found == expected

    part = listing.part(Case.objects.all(), after=None, before=expected[17], size=5)
    assert part.cases == expected[12:17]
    assert part.more_before
    assert part.more_behind


@pytest.mark.parametrize(("after", "before"), [(None, 3), (None, 0), (22, None)])
def test_a_place_with_nothing_before_or_behind_it_shows_the_first_part(after, before):
    for _ in range(23):
        make_case()
    order = list(Case.objects.by_priority())
    part = listing.part(
        Case.objects.all(),
        after=None if after is None else order[after],
        before=None if before is None else order[before],
        size=5,
    )
    assert part.cases == order[:5]
    assert not part.more_before
    assert part.more_behind


def test_a_filter_of_state_and_triage_is_told_its_number(reviewer):
    make_case(triage="high")
    make_case(triage="high", state="closed")
    make_case(triage="standard")
    assert listing.total({}, classes=queue.classes_of(reviewer)) == 2
    assert listing.total({"triage": "high"}, classes=queue.classes_of(reviewer)) == 1
    assert listing.total({"state": "closed"}, classes=queue.classes_of(reviewer)) == 1
    assert (
        listing.total({"state": "closed", "triage": "standard"}, classes=queue.classes_of(reviewer))
        == 0
    )
    assert listing.total({"match": "exact"}, classes=queue.classes_of(reviewer)) is None


def test_next_is_one_select_that_skips_what_others_lock(reviewer):
    from django.test.utils import CaptureQueriesContext

    make_case()
    with CaptureQueriesContext(connection) as captured:
        queue.claim_next(by=reviewer)
    handed, select = [each["sql"] for each in captured if "SKIP LOCKED" in each["sql"]]
    assert "\"lease_kind\" = 'handed'" in handed
    for each in (handed, select):
        assert each.endswith('LIMIT 1 FOR NO KEY UPDATE OF "moderation_case" SKIP LOCKED')


def test_next_does_not_read_what_stands_before_it_for_others(reviewer, second_reviewer):
    """However much waits for leads at the top, the next case of a reviewer is found by an index."""
    Case.objects.bulk_create(Case(state="disputed", priority=16) for _ in range(3000))
    Case.objects.bulk_create(Case(priority=8) for _ in range(3000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE moderation_case")
    first = queue.offered_to(reviewer).by_priority()[:1]
    plan = first.explain(analyze=True, timing=False, summary=False, costs=False)
    assert "case_reviewers_order" in plan
    assert "Rows Removed" not in plan, plan
    handed = queue.handed_to(reviewer).by_priority()[:1]
    plan = handed.explain(analyze=True, timing=False, summary=False, costs=False)
    assert "Index Scan using handed_over" in plan, plan
