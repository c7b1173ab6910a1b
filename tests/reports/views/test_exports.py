"""The export dialog and the file it gives."""

import hashlib
import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from moderation.models import Case
from reports.models import Export, Report
from tests.reports.making import approved, draft_of

pytestmark = pytest.mark.django_db
Login = Callable[[User], Client]
DIALOG, FILE = "reports:export", "reports:export_file"


@pytest.fixture
def report(case: Case, reporter: User, second_reporter: User) -> Report:
    return approved(case, by=second_reporter, composer=reporter)


def ask(client: Client, approved_report: Report, /, **said: object) -> object:
    said = {
        "report": [approved_report.pk],
        "kind": "whole",
        "format": "csv",
        "purpose": "filing",
    } | said
    return client.post(reverse(FILE), said)


def test_the_dialog_masks_by_default(report: Report, reporter: User, login: Login) -> None:
    answer = login(reporter).get(reverse(DIALOG), {"report": report.pk})
    page = answer.content.decode()
    assert 'value="masked" checked' in page
    assert 'value="whole" checked' not in page
    assert f'name="report" value="{report.pk}"' in page
    assert answer["Cache-Control"] == "no-store"


def test_from_a_report_the_agencys_file_is_marked_for_who_may_have_it(
    report: Report, reporter: User, operator: User, login: Login
) -> None:
    page = login(reporter).get(reverse("reports:detail", args=[report.pk])).content.decode()
    address = f"{reverse(DIALOG)}?report={report.pk}&amp;kind=whole"
    assert f'href="{address}"' in page
    page = login(reporter).get(address.replace("&amp;", "&")).content.decode()
    assert 'value="whole" checked' in page
    assert 'value="masked" checked' not in page
    page = login(operator).get(address.replace("&amp;", "&")).content.decode()
    assert 'value="masked" checked' in page


def test_without_approved_reports_there_is_no_dialog(
    case: Case, reporter: User, login: Login
) -> None:
    client = login(reporter)
    for named in ("", draft_of(case).pk, "x", "9" * 30):
        answer = client.get(reverse(DIALOG), {"report": named}, follow=True)
        assert "mark them in the list" in answer.content.decode()


@pytest.mark.parametrize("format", ["csv", "json"])
def test_the_file_is_an_attachment_that_nobody_stores(
    report: Report, reporter: User, login: Login, format: str
) -> None:
    answer = ask(login(reporter), report, format=format)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    record = Export.objects.get()
    assert answer["Content-Disposition"] == (
        f'attachment; filename="test-iwf-export-{record.pk}.{format}"'
    )
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert record.sha256 == hashlib.sha256(answer.content).hexdigest()
    assert "b.jpg" in answer.content.decode()


def test_the_overview_with_chosen_columns(report: Report, operator: User, login: Login) -> None:
    answer = ask(
        login(operator), report, kind="masked", format="json", columns=["report_id", "url"]
    )
    (row,) = json.loads(answer.content)["rows"]
    assert row == {"report_id": report.pk, "url": "https://pictures.example/…"}


def test_an_operator_sees_why_the_agencys_file_is_locked_and_is_refused(
    report: Report, operator: User, login: Login
) -> None:
    client = login(operator)
    page = client.get(reverse(DIALOG), {"report": report.pk}).content.decode()
    assert "Your role has no full links." in page
    assert ask(client, report).status_code == 403
    assert not Export.objects.exists()


@pytest.mark.parametrize(
    "said",
    [
        {"purpose": ""},
        {"purpose": "https://a.example"},
        {"kind": "everything"},
        {"format": "xlsx"},
        {"columns": ["caption"]},
        {"report": []},
        {"report": ["x"]},
    ],
)
def test_a_wrong_request_comes_back_and_leaves_no_record(
    report: Report, reporter: User, login: Login, said: dict
) -> None:
    answer = ask(login(reporter), report, **said)
    assert answer.status_code == 400
    assert not Export.objects.exists()


def test_the_export_is_named_on_the_report(report: Report, reporter: User, login: Login) -> None:
    client = login(reporter)
    ask(client, report, purpose="for the hotline")
    page = client.get(reverse("reports:detail", args=[report.pk])).content.decode()
    assert "Exported as CSV, the agency’s file, 1 row: for the hotline" in page
    assert "Nobody exported the agency" not in page  # so filing it asks nothing more
