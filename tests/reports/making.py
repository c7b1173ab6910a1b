"""Rows for the report tests: confirmed cases and reports in every state, all made up."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from moderation.models import Case, CustodyEvent, Dataset, HashList
from reports import drafting, submitting
from reports.models import Report
from tests.moderation.review.making import make_case, settled

REMOVE = "REMOVE_KNOWN"


def confirmed_case(first: User, second: User, **fields: Any) -> Case:
    """A case that two people have confirmed; its report is drafted by the signal."""
    case = make_case(**fields)
    settled(case, first, REMOVE)
    return settled(case, second, REMOVE)


def draft_of(case: Case) -> Report:
    return case.reports.live().get()


def proposed(case: Case, *, by: User) -> Report:
    return drafting.propose(draft_of(case), by=by)


def approved(case: Case, *, by: User, composer: User) -> Report:
    return submitting.approve(proposed(case, by=composer), by=by)


def filed(case: Case, *, by: User, composer: User, reference: str = "IWF-1") -> Report:
    report = approved(case, by=by, composer=composer)
    submitting.file(
        report,
        by=by,
        channel="form",
        external_reference=reference,
        submitted_at=timezone.now(),
    )
    return Report.objects.get(pk=report.pk)


def events_of(report: Report) -> list[str]:
    """The actions in the chain about this report, oldest first."""
    about = CustodyEvent.objects.filter(object_type="report", object_id=str(report.pk))
    return list(about.order_by("seq").values_list("action", flat=True))


@contextmanager
def production() -> Iterator[None]:
    """A site with real data whose reports go to production."""
    with override_settings(SYNTHETIC=False, REPORT_ENVIRONMENT="production"):
        yield


def make_real() -> None:
    """Say of every dataset and list that it is real."""
    Dataset.objects.update(synthetic=False)
    HashList.objects.update(synthetic=False)


def make_synthetic() -> None:
    Dataset.objects.update(synthetic=True)
    HashList.objects.update(synthetic=True)
