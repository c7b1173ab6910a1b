"""A proposed report to a filed one: another person approves, somebody files it, the body answers.

What was approved is sealed byte for byte; everything sent later is read from there.
"""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from moderation.evidence import refusing, store
from moderation.models import Case, CustodyEvent, Decision, SealedObject
from moderation.models.case import HarmClass
from reports import drafting
from reports.agencies import environments, registry
from reports.agencies.base import Coverage, Payload
from reports.models import (
    Report,
    ReportConflict,
    ReportRefused,
    Submission,
    has_link_or_hash,
    refuse_links,
)


class SamePerson(ReportRefused):
    """Who composed a report, or wrote in it, does not approve it (H5)."""


def approve(report: Report, *, by: User, edit_no: int | None = None) -> Report:
    """Approve what somebody else composed and return the report; its payload is sealed.

    The payload is written to the evidence store before the transaction and shredded again if the
    step fails, so no transaction waits for the store.

    Raises:
        SamePerson: ``by`` composed it, or changed something in it; the refusal is on record.
        ReportConflict: not proposed, or changed meanwhile.
        ReportRefused: the case no longer stands confirmed, the data may not go to the report's
            environment, or nothing in the report can be sent.
    """
    seen = Report.objects.select_related("case").get(pk=report.pk)
    seen.seen_at(edit_no)
    if seen.state != Report.State.PROPOSED:
        seen.move("approve")  # says what state it is in
    try:
        _check(seen, by=by)
    except SamePerson:
        refusing.note(seen, by=by, tried="approve", because=refusing.SAME_PERSON)
        raise
    agency = registry.agency(seen.agency)
    payload = agency.payload(seen)
    if not payload.rows:
        raise ReportRefused("No entry of this report can be sent: send it back or withdraw it.")
    data = agency.encode(payload.rows, environment=seen.environment)
    sealed = store.seal(data, SealedObject.Kind.PAYLOAD)
    try:
        return _approve(seen, payload, sealed, by=by)
    except BaseException:
        store.shred(sealed)
        raise


@transaction.atomic
def _approve(seen: Report, payload: Payload, sealed: SealedObject, *, by: User) -> Report:
    locked = Report.objects.locked(seen.pk)
    locked.seen_at(seen.edit_no)  # the payload is of the report as it was then
    _check(locked, by=by)
    locked.move("approve", approved_by=by, approved_at=timezone.now(), payload=sealed)
    CustodyEvent.objects.append(
        "report_approved",
        locked,
        by=by,
        before={"state": Report.State.PROPOSED.value},
        after={
            "state": Report.State.APPROVED.value,
            "edit": locked.edit_no,
            "payload": str(sealed.pk),
            "rows": len(payload.rows),
            "left_out": [each.entry for each in payload.skipped],
            "left_out_because": payload.coverage.reasons,
        },
        file_sha256=sealed.sha256,
    )
    return locked


def coverage(report: Report) -> Coverage | None:
    """Return how many entries of an approved report its payload holds, as the chain recorded it.

    None before the approval.
    """
    event = CustodyEvent.objects.filter(
        action="report_approved", object_type="report", object_id=str(report.pk)
    ).last()
    if event is None or report.state not in Report.APPROVED_AND_ON:
        return None
    rows, left_out = event.after["rows"], len(event.after["left_out"])
    unsaid = {"see its history": left_out} if left_out else {}
    return Coverage(rows + left_out, rows, event.after.get("left_out_because", unsaid))


@transaction.atomic
def file(
    report: Report,
    *,
    by: User,
    channel: str,
    external_reference: str,
    submitted_at: datetime,
    edit_no: int | None = None,
) -> Submission:
    """Record that a person has filed an approved report with the agency; return the submission.

    Raises:
        ReportConflict: not approved, filed already, or changed meanwhile.
        ReportRefused: no reference, no such channel, or a time before the approval or to come.
    """
    reference = external_reference.strip()
    if not reference:
        raise ReportRefused("Enter the reference that the agency gave.")
    if channel not in Submission.Channel.values:
        raise ReportRefused("Choose the channel: web form, member portal or mail.")
    locked = Report.objects.locked(report.pk)
    locked.seen_at(edit_no)
    environments.check_environment(locked)
    locked.move("file")
    _not_to_come(submitted_at)
    if locked.approved_at and submitted_at < locked.approved_at.replace(second=0, microsecond=0):
        raise ReportRefused("The time of filing is before the approval: check it.")
    submission = Submission.objects.create(
        report=locked,
        channel=channel,
        submitted_at=submitted_at,
        submitted_by=by,
        external_reference=reference[:100],
    )
    CustodyEvent.objects.append(
        "report_filed",
        locked,
        by=by,
        before={"state": Report.State.APPROVED.value},
        after={
            "state": Report.State.SENT.value,
            "edit": locked.edit_no,
            "submission": submission.pk,
            "channel": channel,
            "submitted_at": submitted_at.isoformat(),
            "exported": locked.exports.filter(whole=True).exists(),
        },
        file_sha256=locked.payload.sha256 if locked.payload else "",
    )
    return submission


