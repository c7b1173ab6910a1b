"""A confirmed case to a report: draft it, edit it, propose it; send it back; take it back.

Drafting never stands in the way of a decision: what cannot be drafted is said, and shown (H15).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef

from moderation.models import Case, CustodyEvent, Decision, Entry
from moderation.models.case import HarmClass
from reports.agencies import environments, registry
from reports.agencies.base import Agency, UnknownAgency
from reports.agencies.countries import NoCountry, code_of
from reports.models import Report, ReportItem, ReportRefused, refuse_links
from reports.telling import was_told

AT_ONCE = 2000
UNDRAFTED_SHOWN = 50
REOPENED = "the case was reopened"


@dataclass(frozen=True)
class Undrafted:
    """A confirmed case without a report that stands, and why."""

    case: Case
    reason: str
    may_draft: bool
    may_tell: bool = False  # no report can carry it: a person tells the hotline otherwise


@transaction.atomic
def draft(case: Case, *, by: User | None = None) -> list[Report]:
    """Draft one report for each responsible agency and return them; none where nobody is.

    Where an agency takes nothing of the case, none is begun: a draft that nobody could ever propose
    helps nobody.

    Running it again changes nothing, except that a draft takes in entries which joined the case
    since. Only child sexual abuse material has a responsible agency; a case not yet classed waits.

    Raises:
        ReportRefused: the case is not confirmed, its data may not go to this environment, the
            agency set for this site does not exist, or it takes nothing of the case.
    """
    locked = Case.objects.select_for_update(no_key=True).get(pk=case.pk)
    if not is_confirmed(locked):
        raise ReportRefused(f"Case {locked.pk} is not confirmed: there is nothing to report.")
    try:
        agencies = registry.responsible(locked.harm_class)
    except UnknownAgency as unknown:
        raise ReportRefused(str(unknown)) from unknown
    if not agencies:
        return []
    standing = {report.agency: report for report in locked.reports.live()}
    drafted = []
    for agency in agencies:
        report = standing.get(agency.slug)
        if report is None and (reason := agency.nothing_to_tell(locked)):
            raise ReportRefused(reason)
        report = report or _new(locked, agency, by=by)
        if report.state == Report.State.DRAFT:
            _take_in(report, by=by)
        drafted.append(report)
    return drafted


def is_confirmed(case: Case) -> bool:
    """Whether the case is closed and two people's confirmation is what stands."""
    decision = case.decisions.standing().last()
    return (
        case.state == Case.State.CLOSED
        and decision is not None
        and decision.verdict == Decision.Verdict.CONFIRMED
    )


def note_refusal(case: Case, refused: ReportRefused) -> None:
    """Record in the chain of custody that a confirmed case has no report, and why."""
    CustodyEvent.objects.append("report_not_drafted", case, by=None, reason=str(refused)[:500])


def undrafted(classes: Collection[str] = tuple(HarmClass)) -> list[Undrafted]:
    """Return the first UNDRAFTED_SHOWN confirmed cases that should have a report and have none.

    ``classes``: the harm classes they may have; where they are shown, those granted to the person.

    What the hotline was told of on another channel is done, unless a report is possible by now.
    """
    stands = Decision.objects.standing().filter(
        case=OuterRef("pk"), verdict=Decision.Verdict.CONFIRMED
    )
    cases = (
        Case.objects.filter(Exists(stands), state=Case.State.CLOSED)
        .filter(~Exists(Report.objects.live().filter(case=OuterRef("pk"))))
        .annotate(was_told=was_told())
        .order_by("was_told", "closed_at", "pk")
    )
    waiting = []
    reportable = {HarmClass.CSAM, HarmClass.NON_PHOTOGRAPHIC, HarmClass.UNKNOWN} & set(classes)
    for case in cases.filter(harm_class__in=reportable)[:UNDRAFTED_SHOWN]:
        try:
            agencies = registry.responsible(case.harm_class)
            environments.check_data(case, environments.environment_now())
        except (ReportRefused, UnknownAgency) as refused:
            if case.was_told:
                continue
            waiting.append(Undrafted(case, str(refused), may_draft=False))
            continue
        nothing = " ".join(filter(None, (each.nothing_to_tell(case) for each in agencies)))
        if case.harm_class == HarmClass.UNKNOWN:
            reason = "Not yet classed: a lead reopens the case and gives it a class."
        elif nothing:
            reason = nothing
        elif case.reports.exists():
            reason = "Its last report was withdrawn."
        else:
            reason = "No report was drafted when it was confirmed."
        if not (case.was_told and nothing):
            may_draft = bool(agencies) and not nothing
            waiting.append(Undrafted(case, reason, may_draft=may_draft, may_tell=bool(nothing)))
    return waiting


