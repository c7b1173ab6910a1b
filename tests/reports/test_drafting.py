"""A confirmed case drafts a report for whoever is responsible, once; reopened, it takes it back."""

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import override_settings

from moderation.evidence import sealing
from moderation.models import Case, CustodyEvent, Decision, Entry
from moderation.models.case import HarmClass
from moderation.review import decisions
from reports import drafting
from reports.models import Report, ReportConflict, ReportRefused
from tests.moderation.review.making import add_entry, make_case, settled

from .making import (
    REMOVE,
    approved,
    confirmed_case,
    draft_of,
    events_of,
    filed,
    make_real,
    make_synthetic,
    production,
    proposed,
)

pytestmark = pytest.mark.django_db


def test_a_confirmed_case_has_a_draft_with_all_its_entries(
    reviewer: User, second_reviewer: User
) -> None:
    case = confirmed_case(reviewer, second_reviewer, entries=3)
    report = draft_of(case)
    assert (report.agency, report.state, report.environment) == ("iwf", "draft", "test")
    entries = set(case.flags.values_list("entry", flat=True))
    assert set(report.items.values_list("entry", flat=True)) == entries
    assert len(entries) == 3
    assert events_of(report) == ["report_drafted", "report_items_added"]


def test_drafting_twice_changes_nothing(case: Case) -> None:
    report, events = draft_of(case), CustodyEvent.objects.count()
    assert drafting.draft(case) == [report]
    assert Report.objects.count() == 1
    assert report.items.count() == 1
    assert CustodyEvent.objects.count() == events


def test_an_entry_that_joined_later_is_taken_into_the_draft_only(
    case: Case, reporter: User
) -> None:
    add_entry(case)
    drafting.draft(case)
    report = draft_of(case)
    assert report.items.count() == 2
    drafting.propose(report, by=reporter)
    add_entry(case)
    drafting.draft(case)
    assert report.items.count() == 2


@pytest.mark.parametrize(
    ("harm_class", "reports"),
    [
        (HarmClass.CSAM, 1),
        (HarmClass.NON_PHOTOGRAPHIC, 1),
        (HarmClass.ABUSE_RELATED, 0),
        (HarmClass.ADULT_INTIMATE, 0),
        (HarmClass.OTHER, 0),
        (HarmClass.UNKNOWN, 0),
    ],
)
def test_who_is_told_follows_the_harm_class(
    reviewer: User, second_reviewer: User, harm_class: str, reports: int
) -> None:
    case = confirmed_case(reviewer, second_reviewer, harm_class=harm_class)
    assert case.state == Case.State.CLOSED
    assert case.decisions.get().verdict == Decision.Verdict.CONFIRMED
    assert case.reports.count() == reports


def test_a_case_not_yet_classed_is_shown_as_waiting(reviewer: User, second_reviewer: User) -> None:
    unclassed = confirmed_case(reviewer, second_reviewer, harm_class=HarmClass.UNKNOWN)
    confirmed_case(reviewer, second_reviewer, harm_class=HarmClass.ADULT_INTIMATE)
    confirmed_case(reviewer, second_reviewer)
    (waiting,) = drafting.undrafted()
    assert waiting.case == unclassed
    assert "Not yet classed" in waiting.reason
    assert not waiting.may_draft


def test_a_cleared_case_and_an_open_one_have_no_report(
    reviewer: User, second_reviewer: User
) -> None:
    cleared = make_case()
    settled(cleared, reviewer, "KEEP")
    settled(cleared, second_reviewer, "KEEP")
    for case in (cleared, make_case()):
        with pytest.raises(ReportRefused, match="not confirmed"):
            drafting.draft(case)
    assert not Report.objects.exists()


@pytest.mark.parametrize("setting", ["", "test", "prod", "PRODUCTION", "yes"])
def test_anything_but_production_means_test(
    setting: str, reviewer: User, second_reviewer: User
) -> None:
    with override_settings(REPORT_ENVIRONMENT=setting):
        case = confirmed_case(reviewer, second_reviewer)
    assert draft_of(case).environment == "test"


def test_real_data_is_drafted_for_production(reviewer: User, second_reviewer: User) -> None:
    case = make_case()
    make_real()
    with production():
        settled(case, reviewer, REMOVE)
        settled(case, second_reviewer, REMOVE)
    assert draft_of(case).environment == "production"


@pytest.mark.parametrize("synthetic", ["dataset", "list", "site"])
def test_synthetic_data_is_never_drafted_for_production(
    synthetic: str, reviewer: User, second_reviewer: User
) -> None:
    case = make_case()
    make_real()
    entry = case.flags.get().entry
    if synthetic == "dataset":
        type(entry.revision.dataset).objects.update(synthetic=True)
    if synthetic == "list":
        hash_list = entry.flag.matches.get().version.hash_list
        type(hash_list).objects.update(synthetic=True)
    with override_settings(SYNTHETIC=synthetic == "site", REPORT_ENVIRONMENT="production"):
        settled(case, reviewer, REMOVE)
        closed = settled(case, second_reviewer, REMOVE)
        with pytest.raises(ReportRefused, match="never reported in production"):
            drafting.draft(case)
        (waiting,) = drafting.undrafted()
    assert closed.state == Case.State.CLOSED  # the decision stands all the same
    assert not Report.objects.exists()
    assert "never reported in production" in waiting.reason
    event = CustodyEvent.objects.get(action="report_not_drafted")
    assert event.object_id == str(case.pk)