@transaction.atomic
def correct_reference(
    report: Report, *, by: User, external_reference: str, reason: str, edit_no: int | None = None
) -> Submission:
    """Put the right reference in place of one with a slip in it and return the submission.

    The old one stays in the chain of custody: somebody may ask the agency by it.

    Raises:
        ReportConflict: not filed yet, or changed meanwhile.
        ReportRefused: no reference or reason, the same reference again, or a link or hash in one.
    """
    reference = external_reference.strip()[:100]
    if not reference:
        raise ReportRefused("Enter the reference that the agency gave.")
    refuse_links(reference, split=False)
    reason = drafting.checked_reason(reason)
    locked = Report.objects.locked(report.pk)
    locked.seen_at(edit_no)
    locked.move("correct")
    submission = locked.submissions.select_for_update().latest("pk")
    was, submission.external_reference = submission.external_reference, reference
    if was == reference:
        raise ReportRefused("That reference is recorded already.")
    submission.save(update_fields=["external_reference"])
    CustodyEvent.objects.append(
        "report_reference_corrected",
        locked,
        by=by,
        # What was entered may have been a link by mistake: then its length is all that is told.
        before={"length": len(was)} if has_link_or_hash(was, split=False) else {"reference": was},
        after={"submission": submission.pk, "reference": reference, "edit": locked.edit_no},
        reason=reason,
    )
    return submission


@transaction.atomic
def record_outcome(
    report: Report, *, by: User, outcome: str, outcome_at: datetime, edit_no: int | None = None
) -> Submission:
    """Record the agency's answer to a filed report and return the submission.

    "Pending" says that the agency has it; the result may follow once. A result stands.

    Raises:
        ReportConflict: not filed yet, answered already, or changed meanwhile.
        ReportRefused: no such outcome, or a time before the filing or to come.
    """
    if outcome not in Submission.Outcome.values:
        raise ReportRefused("Choose what the agency answered.")
    locked = Report.objects.locked(report.pk)
    locked.seen_at(edit_no)
    before = locked.state
    locked.move("answer")
    submission = locked.submissions.select_for_update().latest("pk")
    if before == Report.State.ACKNOWLEDGED and (
        submission.outcome != Submission.Outcome.PENDING or outcome == Submission.Outcome.PENDING
    ):
        raise ReportConflict(
            f"The answer “{submission.get_outcome_display()}” is recorded for report {locked.pk} "
            "already. Look at the report again."
        )
    _not_to_come(outcome_at)
    if outcome_at < submission.submitted_at.replace(second=0, microsecond=0):
        raise ReportRefused("The time of the answer is before the filing: check it.")
    was, submission.outcome, submission.outcome_at = submission.outcome, outcome, outcome_at
    submission.save(update_fields=["outcome", "outcome_at"])
    CustodyEvent.objects.append(
        "report_answered",
        locked,
        by=by,
        before={"state": before, "outcome": was},
        after={
            "state": Report.State.ACKNOWLEDGED.value,
            "edit": locked.edit_no,
            "submission": submission.pk,
            "outcome": outcome,
        },
    )
    return submission


def _check(report: Report, *, by: User) -> None:
    if report.composed_by_id == by.pk:
        raise SamePerson(
            "You composed this report: another person approves it, in the test environment too."
        )
    if Report.objects.filter(pk=report.pk).written_by(by).exists():
        raise SamePerson(
            "You changed something in this report: a person approves it who did not, in the test "
            "environment too. Where there is none, withdraw it and draft it anew."
        )
    case = Case.objects.get(pk=report.case_id)
    decision = case.decisions.standing().last()
    if (
        case.state != Case.State.CLOSED
        or decision is None
        or decision.verdict != Decision.Verdict.CONFIRMED
    ):
        raise ReportRefused(f"Case {case.pk} no longer stands confirmed: withdraw the report.")
    if HarmClass(case.harm_class) not in registry.agency(report.agency).takes:
        raise ReportRefused(
            "The case is not classed as child sexual abuse material: withdraw the report."
        )
    environments.check_environment(report)
    environments.check_data(case, report.environment)


def _not_to_come(at: datetime) -> None:
    if at > timezone.now():
        raise ReportRefused("The time lies in the future: check it (times are UTC).")