@transaction.atomic
def edit(
    report: Report,
    *,
    by: User,
    note: str,
    grade: str,
    countries: Mapping[int, str],
    edit_no: int | None = None,
) -> Report:
    """Change what a person may say in a draft and return it.

    Args:
        note: facts for the agency in plain words.
        grade: proposed grade in the IWF's scheme, or empty.
        countries: hosting country (ISO 3166, two letters) by the pk of the item; others stay.
        edit_no: the edit the person looked at.

    Raises:
        ReportConflict: no longer a draft, or changed meanwhile.
        ReportRefused: the note holds a link or a hash, the grade is none of the scheme, or a
            country is no code of ISO 3166-1.
    """
    locked = Report.objects.locked(report.pk)
    locked.seen_at(edit_no)
    refuse_links(note)
    if grade not in ("", *Report.Grade.values):
        raise ReportRefused("Choose grade A, B or C, or none.")
    changed = [
        name for name, value in (("note", note), ("grade", grade)) if getattr(locked, name) != value
    ]
    try:
        codes = {pk: code_of(text) for pk, text in countries.items()}
    except NoCountry as wrong:
        raise ReportRefused(str(wrong)) from wrong
    items = locked.items.filter(pk__in=list(codes))
    moved = [item for item in items if item.hosting_country != codes[item.pk]]
    for item in moved:
        item.hosting_country = codes[item.pk]
    if not changed and not moved:
        return locked
    locked.move("edit", note=note, grade=grade)
    ReportItem.objects.bulk_update(moved, ["hosting_country"])
    CustodyEvent.objects.append(
        "report_edited",
        locked,
        by=by,
        after={"changed": changed, "items": [item.pk for item in moved], "grade": grade},
    )
    return locked


@transaction.atomic
def propose(report: Report, *, by: User, edit_no: int | None = None) -> Report:
    """Hand a draft to another person for approval and return it.

    Raises:
        ReportConflict: not a draft any more, or changed meanwhile.
        ReportRefused: nothing in it can be reported, or its data may not go there.
    """
    sendable = bool(registry.agency(report.agency).payload(report).rows)  # before any lock
    locked = Report.objects.locked(report.pk)
    locked.seen_at(edit_no)
    environments.check_environment(locked)
    environments.check_data(locked.case, locked.environment)
    locked.move("propose", composed_by=by, reason="")
    if not sendable:
        raise ReportRefused(
            "No entry of this report can be sent: see the reasons under Check, and withdraw it."
        )
    _record("report_proposed", locked, before=Report.State.DRAFT, by=by)
    return locked


@transaction.atomic
def send_back(report: Report, *, by: User, reason: str, edit_no: int | None = None) -> Report:
    """Make a proposed report a draft again, with a reason, and return it.

    Raises:
        ReportConflict: not proposed, or changed meanwhile.
        ReportRefused: no reason, or a link or hash in it.
    """
    reason = checked_reason(reason)
    locked = Report.objects.locked(report.pk)
    locked.seen_at(edit_no)
    locked.move("send_back", composed_by=None, reason=reason)
    _record("report_sent_back", locked, before=Report.State.PROPOSED, by=by, reason=reason)
    return locked


@transaction.atomic
def withdraw(report: Report, *, by: User | None, reason: str, edit_no: int | None = None) -> Report:
    """Withdraw a report that was not filed yet, with a reason, and return it.

    Raises:
        ReportConflict: filed or withdrawn already, or changed meanwhile.
        ReportRefused: no reason, or a link or hash in it.
    """
    reason = checked_reason(reason)
    locked = Report.objects.locked(report.pk)
    locked.seen_at(edit_no)
    before = locked.state
    locked.move("withdraw", reason=reason)
    _record("report_withdrawn", locked, before=before, by=by, reason=reason)
    return locked


def withdraw_unsent(case: Case) -> list[Report]:
    """Withdraw every report of a reopened case that has not been filed; return them."""
    waiting = case.reports.unsent().order_by("pk")
    return [withdraw(report, by=None, reason=REOPENED) for report in waiting]


def checked_reason(reason: str) -> str:
    """Return the reason without blanks around it; ReportRefused if it is none, or says too much."""
    reason = reason.strip()
    if not reason:
        raise ReportRefused("Give a reason: the other person reads it.")
    refuse_links(reason)
    return reason[:300]


def _new(case: Case, agency: Agency, *, by: User | None) -> Report:
    environment = environments.environment_now()
    environments.check_data(case, environment)
    report = Report.objects.create(case=case, agency=agency.slug, environment=environment)
    CustodyEvent.objects.append(
        "report_drafted",
        report,
        by=by,
        after={"case": case.pk, "agency": agency.slug, "environment": environment},
    )
    return report


def _take_in(report: Report, *, by: User | None) -> None:
    """Add the entries of the case that the draft does not hold yet."""
    held = ReportItem.objects.filter(report=report, entry=OuterRef("pk"))
    fresh = Entry.objects.filter(flag__case=report.case_id).filter(~Exists(held)).order_by("pk")
    made = ReportItem.objects.bulk_create(
        [ReportItem(report=report, entry_id=pk) for pk in fresh.values_list("pk", flat=True)],
        batch_size=AT_ONCE,
    )
    if made:
        CustodyEvent.objects.append(
            "report_items_added", report, by=by, after={"items": len(made), "case": report.case_id}
        )


def _record(action: str, report: Report, *, before: str, by: User | None, reason: str = "") -> None:
    CustodyEvent.objects.append(
        action,
        report,
        by=by,
        before={"state": str(before)},
        after={"state": str(report.state), "edit": report.edit_no},
        reason=reason,
    )
