"""Everything the report page shows, gathered in a fixed number of queries."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from moderation.models import Case, CustodyEvent, Entry, Grant, Review
from moderation.permissions import REPORT_APPROVE, REPORT_COMPOSE, REPORT_EXPORT, URL_RAW
from moderation.views import words
from moderation.views.paging import page_of, query_without
from moderation.views.people import person_of
from reports import submitting
from reports.agencies import environments, registry, summaries
from reports.agencies.base import Agency, Payload
from reports.agencies.countries import NAMES
from reports.agencies.facts import Facts, facts, items_of
from reports.forms import (
    AnswerForm,
    CorrectForm,
    EditForm,
    FileForm,
    SendBackForm,
    WithdrawForm,
)
from reports.models import Report, Submission

ENTRIES = 10
EVENTS = 50
CHECKED_AT_ONCE = 500  # entries; more are checked when the report is proposed
State = Report.State
WORDS = {
    "report_drafted": "Drafted",
    "report_items_added": "Entries taken in",
    "report_edited": "Edited",
    "report_proposed": "Proposed",
    "report_sent_back": "Sent back",
    "report_approved": "Approved and sealed",
    "report_filed": "Filed with the agency",
    "report_reference_corrected": "Reference corrected",
    "report_answered": "Answer recorded",
    "report_withdrawn": "Withdrawn",
    "url_unmasked": "A full link was shown",
}


@dataclass(frozen=True)
class Steps:
    """Which steps this person may take now."""

    edit: bool
    propose: bool
    send_back: bool
    approve: bool
    file: bool
    correct: bool
    answer: bool
    withdraw: bool
    export: bool
    unmask: bool
    take_in: bool
    own: bool  # they composed it or wrote in it, so another person approves


def report_of(request: HttpRequest, pk: int) -> Report:
    """The report, ready for its page; 404 where there is none of a class granted to the person."""
    rows = Report.objects.visible_to(person_of(request)).select_related(
        "case", "composed_by__person", "approved_by__person", "payload"
    )
    return get_object_or_404(rows, pk=pk)


def case_of(request: HttpRequest, pk: int) -> Case:
    """The case to report; 404 where there is none of a class granted to the person."""
    granted = Grant.objects.classes(person_of(request))
    return get_object_or_404(Case, pk=pk, harm_class__in=granted)


def show(request: HttpRequest, report: Report, *, status: int = 200, **more: Any) -> HttpResponse:
    """Render the report page. ``more``: a form with errors, or the URL of one item."""
    user, agency = person_of(request), registry.agency(report.agency)
    page = page_of(request, items_of(report), size=ENTRIES)
    items = list(page.object_list)
    last = report.submissions.select_related("submitted_by__person").last()
    joined = Entry.objects.filter(flag__case=report.case_id).exclude(report_items__report=report)
    joined_count = joined.count() if report.state == State.DRAFT else 0
    steps = steps_of(report, user=user, last=last, joined=joined_count)
    context = {
        "report": report,
        "agency": agency,
        "page": page,
        "query": query_without(request, "page"),
        "facts": worded(facts(items, report=report)),
        "summary": summaries.summary(report),
        "others": Report.objects.with_submission()
        .filter(case=report.case_id)
        .exclude(pk=report.pk),
        "steps": steps,
        "last": last,
        "joined": joined_count,
        "reopened": report.state in (State.SENT, State.ACKNOWLEDGED)
        and report.case.state != Case.State.CLOSED,
        "history": history(report),
        "codes": codes_that_differ(report),
        "coverage": submitting.coverage(report),
        "send_back_form": SendBackForm(report=report) if steps.send_back else None,
        "file_form": FileForm(report=report) if steps.file else None,
        "answer_form": AnswerForm(report=report) if steps.answer else None,
    }
    if steps.correct and last is not None:
        right = CorrectForm(report=report, reference=last.external_reference)
        context["correct_form"] = right
    checked = check(report, agency)
    context |= checked
    if steps.edit:
        left_out = checked.get("left_out", set())
        sent = [item for item in items if item.entry_id not in left_out]
        context |= {"edit_form": EditForm(report=report, items=sent), "countries": NAMES}
    if steps.withdraw:
        why = "No entry can be sent." if checked.get("dead_end") else ""
        context["withdraw_form"] = WithdrawForm(report=report, reason=why)
    answer = render(request, "reports/detail.html", context | more, status=status)
    answer["Cache-Control"] = "no-store"
    return answer


def worded(shown: list[Facts]) -> list[Facts]:
    """The facts, the entry of each with ``outcome_words``."""
    for fact in shown:
        fact.entry.outcome_words = words.reason(fact.entry.reason)  # type: ignore[attr-defined]
    return shown


def steps_of(report: Report, *, user: User, last: Submission | None, joined: int) -> Steps:
    """Return the steps that state and capabilities allow; the domain checks them again."""
    composes = user.has_perm(REPORT_COMPOSE)
    approves = user.has_perm(REPORT_APPROVE)
    own = report.composed_by_id == user.pk or (
        approves and Report.objects.filter(pk=report.pk).written_by(user).exists()
    )
    waits = last is not None and last.outcome == Submission.Outcome.PENDING
    return Steps(
        edit=composes and report.state == State.DRAFT,
        propose=composes and report.state == State.DRAFT,
        send_back=(approves or composes) and report.state == State.PROPOSED,
        approve=approves and report.state == State.PROPOSED and not own,
        file=composes and report.state == State.APPROVED,
        correct=composes and report.state in (State.SENT, State.ACKNOWLEDGED),
        answer=composes and report.state in (State.SENT, State.ACKNOWLEDGED) and waits,
        withdraw=composes and report.state in Report.UNSENT,
        export=user.has_perm(REPORT_EXPORT) and report.state in Report.APPROVED_AND_ON,
        unmask=user.has_perm(URL_RAW),
        take_in=composes and bool(joined),
        own=own,
    )


def history(report: Report) -> list[dict[str, Any]]:
    """What the chain of custody says about this report and its exports, newest first, in words."""
    events = CustodyEvent.objects.filter(object_type="report", object_id=str(report.pk))
    told: list[dict[str, Any]] = [
        {"at": event.at, "actor": event.actor, "words": _words(event), "reason": event.reason}
        for event in events.order_by("-seq")[:EVENTS]
    ]
    exports = report.exports.select_related("asked_by__person").order_by("-pk")[:EVENTS]
    told += [
        {
            "at": export.asked_at,
            "actor": export.asked_by.person.pseudonym,
            "words": f"Exported as {export.format.upper()}, "
            f"{'the agency’s file' if export.whole else 'an overview'}, "
            f"{export.rows:,} row{'' if export.rows == 1 else 's'}",
            "reason": export.purpose,
        }
        for export in exports
    ]
    return sorted(told, key=lambda step: step["at"], reverse=True)[:EVENTS]


def codes_that_differ(report: Report) -> list[Review]:
    """The removal answers of the case's round where they give different reasons; none otherwise.

    A lead's, if there is one, is the last: it settled the code of the decision.
    """
    answers = list(report.case.reviews.standing().filter(answer__in=Review.REMOVALS).order_by("pk"))
    return answers if len({review.answer for review in answers}) > 1 else []


def _words(event: CustodyEvent) -> str:
    words = WORDS.get(event.action, event.action.replace("_", " "))
    if event.action == "report_reference_corrected" and "reference" in event.before:
        words += f" from {event.before['reference']} to {event.after['reference']}"
    return words


def check(report: Report, agency: Agency) -> dict[str, Any]:
    """What stands in the way, what is left out and why, which fields are empty."""
    if report.state not in (State.DRAFT, State.PROPOSED):
        return {"checked": False}
    blockers = environments.blockers(report)
    if report.items.count() > CHECKED_AT_ONCE:
        return {"checked": False, "blockers": blockers, "too_many": True}
    payload: Payload = agency.payload(report)
    return {
        "checked": True,
        "blockers": blockers,
        "payload": payload,
        "empty": [each for each in agency.fields if each.name in payload.empty],
        "sendable": bool(payload.rows) and not blockers,
        "dead_end": not payload.rows,
        "left_out": {each.entry for each in payload.skipped},
    }
