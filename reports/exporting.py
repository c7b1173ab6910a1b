"""Reports to a file, and who asked for it. Only an agency's own file holds full links and hashes.

Rows come from the sealed payloads: what leaves is what two people stand behind.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from moderation.evidence import sealing, store
from moderation.models import CustodyEvent
from moderation.permissions import REPORT_EXPORT, URL_RAW
from reports.agencies import environments, registry
from reports.agencies.base import Agency, Row
from reports.agencies.facts import masked, shortened
from reports.models import Export, Report, ReportRefused, refuse_links

FORMATS = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
LINKS = ("url", "page_url")


class NotAllowed(Exception):
    """This person may not have this file."""


@dataclass(frozen=True)
class ExportedFile:
    """The bytes as they go out, and the row that records them."""

    record: Export
    name: str
    content_type: str
    data: bytes


def export(
    reports: Iterable[Report],
    *,
    by: User,
    purpose: str,
    format: str,
    whole: bool,
    columns: Sequence[str] = (),
) -> ExportedFile:
    """Write approved reports of one agency and one environment to a file and return it.

    Args:
        purpose: why, in plain words; recorded.
        format: csv or json.
        whole: the agency's file: every field, full links and hashes, needs URL_RAW. Otherwise
            links are masked, hashes shortened, and only the columns asked for are there.
        columns: a choice from the agency's fields; none means all.

    Raises:
        NotAllowed: the person lacks REPORT_EXPORT, or URL_RAW for the agency's file.
        ReportRefused: no purpose, no approved report, mixed agencies or environments, a column
            that is not on the list, or a payload that cannot be read.
    """
    if not by.has_perm(REPORT_EXPORT):
        raise NotAllowed("Exporting reports needs the capability report_export.")
    if whole and not by.has_perm(URL_RAW):
        raise NotAllowed("An agency's file holds full links: it needs the capability url_raw.")
    purpose = purpose.strip()
    if not purpose:
        raise ReportRefused("Say what the file is for.")
    refuse_links(purpose)
    if format not in FORMATS:
        raise ReportRefused("Choose CSV or JSON.")
    asked = sorted({report.pk for report in reports})
    chosen = list(
        Report.objects.visible_to(by)
        .exportable()
        .filter(pk__in=asked)
        .select_related("payload", "case")
        .order_by("pk")
    )
    if not chosen or len(chosen) != len(asked):
        raise ReportRefused("Only approved reports can be exported: choose among those.")
    agency, environment = _one_kind(chosen)
    wanted = _columns(agency, whole=whole, columns=columns)
    sealed = [_payload(report) for report in chosen]
    rows = [row for data in sealed for row in agency.decode(data)]
    if not whole:
        rows = [_masked(row) for row in rows]
    if format == "csv":
        data = to_csv(rows, wanted)
    elif whole and len(sealed) == 1:
        data = sealed[0]  # byte for byte as approved
    else:
        narrow = [{name: row[name] for name in wanted} for row in rows]
        data = agency.encode(narrow, environment=environment)
    record = _record(
        chosen, by=by, purpose=purpose, format=format, whole=whole, rows=len(rows), data=data
    )
    kind = agency.slug if whole else f"{agency.slug}-masked"
    name = f"{environment}-{kind}-export-{record.pk}.{format}"
    return ExportedFile(record=record, name=name, content_type=FORMATS[format], data=data)


def to_csv(rows: Iterable[Row], columns: Sequence[str]) -> bytes:
    """Return rows as UTF-8 CSV with a header line, CRLF at line ends, and no cell a formula."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([escaped(_cell(row[name])) for name in columns])
    return stream.getvalue().encode()


def escaped(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula; a plain number is none."""
    if text.startswith(FORMULA_SIGNS) and not NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _cell(value: Any) -> str:
    """One cell: lists of words joined by semicolons, what is nested as compact JSON."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "; ".join(value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _one_kind(reports: Sequence[Report]) -> tuple[Agency, str]:
    """The one agency and environment of the reports, checked against their data (H17)."""
    if len({report.agency for report in reports}) > 1:
        raise ReportRefused("A file is for one agency: choose reports to the same one.")
    environments_of = {report.environment for report in reports}
    if len(environments_of) > 1:
        raise ReportRefused("Test and production reports never go into one file.")
    for report in reports:
        environments.check_environment(report)
        environments.check_data(report.case, report.environment)
    return registry.agency(reports[0].agency), environments_of.pop()


def _columns(agency: Agency, *, whole: bool, columns: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in columns if name not in agency.columns]
    if unknown:
        raise ReportRefused("Choose columns from the list only.")
    if whole or not columns:
        return agency.columns
    return tuple(name for name in agency.columns if name in columns)


def _payload(report: Report) -> bytes:
    if report.payload is None:
        raise ReportRefused(f"Report {report.pk} has no sealed payload: withdraw it, draft again.")
    try:
        return store.open_sealed(report.payload)
    except sealing.Unreadable as error:
        raise ReportRefused(
            f"The sealed payload of report {report.pk} cannot be read: restore the evidence store "
            "from its backup."
        ) from error


def _masked(row: Row) -> Row:
    """The row without anything that leads to the picture."""
    hidden = {name: masked(row[name]) for name in LINKS}
    hashes = [
        f"{name}:{shortened(value)}"
        for name, _, value in (text.partition(":") for text in row["hashes"])
    ]
    return {**row, **hidden, "hashes": hashes}


@transaction.atomic
def _record(
    reports: Sequence[Report],
    *,
    by: User,
    purpose: str,
    format: str,
    whole: bool,
    rows: int,
    data: bytes,
) -> Export:
    sha256 = hashlib.sha256(data).hexdigest()
    record = Export.objects.create(
        format=format, purpose=purpose[:300], whole=whole, rows=rows, sha256=sha256, asked_by=by
    )
    record.reports.set(reports)
    CustodyEvent.objects.append(
        "reports_exported",
        record,
        by=by,
        after={
            "reports": [report.pk for report in reports],
            "format": format,
            "whole": whole,
            "rows": rows,
        },
        file_sha256=sha256,
    )
    return record
