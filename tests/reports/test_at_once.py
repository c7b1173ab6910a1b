"""Several people at the same moment: of two callers one wins, and nobody waits for ever."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.db import connection

from moderation.models import CustodyEvent, SealedObject
from moderation.review import decisions
from reports import drafting, submitting
from reports.models import Report, ReportConflict, ReportRefused

from .making import confirmed_case, draft_of, proposed

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Start the calls together, each on its own connection; their results or why not."""
    start = Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        try:
            start.wait()
            return call()
        except (ReportConflict, ReportRefused) as refused:
            return refused
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_two_approvals_at_once(
    reviewer: User, second_reviewer: User, reporter: User, second_reporter: User, person: Callable
) -> None:
    third = person("rolf", "reporter")
    report = proposed(confirmed_case(reviewer, second_reviewer), by=reporter)
    results = at_once(
        *(
            lambda by=by: submitting.approve(report, by=by)
            for by in (second_reporter, third, second_reporter, third)
        )
    )
    assert sum(isinstance(result, Report) for result in results) == 1
    assert sum(isinstance(result, ReportConflict) for result in results) == 3
    assert CustodyEvent.objects.filter(action="report_approved").count() == 1
    readable = SealedObject.objects.readable().filter(kind="payload")
    assert readable.get() == Report.objects.get(pk=report.pk).payload


def test_drafts_at_once(reviewer: User, second_reviewer: User, reporter: User) -> None:
    case = confirmed_case(reviewer, second_reviewer)
    drafting.withdraw(draft_of(case), by=reporter, reason="again")
    results = at_once(*(lambda: drafting.draft(case, by=reporter) for _ in range(4)))
    assert {result[0].pk for result in results if isinstance(result, list)} == {draft_of(case).pk}
    assert draft_of(case).items.count() == 1


def test_approval_and_reopening_at_once_do_not_wait_for_each_other(
    reviewer: User, second_reviewer: User, reporter: User, second_reporter: User
) -> None:
    reports = [proposed(confirmed_case(reviewer, second_reviewer), by=reporter) for _ in range(4)]
    for report in reports:
        at_once(
            lambda report=report: submitting.approve(report, by=second_reporter),
            lambda report=report: decisions.reopen(report.case, because="value withdrawn"),
        )
    assert set(Report.objects.values_list("state", flat=True)) == {"withdrawn"}
    assert CustodyEvent.objects.check_chain().intact
