"""Files of approved reports: who may have which, what is in them, and what is on record."""

import csv
import hashlib
import io
import json

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from moderation.evidence import store
from moderation.models import Case, CustodyEvent, Dataset
from reports import drafting, exporting
from reports.models import Export, Report, ReportRefused
from tests.moderation.review.making import add_entry, make_case, settled

from .making import REMOVE, approved, confirmed_case, draft_of, filed, make_real, proposed

pytestmark = pytest.mark.django_db
URL = "https://pictures.example/a/b.jpg?x=1"


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


@pytest.fixture
def report(case: Case, reporter: User, second_reporter: User) -> Report:
    return approved(case, by=second_reporter, composer=reporter)


def test_the_agencys_json_is_the_sealed_payload_byte_for_byte(
    report: Report, reporter: User
) -> None:
    made = exporting.export([report], by=reporter, purpose="filing", format="json", whole=True)
    assert made.data == store.open_sealed(report.payload)
    assert made.record.sha256 == report.payload.sha256
    assert made.name == f"test-iwf-export-{made.record.pk}.json"
    assert URL in made.data.decode()


def test_the_agencys_csv_holds_the_same_rows(report: Report, reporter: User) -> None:
    made = exporting.export([report], by=reporter, purpose="filing", format="csv", whole=True)
    (row,) = read(made.data)
    (sealed,) = json.loads(store.open_sealed(report.payload))["rows"]
    assert list(row) == list(sealed)
    assert row["url"] == URL
    assert row["hashes"] == sealed["hashes"][0]
    assert json.loads(row["match_basis"]) == sealed["match_basis"]
    assert json.loads(row["ai_indication"]) == sealed["ai_indication"]
    assert row["other_reports"] == ""
    assert made.data.count(b"\r\n") == 2


@pytest.mark.parametrize("format", ["csv", "json"])
def test_an_overview_is_masked(report: Report, reporter: User, format: str) -> None:
    made = exporting.export([report], by=reporter, purpose="figures", format=format, whole=False)
    text = made.data.decode()
    entry = report.items.get().entry
    assert "b.jpg" not in text
    assert bytes(entry.md5).hex() not in text
    assert "https://pictures.example/…" in text
    assert f"md5:{bytes(entry.md5).hex()[:8]}…" in text
    assert made.name.startswith("test-iwf-masked-export-")


@pytest.mark.parametrize(("format", "whole"), [("csv", True), ("csv", False), ("json", False)])
def test_the_record_says_who_why_how_many_and_which_bytes(
    report: Report, reporter: User, format: str, whole: bool
) -> None:
    made = exporting.export([report], by=reporter, purpose=" filing ", format=format, whole=whole)
    record = Export.objects.get()
    assert list(record.reports.all()) == [report]
    assert (record.format, record.whole, record.rows) == (format, whole, 1)
    assert (record.purpose, record.asked_by) == ("filing", reporter)
    assert record.sha256 == hashlib.sha256(made.data).hexdigest()
    event = CustodyEvent.objects.order_by("seq").last()
    assert (event.action, event.object_type, event.object_id) == (
        "reports_exported",
        "export",
        str(record.pk),
    )
    assert event.file_sha256 == record.sha256
    assert event.after == {"reports": [report.pk], "format": format, "whole": whole, "rows": 1}


def test_several_reports_in_one_file(
    report: Report, reviewer: User, second_reviewer: User, reporter: User, second_reporter: User
) -> None:
    other = filed(
        confirmed_case(reviewer, second_reviewer, entries=2),
        by=second_reporter,
        composer=reporter,
    )
    made = exporting.export(
        [other, report, other], by=reporter, purpose="filing", format="json", whole=True
    )
    rows = json.loads(made.data)["rows"]
    assert [row["report_id"] for row in rows] == [report.pk, other.pk, other.pk]
    assert made.record.rows == 3


def test_columns_are_chosen_from_the_list_for_overviews_alone(
    report: Report, reporter: User
) -> None:
    asked = ["dataset", "report_id"]
    made = exporting.export(
        [report], by=reporter, purpose="figures", format="csv", whole=False, columns=asked
    )
    assert made.data.decode() == f"report_id,dataset\r\n{report.pk},laguna\r\n"
    whole = exporting.export(
        [report], by=reporter, purpose="filing", format="csv", whole=True, columns=asked
    )
    assert len(read(whole.data)[0]) == 16
    with pytest.raises(ReportRefused, match="columns from the list"):
        exporting.export(
            [report], by=reporter, purpose="x", format="csv", whole=False, columns=["caption"]
        )


