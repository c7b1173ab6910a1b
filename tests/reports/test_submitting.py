"""Approved by another person, sealed, filed by somebody, answered: each step once, on record."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import override_settings
from django.utils import timezone

from moderation.evidence import store
from moderation.models import Case, CustodyEvent, SealedObject
from moderation.models.case import HarmClass
from reports import drafting, submitting
from reports.agencies import registry
from reports.models import Report, ReportConflict, ReportRefused, Submission
from tests.moderation.review.making import add_entry, make_case, settled

from .making import (
    REMOVE,
    approved,
    draft_of,
    events_of,
    filed,
    make_real,
    production,
    proposed,
)

pytestmark = pytest.mark.django_db


def test_approve_seals_the_payload_byte_for_byte(
    case: Case, reporter: User, second_reporter: User
) -> None:
    report = approved(case, by=second_reporter, composer=reporter)
    assert (report.state, report.composed_by, report.approved_by) == (
        "approved",
        reporter,
        second_reporter,
    )
    assert report.approved_at is not None
    agency = registry.agency("iwf")
    expected = agency.encode(agency.payload(report).rows, environment="test")
    assert store.open_sealed(report.payload) == expected
    assert report.payload.kind == SealedObject.Kind.PAYLOAD
    event = CustodyEvent.objects.order_by("seq").last()
    assert (event.action, event.file_sha256) == ("report_approved", report.payload.sha256)
    assert event.before == {"state": "proposed"}
    assert event.after["rows"] == 1
    assert event.after["left_out"] == []


def test_what_was_sealed_stays_when_facts_change(
    case: Case, reporter: User, second_reporter: User
) -> None:
    report = approved(case, by=second_reporter, composer=reporter)
    before = store.open_sealed(report.payload)
    case.flags.get().entry.revision.dataset.__class__.objects.update(name="renamed")
    assert store.open_sealed(Report.objects.get(pk=report.pk).payload) == before


def test_the_composer_does_not_approve(case: Case, reporter: User) -> None:
    report = proposed(case, by=reporter)
    with pytest.raises(submitting.SamePerson, match="another person"):
        submitting.approve(report, by=reporter)
    assert Report.objects.get(pk=report.pk).state == "proposed"
    assert not SealedObject.objects.readable().filter(kind="payload").exists()
    assert events_of(report)[-2:] == ["report_proposed", "attempt_refused"]


def test_nor_does_the_database_let_them(case: Case, reporter: User) -> None:
    report = proposed(case, by=reporter)
    with pytest.raises(IntegrityError, match="two_people_report"), transaction.atomic():
        Report.objects.filter(pk=report.pk).update(approved_by=reporter)
    with pytest.raises(IntegrityError, match="two_people_report"), transaction.atomic():
        Report.objects.filter(pk=report.pk).update(composed_by=None, approved_by=reporter)


@pytest.mark.parametrize("state", ["approved", "sent", "acknowledged"])
def test_nothing_is_approved_without_a_sealed_payload(
    case: Case, reporter: User, state: str
) -> None:
    report = proposed(case, by=reporter)
    with pytest.raises(IntegrityError, match="approved_is_sealed"), transaction.atomic():
        Report.objects.filter(pk=report.pk).update(state=state)


def test_approving_twice_is_refused(case: Case, reporter: User, second_reporter: User) -> None:
    report = approved(case, by=second_reporter, composer=reporter)
    events = CustodyEvent.objects.count()
    with pytest.raises(ReportConflict, match="Approved, not yet filed"):
        submitting.approve(report, by=second_reporter)
    assert CustodyEvent.objects.count() == events
    assert SealedObject.objects.filter(kind="payload").count() == 1


def test_a_draft_cannot_be_approved(case: Case, second_reporter: User) -> None:
    with pytest.raises(ReportConflict, match="Draft"):
        submitting.approve(draft_of(case), by=second_reporter)


def test_an_approval_of_what_was_changed_meanwhile_is_refused_and_its_payload_shredded(
    case: Case, reporter: User, second_reporter: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = proposed(case, by=reporter)
    seal = store.seal

    def seal_and_be_overtaken(data: bytes, kind: SealedObject.Kind) -> SealedObject:
        drafting.send_back(report, by=reporter, reason="the grade is missing")
        return seal(data, kind)

    monkeypatch.setattr(store, "seal", seal_and_be_overtaken)
    with pytest.raises(ReportConflict, match="changed meanwhile"):
        submitting.approve(report, by=second_reporter)
    assert Report.objects.get(pk=report.pk).state == "draft"
    sealed = SealedObject.objects.get(kind="payload")
    assert sealed.wrapped_key is None
    assert sealed.shredded_at is not None


def test_an_old_page_cannot_approve(case: Case, reporter: User, second_reporter: User) -> None:
    report = proposed(case, by=reporter)
    with pytest.raises(ReportConflict, match="changed meanwhile"):
        submitting.approve(report, by=second_reporter, edit_no=report.edit_no - 1)


@pytest.mark.parametrize(
    "harm_class",
    [HarmClass.ADULT_INTIMATE, HarmClass.ABUSE_RELATED, HarmClass.OTHER, HarmClass.UNKNOWN],
)
def test_what_is_no_longer_classed_as_reportable_is_not_approved(
    case: Case, reporter: User, second_reporter: User, harm_class: str
) -> None:
    report = proposed(case, by=reporter)
    Case.objects.filter(pk=case.pk).update(harm_class=harm_class)
    with pytest.raises(ReportRefused, match="not classed as child sexual abuse material"):
        submitting.approve(report, by=second_reporter)


def test_a_case_that_no_longer_stands_is_not_approved(
    case: Case, reporter: User, second_reporter: User
) -> None:
    report = proposed(case, by=reporter)
    Case.objects.filter(pk=case.pk).update(state="open")
    with pytest.raises(ReportRefused, match="no longer stands confirmed"):
        submitting.approve(report, by=second_reporter)


def test_production_takes_the_same_two_people(
    reviewer: User, second_reviewer: User, reporter: User, second_reporter: User
) -> None:
    case = make_case()
    make_real()
    with production():
        settled(case, reviewer, REMOVE)
        settled(case, second_reviewer, REMOVE)
        report = approved(case, by=second_reporter, composer=reporter)
    assert (report.environment, report.state) == ("production", "approved")
    assert b'"environment": "production"' in store.open_sealed(report.payload)


def test_data_that_became_synthetic_is_not_approved_for_production(
    reviewer: User, second_reviewer: User, reporter: User, second_reporter: User
) -> None:
    case = make_case()
    make_real()
    with production():
        settled(case, reviewer, REMOVE)
        settled(case, second_reviewer, REMOVE)
        report = proposed(case, by=reporter)
        case.flags.get().entry.revision.dataset.__class__.objects.update(synthetic=True)
        with pytest.raises(ReportRefused, match="never reported in production"):
            submitting.approve(report, by=second_reporter)
    with (
        override_settings(SYNTHETIC=False, REPORT_ENVIRONMENT="test"),
        pytest.raises(ReportRefused, match="set to test"),
    ):
        submitting.approve(report, by=second_reporter)
    assert Report.objects.get(pk=report.pk).state == "proposed"


def test_real_data_is_not_approved_for_test(
    case: Case, reporter: User, second_reporter: User
) -> None:
    report = proposed(case, by=reporter)
    make_real()
    with (
        override_settings(SYNTHETIC=False),
        pytest.raises(ReportRefused, match="Real data never leaves"),
    ):
        submitting.approve(report, by=second_reporter)


def test_a_report_without_anything_to_send_is_not_proposed(
    reviewer: User, second_reviewer: User, reporter: User
) -> None:
    case = make_case(entries=0)
    add_entry(case, url="")
    settled(case, reviewer, REMOVE)
    settled(case, second_reviewer, REMOVE)
    report = draft_of(case)
    with pytest.raises(ReportRefused, match="No entry of this report can be sent"):
        drafting.propose(report, by=reporter)
    assert Report.objects.get(pk=report.pk).state == "draft"


def test_entries_that_cannot_be_sent_are_left_out_on_record(
    reviewer: User, second_reviewer: User, reporter: User, second_reporter: User
) -> None:
    case = make_case(entries=1)
    bad = add_entry(case, url="https://a.example/" + "x" * 2083)
    settled(case, reviewer, REMOVE)
    settled(case, second_reviewer, REMOVE)
    report = approved(case, by=second_reporter, composer=reporter)
    event = CustodyEvent.objects.order_by("seq").last()
    assert (event.after["rows"], event.after["left_out"]) == (1, [bad.pk])
    assert len(registry.agency("iwf").decode(store.open_sealed(report.payload))) == 1


def test_file(case: Case, reporter: User, second_reporter: User) -> None:
    report = approved(case, by=second_reporter, composer=reporter)
    at = timezone.now()
    submission = submitting.file(
        report, by=reporter, channel="portal", external_reference=" IWF-77 ", submitted_at=at
    )
    assert (submission.channel, submission.external_reference) == ("portal", "IWF-77")
    assert (submission.submitted_by, submission.submitted_at) == (reporter, at)
    assert submission.outcome == Submission.Outcome.PENDING
    assert Report.objects.get(pk=report.pk).state == "sent"
    event = CustodyEvent.objects.order_by("seq").last()
    assert (event.action, event.file_sha256) == ("report_filed", report.payload.sha256)
    assert event.before == {"state": "approved"}
    assert "IWF-77" not in str(event.after)


def test_filing_twice_is_refused(case: Case, reporter: User, second_reporter: User) -> None:
    report = filed(case, by=second_reporter, composer=reporter)
    with pytest.raises(ReportConflict, match="Filed"):
        submitting.file(
            report,
            by=reporter,
            channel="form",
            external_reference="IWF-2",
            submitted_at=timezone.now(),
        )
    assert report.submissions.get().external_reference == "IWF-1"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"external_reference": "  "}, "Enter the reference"),
        ({"channel": "pigeon"}, "Choose the channel"),
        ({"submitted_at": timedelta(minutes=5)}, "in the future"),
        ({"submitted_at": timedelta(days=-1)}, "before the approval"),
    ],
)
def test_a_filing_that_cannot_be_is_refused(
    case: Case, reporter: User, second_reporter: User, change: dict, why: str
) -> None:
    report = approved(case, by=second_reporter, composer=reporter)
    said = {"channel": "form", "external_reference": "IWF-1", "submitted_at": timedelta()} | change
    said["submitted_at"] = timezone.now() + said["submitted_at"]
    with pytest.raises(ReportRefused, match=why):
        submitting.file(report, by=reporter, **said)
    assert Report.objects.get(pk=report.pk).state == "approved"
    assert not Submission.objects.exists()


@pytest.mark.parametrize(
    "outcome", ["pending", "actioned", "not_illegal", "unreachable", "duplicate"]
)
def test_record_outcome(case: Case, reporter: User, second_reporter: User, outcome: str) -> None:
    report = filed(case, by=second_reporter, composer=reporter)
    at = timezone.now()
    submission = submitting.record_outcome(report, by=reporter, outcome=outcome, outcome_at=at)
    assert (submission.outcome, submission.outcome_at) == (outcome, at)
    assert Report.objects.get(pk=report.pk).state == "acknowledged"
    event = CustodyEvent.objects.order_by("seq").last()
    assert event.before == {"state": "sent", "outcome": "pending"}
    assert event.after["outcome"] == outcome


def test_a_result_may_follow_a_pending_answer_once(
    case: Case, reporter: User, second_reporter: User
) -> None:
    report = filed(case, by=second_reporter, composer=reporter)

    def record(outcome: str) -> None:
        submitting.record_outcome(report, by=reporter, outcome=outcome, outcome_at=timezone.now())

    record("pending")
    with pytest.raises(ReportConflict, match="recorded"):
        record("pending")
    record("actioned")
    for again in ("actioned", "not_illegal"):
        with pytest.raises(ReportConflict, match="Actioned"):
            record(again)
    assert report.submissions.get().outcome == "actioned"
    assert events_of(report).count("report_answered") == 2


def test_an_answer_that_cannot_be_is_refused(
    case: Case, reporter: User, second_reporter: User
) -> None:
    report = approved(case, by=second_reporter, composer=reporter)
    now = timezone.now()
    with pytest.raises(ReportConflict, match="Approved"):
        submitting.record_outcome(report, by=reporter, outcome="actioned", outcome_at=now)
    submitting.file(
        report, by=reporter, channel="mail", external_reference="IWF-1", submitted_at=now
    )
    for outcome, at, why in [
        ("guilty", now, "Choose"),
        ("actioned", now + timedelta(hours=1), "future"),
        ("actioned", now - timedelta(hours=1), "before the filing"),
    ]:
        with pytest.raises(ReportRefused, match=why):
            submitting.record_outcome(report, by=reporter, outcome=outcome, outcome_at=at)
    assert Report.objects.get(pk=report.pk).state == "sent"


def test_the_chain_holds_after_all_steps(case: Case, reporter: User, second_reporter: User) -> None:
    report = filed(case, by=second_reporter, composer=reporter)
    submitting.record_outcome(report, by=reporter, outcome="actioned", outcome_at=timezone.now())
    assert CustodyEvent.objects.check_chain().intact
    assert events_of(report) == [
        "report_drafted",
        "report_items_added",
        "report_proposed",
        "report_approved",
        "report_filed",
        "report_answered",
    ]


def test_a_reference_is_corrected_and_the_old_one_stays_on_record(
    case: Case, reporter: User, second_reporter: User
) -> None:
    report = filed(case, by=second_reporter, composer=reporter, reference="IWF-1")
    submitting.correct_reference(
        report, by=reporter, external_reference=" IWF-2 ", reason="a slip", edit_no=report.edit_no
    )
    assert report.submissions.get().external_reference == "IWF-2"
    event = CustodyEvent.objects.order_by("seq").last()
    assert event.action == "report_reference_corrected"
    assert event.before == {"reference": "IWF-1"}
    assert event.after["reference"] == "IWF-2"
    assert event.reason == "a slip"
    with pytest.raises(ReportConflict):  # the page that was looked at is old by now
        submitting.correct_reference(
            report, by=reporter, external_reference="IWF-3", reason="a", edit_no=report.edit_no
        )
    assert CustodyEvent.objects.check_chain().intact


def test_a_link_entered_as_a_reference_does_not_enter_the_chain(
    case: Case, reporter: User, second_reporter: User
) -> None:
    link = "https://pictures.example/a"
    report = filed(case, by=second_reporter, composer=reporter, reference=link)
    submitting.correct_reference(report, by=reporter, external_reference="IWF-2", reason="a slip")
    event = CustodyEvent.objects.order_by("seq").last()
    assert event.before == {"length": len(link)}


@pytest.mark.parametrize(
    ("reference", "reason", "words"),
    [
        (" ", "a slip", "Enter the reference"),
        ("IWF-2", " ", "Give a reason"),
        ("IWF-1", "a slip", "recorded already"),
        ("https://a.example/b", "a slip", "plain words"),
    ],
)
def test_a_correction_that_is_refused_changes_nothing(
    case: Case, reporter: User, second_reporter: User, reference: str, reason: str, words: str
) -> None:
    report = filed(case, by=second_reporter, composer=reporter, reference="IWF-1")
    events = CustodyEvent.objects.count()
    with pytest.raises(ReportRefused, match=words):
        submitting.correct_reference(
            report, by=reporter, external_reference=reference, reason=reason
        )
    assert report.submissions.get().external_reference == "IWF-1"
    assert Report.objects.get(pk=report.pk).edit_no == report.edit_no
    assert CustodyEvent.objects.count() == events


def test_a_report_that_is_not_filed_has_no_reference_to_correct(
    case: Case, reporter: User, second_reporter: User
) -> None:
    report = approved(case, by=second_reporter, composer=reporter)
    with pytest.raises(ReportConflict):
        submitting.correct_reference(report, by=reporter, external_reference="I", reason="a slip")


def test_the_coverage_of_an_approved_report_is_what_the_chain_recorded(
    case: Case, reporter: User, second_reporter: User
) -> None:
    add_entry(case, url="")
    drafting.draft(case)
    assert submitting.coverage(draft_of(case)) is None
    report = approved(case, by=second_reporter, composer=reporter)
    Case.objects.get(pk=case.pk).flags.first().matches.all().delete()  # facts change, the file not
    assert str(submitting.coverage(report)) == "1 of 2 entries; 1 left out: no link."


def test_who_wrote_in_it_does_not_approve_it_whoever_proposed_it(
    case: Case, reporter: User, second_reporter: User
) -> None:
    report = draft_of(case)
    drafting.edit(report, by=reporter, note="Two boats.", grade="", countries={})
    report = drafting.propose(Report.objects.get(pk=report.pk), by=second_reporter)
    assert report not in Report.objects.approvable_by(reporter)
    with pytest.raises(submitting.SamePerson, match="changed something in this report"):
        submitting.approve(report, by=reporter)
    report.refresh_from_db()
    assert report.state == Report.State.PROPOSED
    third = User.objects.create_user("third")
    assert report in Report.objects.approvable_by(third)
    assert submitting.approve(report, by=third).state == Report.State.APPROVED
