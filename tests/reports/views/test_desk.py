"""The list, the report page and its steps, as the people of the desk use them."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from moderation.evidence import sealing
from moderation.models import Case, CustodyEvent, Entry
from moderation.models.case import HarmClass
from moderation.review import decisions
from reports import drafting
from reports.forms import MOMENT, FileForm
from reports.models import Report, Submission
from tests.moderation.review.making import add_entry, make_case, settled
from tests.reports.making import approved, confirmed_case, draft_of, filed, proposed

pytestmark = pytest.mark.django_db
URL = "https://pictures.example/a/b.jpg?x=1"
Login = Callable[[User], Client]
COUNTRY = {"country": "country_{}"}


def step(client: Client, name: str, report: Report, **said: object) -> tuple[int, str]:
    """Post one step; the status and the page that follows."""
    said.setdefault("edit_no", Report.objects.get(pk=report.pk).edit_no)
    answer = client.post(reverse(f"reports:{name}", args=[report.pk]), said, follow=True)
    first = answer.redirect_chain[0][1] if answer.redirect_chain else answer.status_code
    return first, answer.content.decode()


def state_of(report: Report) -> str:
    return Report.objects.get(pk=report.pk).state


def test_the_empty_list_says_when_a_report_appears(reporter: User, login: Login) -> None:
    page = login(reporter).get(reverse("reports:list")).content.decode()
    assert "No reports yet" in page
    assert "two people have confirmed a case" in page


def test_the_list_shows_state_reference_and_age_without_an_answer(
    case: Case, reporter: User, second_reporter: User, login: Login
) -> None:
    report = filed(case, by=second_reporter, composer=reporter, reference="IWF-2026-9")
    Submission.objects.update(submitted_at=timezone.now() - timedelta(days=3))
    answer = login(reporter).get(reverse("reports:list"))
    page = answer.content.decode()
    assert f"Report {report.pk}" in page
    assert "IWF-2026-9" in page
    assert "none after 3\xa0days" in page
    Submission.objects.update(submitted_at=timezone.now())
    assert "none yet" in login(reporter).get(reverse("reports:list")).content.decode()
    assert "Test: nothing here is a real report" in page
    assert answer["Cache-Control"] == "no-store"


def test_the_filters_live_in_the_address(
    case: Case,
    reviewer: User,
    second_reviewer: User,
    reporter: User,
    second_reporter: User,
    login: Login,
) -> None:
    sent = filed(case, by=second_reporter, composer=reporter, reference="IWF-2026-9")
    draft = draft_of(confirmed_case(reviewer, second_reviewer))
    client = login(reporter)

    def shown(query: str) -> set[int]:
        page = client.get(reverse("reports:list") + query)
        return {report.pk for report in page.context["page"]}

    assert shown("") == {sent.pk, draft.pk}
    assert shown("?state=draft") == {draft.pk}
    assert shown("?agency=iwf&environment=test") == {sent.pk, draft.pk}
    assert shown("?environment=production") == set()
    assert shown("?reference=2026-9") == {sent.pk}
    assert shown("?state=nonsense&page=99") == {sent.pk, draft.pk}
    page = client.get(reverse("reports:list") + "?environment=production").content.decode()
    assert "No report fits" in page


def test_confirmed_cases_without_a_report_are_named_and_can_be_drafted(
    case: Case, reviewer: User, second_reviewer: User, reporter: User, login: Login
) -> None:
    confirmed_case(reviewer, second_reviewer, harm_class=HarmClass.UNKNOWN)
    drafting.withdraw(draft_of(case), by=reporter, reason="wrong hotline")
    client = login(reporter)
    page = client.get(reverse("reports:list")).content.decode()
    assert "Not yet classed" in page
    assert "Its last report was withdrawn." in page
    assert page.count("Draft a report") == 1
    answer = client.post(reverse("reports:draft", args=[case.pk]))
    assert answer.url == reverse("reports:detail", args=[draft_of(case).pk])


def test_drafting_for_nobody_says_so(
    reviewer: User, second_reviewer: User, reporter: User, login: Login
) -> None:
    case = confirmed_case(reviewer, second_reviewer, harm_class=HarmClass.ADULT_INTIMATE)
    page = login(reporter).post(reverse("reports:draft", args=[case.pk]), follow=True)
    assert "Nobody is to be told" in page.content.decode()
    assert not Report.objects.exists()


def test_the_page_shows_facts_and_neither_link_nor_whole_hash(
    case: Case, reporter: User, login: Login
) -> None:
    report = draft_of(case)
    answer = login(reporter).get(reverse("reports:detail", args=[report.pk]))
    page = answer.content.decode()
    digest = bytes(report.items.get().entry.md5).hex()
    assert "b.jpg" not in page
    assert digest not in page
    assert f"md5:{digest[:8]}…" in page
    assert "https://pictures.example/…" in page
    assert "a boat at rest" not in page
    assert "child sexual abuse material" in page
    assert re.search(r"Viewed by us</dt>\s*<dd>\s*never", page)
    assert "category <bdi>A1</bdi> (iwf) as given by the list" in page
    assert "style=" not in page
    assert answer["Cache-Control"] == "no-store"


def test_the_full_link_on_request_is_on_record(case: Case, reporter: User, login: Login) -> None:
    report, client = draft_of(case), login(reporter)
    address = reverse("reports:url", args=[report.pk, report.items.get().pk])
    for headers in ({}, {"HX-Request": "true"}):
        answer = client.post(address, headers=headers)
        page = answer.content.decode()
        assert answer.status_code == 200
        assert "pictures.example/a/b.jpg?x=1" in page
        assert 'href="https://pictures' not in page
        assert "no-store" in answer["Cache-Control"]
    events = CustodyEvent.objects.filter(action="url_unmasked")
    assert events.count() == 2
    assert events[0].after == {"entry": report.items.get().entry_id}
    assert URL not in str(events[0].after)
    again = client.get(reverse("reports:detail", args=[report.pk])).content.decode()
    assert "b.jpg" not in again


def test_an_operator_sees_the_page_without_steps(case: Case, operator: User, login: Login) -> None:
    report = draft_of(case)
    page = login(operator).get(reverse("reports:detail", args=[report.pk])).content.decode()
    for words in ("Show the full link", "Propose</button>", "Withdraw it", "Save</button>"):
        assert words not in page


def test_from_draft_to_answer_by_two_people(
    case: Case, reporter: User, second_reporter: User, login: Login
) -> None:
    report, composer, approver = draft_of(case), login(reporter), login(second_reporter)
    item = report.items.get()
    status, page = step(
        composer, "edit", report, note="Found twice.", grade="B", **{f"country_{item.pk}": "gb"}
    )
    assert (status, "Saved." in page) == (302, True)
    assert report.items.get().hosting_country == "GB"

    status, page = step(composer, "propose", report)
    assert (status, state_of(report)) == (302, "proposed")
    assert "You composed it or wrote in it, so you do not approve it." in page
    status, page = step(composer, "approve", report)
    assert (status, state_of(report)) == (400, "proposed")
    assert "another person approves it" in page

    status, _ = step(approver, "send_back", report, reason="the note is too short")
    assert (status, state_of(report)) == (302, "draft")
    page = composer.get(reverse("reports:detail", args=[report.pk])).content.decode()
    assert "Sent back: the note is too short" in page
    step(composer, "propose", report)
    status, page = step(approver, "approve", report)
    assert (status, state_of(report)) == (302, "approved")
    assert "sealed as approved" in page

    now = timezone.now().strftime("%Y-%m-%dT%H:%M")
    status, page = step(
        composer, "file", report, channel="form", external_reference="IWF-5", submitted_at=now
    )
    assert (status, state_of(report)) == (400, "approved")
    assert "Nobody exported the agency" in page
    assert "Export first, or tick if it was filed without this file." in page
    (box,) = re.findall(r'<input type="checkbox" name="without_export"[^>]*>', page)
    assert "required" not in box  # no browser asks for a tick that may be false
    said = {"channel": "form", "external_reference": "IWF-5", "without_export": "on"}
    status, page = step(composer, "file", report, **said, submitted_at=now)
    assert (status, state_of(report)) == (302, "sent")
    event = CustodyEvent.objects.get(action="report_filed")
    assert event.after["exported"] is False
    assert "IWF-5" in page
    status, page = step(composer, "answer", report, outcome="actioned", outcome_at=now)
    assert (status, state_of(report)) == (302, "acknowledged")
    assert "Actioned" in page
    assert CustodyEvent.objects.check_chain().intact


def test_a_step_taken_twice_changes_nothing_and_says_so(
    case: Case, reporter: User, second_reporter: User, login: Login
) -> None:
    report, composer, approver = draft_of(case), login(reporter), login(second_reporter)
    for client, name in ((composer, "propose"), (approver, "approve")):
        seen = Report.objects.get(pk=report.pk).edit_no
        first, _ = step(client, name, report, edit_no=seen)
        events = CustodyEvent.objects.count()
        for edit_no in (seen, seen + 1):  # the same press again, and one on the page that follows
            again, page = step(client, name, report, edit_no=edit_no)
            assert (first, again) == (302, 409)
            assert 'role="alert"' in page
        assert CustodyEvent.objects.count() == events
    assert state_of(report) == "approved"


def test_an_old_page_is_refused(
    case: Case, reporter: User, second_reporter: User, login: Login
) -> None:
    report, client = draft_of(case), login(reporter)
    step(client, "edit", report, note="One.", grade="", edit_no=0)
    status, page = step(login(second_reporter), "propose", report, edit_no=0)
    assert (status, state_of(report)) == (409, "draft")
    assert "changed meanwhile" in page


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        ("edit", {"note": "https://a.example/b", "grade": ""}, "plain words"),
        ("edit", {"note": "", "grade": "Z"}, "Select a valid choice"),
        ("edit", {"note": "", "grade": "", "country": "Germany"}, "Give the two letters: DE."),
        ("edit", {"note": "", "grade": "", "country": "XX"}, "No such country code"),
        ("propose", {"note": "https://a.example/b", "grade": ""}, "plain words"),
        ("withdraw", {"reason": ""}, "This field is required"),
        ("withdraw", {"reason": "www.example.org"}, "plain words"),
        ("propose", {"edit_no": "x"}, "load it again"),
    ],
)
def test_what_is_wrong_comes_back_in_the_form(
    case: Case, reporter: User, login: Login, name: str, said: dict, words: str
) -> None:
    report = draft_of(case)
    said = {COUNTRY.get(key, key).format(report.items.get().pk): said[key] for key in said}
    status, page = step(login(reporter), name, report, **said)
    assert (status, state_of(report)) == (400, "draft")
    assert words in page
    assert 'role="alert" tabindex="-1" autofocus' in page
    assert report.items.get().hosting_country == ""
    assert CustodyEvent.objects.filter(action="report_edited").count() == 0


def test_a_filing_in_the_future_comes_back(
    case: Case, reporter: User, second_reporter: User, login: Login
) -> None:
    report = approved(case, by=second_reporter, composer=reporter)
    later = (timezone.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    status, page = step(
        login(reporter),
        "file",
        report,
        channel="form",
        external_reference="IWF-5",
        submitted_at=later,
        without_export="on",
    )
    assert (status, state_of(report)) == (400, "approved")
    assert "in the future" in page
    assert 'value="IWF-5"' in page


def test_the_check_names_what_is_left_out(
    reviewer: User, second_reviewer: User, reporter: User, login: Login
) -> None:
    case = confirmed_case(reviewer, second_reviewer)
    bad = add_entry(case, url="")
    client = login(reporter)
    report = draft_of(case)
    page = client.get(reverse("reports:detail", args=[report.pk])).content.decode()
    assert "1 more entry joined the case" in page
    client.post(reverse("reports:draft", args=[case.pk]))
    page = client.get(reverse("reports:detail", args=[report.pk])).content.decode()
    assert f"Entry {bad.pk}</span> <span>no link" in page
    assert "1 of 2" in page
    kept, left = report.items.order_by("entry_id")
    assert f'name="country_{kept.pk}"' in page
    assert f'name="country_{left.pk}"' not in page  # nobody is asked for what is not sent
    assert "not asked: this entry is left out" in page
    required = re.search(r"Required fields</span>\s*<span>(.*?)</li>", page, re.DOTALL)
    assert required is not None
    assert "complete" in required[1]  # of all that can be sent


def test_a_filed_report_of_a_reopened_case_warns(
    case: Case, reporter: User, second_reporter: User, login: Login
) -> None:
    report = filed(case, by=second_reporter, composer=reporter)
    decisions.reopen(case, because="value withdrawn")
    page = login(reporter).get(reverse("reports:detail", args=[report.pk])).content.decode()
    assert "reopened after this report was filed" in page


def test_a_proposed_report_can_be_withdrawn(case: Case, reporter: User, login: Login) -> None:
    report = proposed(case, by=reporter)
    status, page = step(login(reporter), "withdraw", report, reason="told by phone")
    assert (status, state_of(report)) == (302, "withdrawn")
    assert "Withdrawn: told by phone" in page


def test_a_page_costs_the_same_whatever_the_number_of_entries(
    reviewer: User,
    second_reviewer: User,
    reporter: User,
    login: Login,
    django_assert_max_num_queries: Callable,
) -> None:
    report = draft_of(confirmed_case(reviewer, second_reviewer, entries=12))
    client = login(reporter)
    with django_assert_max_num_queries(60):
        answer = client.get(reverse("reports:detail", args=[report.pk]))
    assert len(answer.context["facts"]) == 10
    second = client.get(reverse("reports:detail", args=[report.pk]) + "?page=2")
    assert len(second.context["facts"]) == 2


def test_a_draft_that_cannot_be_sent_offers_to_withdraw_it(
    case: Case, reporter: User, login: Login
) -> None:
    report, client = draft_of(case), login(reporter)
    Entry.objects.update(url_key=None, sealed=sealing.seal_text({"url": ""}))
    page = client.get(reverse("reports:detail", args=[report.pk])).content.decode()
    assert "so it cannot be proposed" in page
    assert "Propose</button>" not in page
    assert '<details class="more" open>' in page
    assert 'value="No entry can be sent."' in page
    status, page = step(client, "withdraw", report, reason="No entry can be sent.")
    assert (status, state_of(report)) == (302, "withdrawn")
    page = client.get(reverse("reports:list")).content.decode()
    assert f"Case {case.pk}: None of its entries has a link" in page
    assert "Draft a report" not in page


def test_what_is_proposed_is_what_the_page_says(case: Case, reporter: User, login: Login) -> None:
    report, client = draft_of(case), login(reporter)
    item = report.items.get()
    said = {"note": "Found twice.", "grade": "C", f"country_{item.pk}": "de"}
    status, page = step(client, "propose", report, **said)
    assert (status, state_of(report)) == (302, "proposed")
    saved = Report.objects.get(pk=report.pk)
    assert (saved.note, saved.grade) == ("Found twice.", "C")
    assert report.items.get().hosting_country == "DE"
    assert "Found twice." in page


def test_a_propose_without_the_form_leaves_the_note_alone(
    case: Case, reporter: User, login: Login
) -> None:
    report, client = draft_of(case), login(reporter)
    step(client, "edit", report, note="Found twice.", grade="C")
    assert step(client, "propose", report)[0] == 302
    assert Report.objects.get(pk=report.pk).note == "Found twice."


def test_an_approved_report_says_what_is_in_the_file_and_what_to_copy(
    reviewer: User, second_reviewer: User, reporter: User, second_reporter: User, login: Login
) -> None:
    case = make_case(entries=2)
    add_entry(case, url="")
    settled(case, reviewer, "REMOVE_KNOWN")
    settled(case, second_reviewer, "REMOVE_KNOWN")
    drafting.edit(draft_of(case), by=reporter, note="Found twice.", grade="", countries={})
    report = approved(case, by=second_reporter, composer=reporter)
    client = login(reporter)
    page = client.get(reverse("reports:detail", args=[report.pk])).content.decode()
    assert "2 of 3 entries; 1 left out: no link." in page
    assert re.search(r"<textarea[^>]*readonly>Found twice.</textarea>", page)
    assert "Not in the exported file" in page
    page = client.get(reverse("reports:export"), {"report": report.pk}).content.decode()
    assert "2 of 3 entries; 1 left out: no link." in page
    assert re.search(r"<textarea[^>]*readonly>Found twice.</textarea>", page)


def test_a_slip_in_the_reference_is_corrected_on_record(
    case: Case, reporter: User, second_reporter: User, login: Login
) -> None:
    report, client = filed(case, by=second_reporter, composer=reporter), login(reporter)
    page = client.get(reverse("reports:detail", args=[report.pk])).content.decode()
    assert "Correct the reference" in page
    status, page = step(client, "correct", report, external_reference="IWF-2", reason="")
    assert (status, "This field is required" in page) == (400, True)
    status, page = step(client, "correct", report, external_reference="IWF-2", reason="a slip")
    assert (status, state_of(report)) == (302, "sent")
    assert report.submissions.get().external_reference == "IWF-2"
    assert "Reference corrected from IWF-1 to IWF-2: a slip" in page


@pytest.mark.parametrize(
    "wrong", ["IWF\u202e-2", "IWF-\u200b2", "IWF\u20662", "\u200f\u3164", "I\x07"]
)
def test_a_reference_has_nothing_in_it_that_is_not_seen(
    case: Case, reporter: User, second_reporter: User, login: Login, wrong: str
) -> None:
    report, client = filed(case, by=second_reporter, composer=reporter), login(reporter)
    status, page = step(client, "correct", report, external_reference=wrong, reason="a slip")
    assert (status, "nvisible marks" in page) == (400, True)
    assert report.submissions.get().external_reference == "IWF-1"
    now = {"submitted_at": timezone.now().strftime(MOMENT), "edit_no": 0, "channel": "form"}
    form = FileForm(now | {"external_reference": wrong}, report=report)
    assert "external_reference" in form.errors


def test_the_answer_is_chosen_by_hand(
    case: Case, reporter: User, second_reporter: User, login: Login
) -> None:
    report, client = filed(case, by=second_reporter, composer=reporter), login(reporter)
    page = client.get(reverse("reports:detail", args=[report.pk])).content.decode()
    assert '<option value="" selected>Choose what it answered</option>' in page
    now = timezone.now().strftime("%Y-%m-%dT%H:%M")
    status, _ = step(client, "answer", report, outcome="", outcome_at=now)
    assert (status, state_of(report)) == (400, "sent")


def test_two_removals_for_different_reasons_are_told(
    case: Case, reviewer: User, second_reviewer: User, lead: User, reporter: User, login: Login
) -> None:
    other = make_case()
    settled(other, reviewer, "REMOVE_SUSPECT")
    settled(other, second_reviewer, "REMOVE_KNOWN")
    assert not other.reports.exists()  # before a lead has settled the answer
    settled(other, lead, "REMOVE_KNOWN")
    client = login(reporter)
    pages = [
        client.get(reverse("reports:detail", args=[draft_of(each).pk])).content.decode()
        for each in (other, case)
    ]
    first, second = pages[0].index("(REMOVE_SUSPECT)"), pages[0].index("(REMOVE_KNOWN)")
    assert pages[0].index("agree on removal, not on why") < first < second
    assert "agree on removal, not on why" not in pages[1]
