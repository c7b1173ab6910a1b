"""Each address of the desk for each role, logged in or not, by GET and by POST."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from moderation.models import Case, CustodyEvent
from moderation.permissions import ROLES
from reports.models import Report
from tests.reports.making import confirmed_case, draft_of, filed

pytestmark = pytest.mark.django_db
READS = ["list", "detail", "export"]
STEPS = [
    "draft",
    "edit",
    "propose",
    "send_back",
    "approve",
    "withdraw",
    "file",
    "correct",
    "answer",
    "url",
    "export_file",
]
# Which roles pass; everybody else gets 403.
MAY = {
    "list": {"reporter", "operator"},
    "detail": {"reporter", "operator"},
    "export": {"reporter", "operator"},
    "export_file": {"reporter", "operator"},
    **{name: {"reporter"} for name in STEPS if name != "export_file"},
}


def address(name: str, report: Report) -> str:
    if name in ("list", "export", "export_file"):
        return reverse(f"reports:{name}")
    if name == "draft":
        return reverse("reports:draft", args=[report.case_id])
    if name == "url":
        return reverse("reports:url", args=[report.pk, report.items.get().pk])
    return reverse(f"reports:{name}", args=[report.pk])


@pytest.mark.parametrize("role", [*ROLES, ""])
def test_who_may_go_where(
    case: Case, person: Callable[..., User], login: Callable[[User], Client], role: str
) -> None:
    report = draft_of(case)
    client = login(person("petra", *([role] if role else [])))
    for name in READS:
        status = client.get(address(name, report)).status_code
        if role in MAY[name]:
            assert status in (200, 302), (role, name)
        else:
            assert status == 403, (role, name)
    for name in STEPS:
        steps = CustodyEvent.objects.exclude(action="attempt_refused")
        events = steps.count()
        status = client.post(address(name, report), {}).status_code
        if role in MAY[name]:
            assert status in (200, 302, 400), (role, name)
        else:
            assert status == 403, (role, name)
            assert steps.count() == events
    assert Report.objects.get(pk=report.pk).state == "draft"


def test_nobody_passes_without_a_login(case: Case) -> None:
    report = draft_of(case)
    for name in READS:
        answer = Client().get(address(name, report))
        assert answer.status_code == 302
        assert answer.url.startswith(reverse("login"))
    for name in STEPS:
        answer = Client().post(address(name, report))
        assert answer.status_code == 302
        assert answer.url.startswith(reverse("login"))


def test_steps_refuse_get_and_reads_refuse_post(
    case: Case, reporter: User, login: Callable[[User], Client]
) -> None:
    report, client = draft_of(case), login(reporter)
    for name in STEPS:
        assert client.get(address(name, report)).status_code == 405, name
    for name in READS:
        assert client.post(address(name, report)).status_code == 405, name


def test_steps_need_the_token_against_forged_requests(case: Case, reporter: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(reporter)
    report = draft_of(case)
    for name in STEPS:
        assert client.post(address(name, report), {"edit_no": 0}).status_code == 403, name
    assert Report.objects.get(pk=report.pk).state == "draft"


def test_a_report_that_is_not_there(reporter: User, login: Callable[[User], Client]) -> None:
    client = login(reporter)
    assert client.get(reverse("reports:detail", args=[404])).status_code == 404
    assert client.post(reverse("reports:approve", args=[404])).status_code == 404
    assert client.post(reverse("reports:draft", args=[404])).status_code == 404


def test_an_item_of_another_report_is_not_shown(
    case: Case,
    reviewer: User,
    second_reviewer: User,
    reporter: User,
    second_reporter: User,
    login: Callable[[User], Client],
) -> None:
    other = filed(confirmed_case(reviewer, second_reviewer), by=second_reporter, composer=reporter)
    address_of_other = reverse("reports:url", args=[draft_of(case).pk, other.items.get().pk])
    assert login(reporter).post(address_of_other).status_code == 404