@pytest.mark.parametrize("real", ["dataset", "list"])
def test_real_data_is_never_drafted_for_test(
    real: str, reviewer: User, second_reviewer: User
) -> None:
    case = make_case()
    make_synthetic()
    entry = case.flags.get().entry
    if real == "dataset":
        type(entry.revision.dataset).objects.update(synthetic=False)
    else:
        hash_list = entry.flag.matches.get().version.hash_list
        type(hash_list).objects.update(synthetic=False)
    with override_settings(SYNTHETIC=False, REPORT_ENVIRONMENT="test"):
        settled(case, reviewer, REMOVE)
        settled(case, second_reviewer, REMOVE)
        with pytest.raises(ReportRefused, match="Real data never leaves"):
            drafting.draft(case)
    assert not Report.objects.exists()


def test_an_unknown_agency_is_said_and_does_not_stop_the_decision(
    reviewer: User, second_reviewer: User
) -> None:
    with override_settings(REPORT_AGENCY="nobody"):
        case = confirmed_case(reviewer, second_reviewer)
        (waiting,) = drafting.undrafted()
    assert case.state == Case.State.CLOSED
    assert "REPORT_AGENCY" in waiting.reason


def test_reopening_withdraws_what_was_not_filed(
    reviewer: User, second_reviewer: User, reporter: User, second_reporter: User
) -> None:
    cases = [confirmed_case(reviewer, second_reviewer) for _ in range(4)]
    reports = [
        draft_of(cases[0]),
        proposed(cases[1], by=reporter),
        approved(cases[2], by=second_reporter, composer=reporter),
        filed(cases[3], by=second_reporter, composer=reporter),
    ]
    for case in cases:
        decisions.reopen(case, because="value withdrawn")
    states = [Report.objects.get(pk=report.pk).state for report in reports]
    assert states == ["withdrawn", "withdrawn", "withdrawn", "sent"]
    for report in reports[:3]:
        assert events_of(report)[-1] == "report_withdrawn"
        assert Report.objects.get(pk=report.pk).reason == drafting.REOPENED


def test_confirmed_again_after_reopening_has_a_new_draft(
    case: Case, reviewer: User, second_reviewer: User
) -> None:
    old = draft_of(case)
    decisions.reopen(case, because="second look")
    settled(case, reviewer, REMOVE)
    settled(case, second_reviewer, REMOVE)
    assert draft_of(case).pk != old.pk
    assert Report.objects.get(pk=old.pk).state == "withdrawn"


def test_one_live_report_per_case_and_agency_in_the_database(case: Case) -> None:
    with pytest.raises(IntegrityError, match="one_live_report_per_agency"), transaction.atomic():
        Report.objects.create(case=case, agency="iwf", environment="test")


def test_edit(case: Case, reporter: User) -> None:
    report = draft_of(case)
    item = report.items.get()
    edited = drafting.edit(
        report, by=reporter, note="Found twice.", grade="B", countries={item.pk: "gb"}, edit_no=0
    )
    assert (edited.state, edited.note, edited.grade, edited.edit_no) == (
        "draft",
        "Found twice.",
        "B",
        1,
    )
    assert report.items.get().hosting_country == "GB"
    event = CustodyEvent.objects.order_by("seq").last()
    assert event.action == "report_edited"
    assert event.after == {"changed": ["note", "grade"], "items": [item.pk], "grade": "B"}


def test_the_same_edit_twice_changes_nothing(case: Case, reporter: User) -> None:
    report = draft_of(case)
    for _ in range(2):
        drafting.edit(report, by=reporter, note="Once.", grade="", countries={})
    assert Report.objects.get(pk=report.pk).edit_no == 1
    assert events_of(report).count("report_edited") == 1


def test_an_edit_of_a_page_that_is_too_old_is_refused(case: Case, reporter: User) -> None:
    report = draft_of(case)
    drafting.edit(report, by=reporter, note="One.", grade="", countries={}, edit_no=0)
    with pytest.raises(ReportConflict, match="changed meanwhile"):
        drafting.edit(report, by=reporter, note="Two.", grade="", countries={}, edit_no=0)
    assert Report.objects.get(pk=report.pk).note == "One."


@pytest.mark.parametrize(
    "note",
    ["see https://a.example/b.jpg", "WWW.example.org", "md5 5b1d3c0a9f7e4d2286b4a1c0de93f7aa"],
)
def test_notes_and_reasons_hold_no_link_and_no_hash(case: Case, reporter: User, note: str) -> None:
    report = draft_of(case)
    with pytest.raises(ReportRefused, match="plain words"):
        drafting.edit(report, by=reporter, note=note, grade="", countries={})
    with pytest.raises(ReportRefused, match="plain words"):
        drafting.withdraw(report, by=reporter, reason=note)
    drafting.propose(report, by=reporter)
    with pytest.raises(ReportRefused, match="plain words"):
        drafting.send_back(report, by=reporter, reason=note)
    assert Report.objects.get(pk=report.pk).state == "proposed"