def test_formulas_are_escaped_from_the_dataset_to_the_file(
    reviewer: User, second_reviewer: User, reporter: User, second_reporter: User
) -> None:
    case = make_case(entries=0)
    add_entry(case, row_key='=HYPERLINK("http://a.example")')
    Dataset.objects.update(name="@laguna")
    settled(case, reviewer, REMOVE)
    settled(case, second_reviewer, REMOVE)
    report = approved(case, by=second_reporter, composer=reporter)
    for whole in (True, False):
        made = exporting.export([report], by=reporter, purpose="filing", format="csv", whole=whole)
        (row,) = read(made.data)
        assert row["row_key"] == '\'=HYPERLINK("http://a.example")'
        assert row["dataset"] == "'@laguna"


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_never_begins_with_a_formula_sign(sign: str) -> None:
    assert exporting.escaped(f"{sign}1a") == f"'{sign}1a"
    assert exporting.escaped(f"1{sign}") == f"1{sign}"
    data = exporting.to_csv([{"a": f"{sign}1+1", "b": [f"{sign}x", "y"]}], ["a", "b"])
    (row,) = read(data)
    assert row == {"a": f"'{sign}1+1", "b": f"'{sign}x; y"}


def test_a_key_that_is_a_negative_number_stays_that_key(
    reviewer: User, second_reviewer: User, reporter: User, second_reporter: User
) -> None:
    case = make_case(entries=0)
    add_entry(case, row_key="-1979901434736108304")
    settled(case, reviewer, REMOVE)
    settled(case, second_reviewer, REMOVE)
    report = approved(case, by=second_reporter, composer=reporter)
    made = exporting.export([report], by=reporter, purpose="filing", format="csv", whole=True)
    (row,) = read(made.data)
    assert row["row_key"] == "-1979901434736108304"


@pytest.mark.parametrize("number", ["-1", "-0.5", "12", "-1979901434736108304"])
def test_a_plain_number_is_no_formula(number: str) -> None:
    assert exporting.escaped(number) == number


@pytest.mark.parametrize(
    "text", ["+1", "--1", "-1-1", "-1.", "-.5", "-1.2.3", "-1e5", "-1+A1", "-1\n", "-1 ", "-", "-١"]
)
def test_what_only_begins_like_a_number_is_escaped(text: str) -> None:
    assert exporting.escaped(text) == f"'{text}"


def test_an_operator_has_overviews_but_no_full_links(report: Report, operator: User) -> None:
    made = exporting.export([report], by=operator, purpose="count", format="csv", whole=False)
    assert made.record.asked_by == operator
    with pytest.raises(exporting.NotAllowed, match="url_raw"):
        exporting.export([report], by=operator, purpose="count", format="csv", whole=True)
    assert Export.objects.count() == 1


def test_who_does_not_export_has_no_file(
    report: Report, reviewer: User, lead: User, auditor: User, outsider: User
) -> None:
    for user in (reviewer, lead, auditor, outsider):
        with pytest.raises(exporting.NotAllowed, match="report_export"):
            exporting.export([report], by=user, purpose="x", format="csv", whole=False)
    assert not Export.objects.exists()


@pytest.mark.parametrize(
    ("purpose", "format", "why"),
    [
        ("  ", "csv", "what the file is for"),
        ("see https://a.example", "csv", "plain words"),
        ("filing", "xlsx", "CSV or JSON"),
    ],
)
def test_a_request_that_says_too_little_or_too_much_is_refused(
    report: Report, reporter: User, purpose: str, format: str, why: str
) -> None:
    with pytest.raises(ReportRefused, match=why):
        exporting.export([report], by=reporter, purpose=purpose, format=format, whole=False)
    assert not Export.objects.exists()


def test_only_approved_reports_leave(
    reviewer: User, second_reviewer: User, reporter: User, second_reporter: User
) -> None:
    first, second, third = (confirmed_case(reviewer, second_reviewer) for _ in range(3))
    ready = approved(first, by=second_reporter, composer=reporter)
    waiting = [draft_of(second), proposed(third, by=reporter)]
    drafting.withdraw(ready, by=reporter, reason="told by phone")
    for report in (*waiting, ready):
        with pytest.raises(ReportRefused, match="Only approved"):
            exporting.export([report], by=reporter, purpose="x", format="csv", whole=False)
    with pytest.raises(ReportRefused, match="Only approved"):
        exporting.export([], by=reporter, purpose="x", format="csv", whole=False)


def test_environments_and_data_never_mix_in_a_file(
    report: Report, reviewer: User, second_reviewer: User, reporter: User, second_reporter: User
) -> None:
    other = approved(
        confirmed_case(reviewer, second_reviewer), by=second_reporter, composer=reporter
    )
    Report.objects.filter(pk=other.pk).update(environment="production")
    with pytest.raises(ReportRefused, match="never go into one file"):
        exporting.export([report, other], by=reporter, purpose="x", format="csv", whole=False)
    with pytest.raises(ReportRefused, match="set to test"):
        exporting.export([other], by=reporter, purpose="x", format="csv", whole=False)
    make_real()
    with (
        override_settings(SYNTHETIC=False),
        pytest.raises(ReportRefused, match="Real data never leaves"),
    ):
        exporting.export([report], by=reporter, purpose="x", format="csv", whole=True)
    assert not Export.objects.exists()


def test_a_payload_that_cannot_be_read_is_said(report: Report, reporter: User) -> None:
    store.shred(report.payload)
    with pytest.raises(ReportRefused, match="cannot be read"):
        exporting.export([report], by=reporter, purpose="x", format="csv", whole=False)
    assert not Export.objects.exists()
