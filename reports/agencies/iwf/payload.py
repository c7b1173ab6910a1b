"""The IWF's report: one row for each link, in the fields of domain.md 2. Links, never files."""

import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from moderation.models import Case, Entry
from moderation.models.case import HarmClass
from reports.agencies.base import MOMENT, Agency, Field, Payload, Row, Skipped, good_url
from reports.agencies.facts import Facts, all_facts, moment
from reports.models import Report

MEDIA = ("photograph", "video", "non_photographic", "unknown")
INDICATIONS = ("none", "indicated", "unknown")


class IWF(Agency):
    """Internet Watch Foundation: the remit is in `takes` and the notes."""

    slug = "iwf"
    name = "Internet Watch Foundation"
    takes = (HarmClass.CSAM, HarmClass.NON_PHOTOGRAPHIC)
    channel_words = "A person files it through the IWF's form or member portal."
    fields = (
        Field("report_id", True, "our number"),
        Field("url", True, "link to the picture"),
        Field("page_url", False, "page that embeds it"),
        Field("first_seen", True, "first seen"),
        Field("last_reachable", False, "last reachable"),
        Field("media_type", True, "kind of media"),
        Field("ai_indication", True, "indication of AI"),
        Field("match_basis", True, "matches"),
        Field("hashes", True, "hashes"),
        Field("reviewer_grade", False, "proposed grade"),
        Field("hosting_country", False, "hosting country"),
        Field("dataset", True, "dataset"),
        Field("revision", True, "revision"),
        Field("row_key", True, "row"),
        Field("other_reports", True, "other bodies told"),
        Field("reporter_contact", False, "our contact"),
    )

    def nothing_to_tell(self, case: Case) -> str:
        if Entry.objects.filter(flag__case=case, url_key__isnull=False).exists():
            return ""
        return (
            "None of its entries has a link, and the IWF takes links only. Tell the hotline on "
            "another channel, by phone or mail, and record it here. When a copy with a link joins "
            "the case, a report can be drafted here."
        )

    def payload(self, report: Report) -> Payload:
        rows, skipped, withdrawn, outside, again = [], [], 0, 0, 0
        for facts in all_facts(report):
            row = self.row(facts, report=report)
            reasons = self.problems(row)
            if not facts.readable:
                reasons = ["its sealed link cannot be opened: check EVIDENCE_KEY"]
            if reasons:
                skipped.append(Skipped(facts.entry.pk, tuple(reasons)))
                continue
            rows.append(row)
            withdrawn += all(match.withdrawn for match in facts.matches)
            outside += row["hosting_country"] not in ("", "GB")
            again += any(told.agency == self.slug for told in facts.told)
        empty = tuple(
            each.name
            for each in self.fields
            if not each.required and not any(row[each.name] for row in rows)
        )
        notes = self._notes(report, rows, withdrawn=withdrawn, outside=outside, again=again)
        return Payload(tuple(rows), tuple(skipped), empty, notes)

    def row(self, facts: Facts, *, report: Report) -> Row:
        """Return the row of one entry, checked by nobody yet."""
        entry = facts.entry
        return {
            "report_id": report.pk,
            "url": facts.url,
            "page_url": facts.page_url,
            "first_seen": moment(facts.first_seen) if facts.first_seen else "",
            "last_reachable": moment(facts.last_reachable) if facts.last_reachable else "",
            "media_type": facts.media_type,
            "ai_indication": {"value": facts.ai_indication, "signals": list(facts.ai_signals)},
            "match_basis": [
                {
                    "list": match.source,
                    "version": match.version,
                    "algorithm": match.algorithm,
                    "distance": match.distance,
                    "category": match.category_words,
                }
                for match in facts.matches
            ],
            "hashes": [f"{name}:{value}" for name, value in facts.hashes],
            "reviewer_grade": report.grade,
            "hosting_country": facts.item.hosting_country,
            "dataset": entry.revision.dataset.name,
            "revision": entry.revision.label,
            "row_key": facts.row_key,
            # Required and possibly empty: an empty list says that nobody else was told.
            "other_reports": [
                {"organisation": told.agency, "reference": told.reference, "date": f"{told.on}"}
                for told in facts.told
            ],
            "reporter_contact": settings.REPORTER_CONTACT,
        }

    def problems(self, row: Row) -> list[str]:
        """Return every reason why this row cannot be sent; none for a good one."""
        if tuple(row) != self.columns:
            return ["its fields are not those of the IWF"]
        found = [wrong] if (wrong := good_url(row["url"])) else []
        missing = [
            f"{name} is missing"
            for name in self.required
            if name not in ("url", "other_reports") and row[name] in ("", None, [], {})
        ]
        found += missing
        if row["page_url"] and (wrong := good_url(row["page_url"])):
            found.append(wrong.replace("the link", "the page's link"))
        for name in ("first_seen", "last_reachable"):
            if row[name] and not MOMENT.fullmatch(row[name]):
                found.append(f"{name} is not a time in UTC")
        if row["media_type"] not in MEDIA:
            found.append("the kind of media is unknown to the IWF")
        if row["ai_indication"]["value"] not in INDICATIONS:
            found.append("the indication of AI is none of the three words")
        if row["reviewer_grade"] not in ("", *Report.Grade.values):
            found.append("the grade is not A, B or C")
        return found

    def encode(self, rows: Sequence[Row], *, environment: str) -> bytes:
        body: dict[str, Any] = {"agency": self.slug, "environment": environment, "rows": list(rows)}
        text = json.dumps(body, ensure_ascii=False, indent=1) + "\n"
        return text.encode()

    def decode(self, data: bytes) -> list[Row]:
        rows: list[Row] = json.loads(data)["rows"]
        return rows

    def _notes(
        self, report: Report, rows: Sequence[Row], *, withdrawn: int, outside: int, again: int
    ) -> tuple[str, ...]:
        notes = []
        if again:
            notes.append(f"{again} of the links were reported to the IWF before: see Also told.")
        if withdrawn:
            notes.append(
                f"{withdrawn} of the entries match only values that their list has withdrawn."
            )
        if report.case.harm_class == HarmClass.NON_PHOTOGRAPHIC:
            unknown = sum(not row["hosting_country"] for row in rows)
            if unknown or outside:
                notes.append(
                    "The IWF takes non-photographic imagery only if it is hosted in the UK: "
                    f"{unknown} without a hosting country, {outside} hosted elsewhere."
                )
        return tuple(notes)