def test_propose(case: Case, reporter: User) -> None:
    report = proposed(case, by=reporter)
    assert (report.state, report.composed_by, report.approved_by) == ("proposed", reporter, None)
    assert events_of(report)[-1] == "report_proposed"


def test_proposing_twice_is_refused(case: Case, reporter: User, second_reporter: User) -> None:
    report = proposed(case, by=reporter)
    events = CustodyEvent.objects.count()
    with pytest.raises(ReportConflict, match="Waiting for approval"):
        drafting.propose(report, by=second_reporter)
    assert Report.objects.get(pk=report.pk).composed_by == reporter
    assert CustodyEvent.objects.count() == events


def test_send_back(case: Case, reporter: User, second_reporter: User) -> None:
    report = proposed(case, by=reporter)
    back = drafting.send_back(report, by=second_reporter, reason="  the grade is missing ")
    assert (back.state, back.composed_by, back.reason) == ("draft", None, "the grade is missing")
    event = CustodyEvent.objects.order_by("seq").last()
    assert (event.action, event.reason) == ("report_sent_back", "the grade is missing")
    assert event.before == {"state": "proposed"}
    again = drafting.propose(back, by=second_reporter)
    assert (again.composed_by, again.reason) == (second_reporter, "")


def test_sending_back_needs_a_reason_and_a_proposed_report(case: Case, reporter: User) -> None:
    report = draft_of(case)
    with pytest.raises(ReportConflict, match="Draft"):
        drafting.send_back(report, by=reporter, reason="too early")
    drafting.propose(report, by=reporter)
    with pytest.raises(ReportRefused, match="Give a reason"):
        drafting.send_back(report, by=reporter, reason="   ")


def test_withdraw_from_every_state_before_filing(
    reviewer: User, second_reviewer: User, reporter: User, second_reporter: User
) -> None:
    reports = [
        draft_of(confirmed_case(reviewer, second_reviewer)),
        proposed(confirmed_case(reviewer, second_reviewer), by=reporter),
        approved(confirmed_case(reviewer, second_reviewer), by=second_reporter, composer=reporter),
    ]
    for report in reports:
        withdrawn = drafting.withdraw(report, by=reporter, reason="told by phone")
        assert (withdrawn.state, withdrawn.reason) == ("withdrawn", "told by phone")
        event = CustodyEvent.objects.order_by("seq").last()
        assert event.before == {"state": str(report.state)}
        with pytest.raises(ReportConflict, match="Withdrawn"):
            drafting.withdraw(report, by=reporter, reason="again")


def test_a_filed_report_cannot_be_withdrawn(
    case: Case, reporter: User, second_reporter: User
) -> None:
    report = filed(case, by=second_reporter, composer=reporter)
    with pytest.raises(ReportConflict, match="Filed"):
        drafting.withdraw(report, by=reporter, reason="too late")


def test_a_withdrawn_report_can_be_drafted_again(case: Case, reporter: User) -> None:
    drafting.withdraw(draft_of(case), by=reporter, reason="wrong hotline")
    (waiting,) = drafting.undrafted()
    assert waiting.may_draft
    assert "withdrawn" in waiting.reason
    (report,) = drafting.draft(case, by=reporter)
    assert report.state == "draft"
    assert drafting.undrafted() == []


def test_a_case_without_any_link_has_no_draft_and_says_what_to_do(
    reviewer: User, second_reviewer: User, reporter: User
) -> None:
    case = make_case(entries=2)
    Entry.objects.update(url_key=None, sealed=sealing.seal_text({"url": ""}))
    settled(case, reviewer, REMOVE)
    settled(case, second_reviewer, REMOVE)
    assert not Report.objects.exists()
    event = CustodyEvent.objects.get(action="report_not_drafted")
    assert "None of its entries has a link" in event.reason
    (waiting,) = drafting.undrafted()
    assert "Tell the hotline on another channel" in waiting.reason
    assert not waiting.may_draft
    with pytest.raises(ReportRefused, match="takes links only"):
        drafting.draft(case, by=reporter)

    add_entry(case)  # a copy with a link joins the case
    (waiting,) = drafting.undrafted()
    assert waiting.may_draft
    (report,) = drafting.draft(case, by=reporter)
    assert report.items.count() == 3


def test_a_draft_whose_links_are_gone_is_withdrawn_and_stands_with_the_reason(
    case: Case, reporter: User
) -> None:
    Entry.objects.update(url_key=None, sealed=sealing.seal_text({"url": ""}))
    assert drafting.draft(case) == [draft_of(case)]  # what stands stays
    with pytest.raises(ReportRefused, match="and withdraw it"):
        drafting.propose(draft_of(case), by=reporter)
    drafting.withdraw(draft_of(case), by=reporter, reason="no link")
    (waiting,) = drafting.undrafted()
    assert "None of its entries has a link" in waiting.reason
    assert not waiting.may_draft
