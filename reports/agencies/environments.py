"""Test or production, and the rule that made-up and real data never mix in a report (H17)."""

from django.conf import settings

from moderation.models import Case, Dataset, HashList
from reports.models import Report, ReportRefused


def environment_now() -> str:
    """Return where reports of this site go: test, unless production is set explicitly."""
    if settings.REPORT_ENVIRONMENT == Report.Environment.PRODUCTION:
        return Report.Environment.PRODUCTION.value
    return Report.Environment.TEST.value


def check_environment(report: Report) -> None:
    """Raise ReportRefused when a production report meets a site that is not set to production."""
    if report.is_production and environment_now() != Report.Environment.PRODUCTION:
        raise ReportRefused(
            "This report is for production and the site is set to test: set "
            "REPORT_ENVIRONMENT=production, or withdraw the report."
        )


def check_data(case: Case, environment: str) -> None:
    """Raise ReportRefused when made-up data would leave through production, or real through test.

    A site with SYNTHETIC set holds made-up data only, whatever its datasets and lists say.
    """
    kinds = {True} if settings.SYNTHETIC else _kinds(case)
    if environment == Report.Environment.PRODUCTION:
        if True in kinds:
            raise ReportRefused(
                "Made-up data is never reported in production: this case touches a synthetic "
                "dataset or hash list."
            )
    elif False in kinds:
        raise ReportRefused(
            "Real data never leaves through the test environment: set "
            "REPORT_ENVIRONMENT=production, then draft the report again."
        )


def _kinds(case: Case) -> set[bool]:
    datasets = Dataset.objects.filter(revisions__entries__flag__case=case)
    lists = HashList.objects.filter(known_hashes__matches__flag__case=case)
    kinds = set(datasets.order_by().values_list("synthetic", flat=True).distinct())
    return kinds | set(lists.order_by().values_list("synthetic", flat=True).distinct())


def blockers(report: Report) -> list[str]:
    """Return what now forbids sending this report, for its page; empty when nothing does."""
    found = []
    try:
        check_environment(report)
    except ReportRefused as refused:
        found.append(str(refused))
    try:
        check_data(report.case, report.environment)
    except ReportRefused as refused:
        found.append(str(refused))
    return found
