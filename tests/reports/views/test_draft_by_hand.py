"""The draft in a browser: what is wrong has the focus; what is typed is what is proposed."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page, expect

from moderation.models import Case
from reports.models import Report
from tests.browser import chromium, expected_errors, opened  # noqa: F401
from tests.reports.making import approved, draft_of

pytestmark = pytest.mark.django_db(transaction=True)
Opened = Callable[..., Page]


def test_a_refused_save_is_read_first_and_leads_to_the_field(
    case: Case,
    reporter: User,
    opened: Opened,  # noqa: F811
    expected_errors: list[str],  # noqa: F811
) -> None:
    expected_errors.append("400")
    report = draft_of(case)
    page = opened(reporter, reverse("reports:detail", args=[report.pk]))
    country = page.get_by_label("Hosting country of entry")
    note = page.get_by_label("Free text for the hotline")
    country.fill("Germany")
    assert country.input_value() == "Germany"  # nothing is cut while typing
    note.fill("Found twice.")
    page.get_by_role("button", name="Save").click()
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(summary).to_be_in_viewport()
    expect(summary).to_contain_text("Give the two letters: DE.")
    expect(note).to_have_value("Found twice.")
    summary.get_by_role("link").click()
    expect(country).to_be_focused()
    country.fill("de")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".messages")).to_contain_text("Saved.")
    assert report.items.get().hosting_country == "DE"


def test_propose_takes_what_is_typed_and_save_asks_nothing(
    case: Case,
    reporter: User,
    opened: Opened,  # noqa: F811
) -> None:
    report = draft_of(case)
    page = opened(reporter, reverse("reports:detail", args=[report.pk]))
    page.get_by_label("Free text for the hotline").fill("Found twice.")
    page.get_by_role("button", name="Propose").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("is saved with it")
    dialog.get_by_role("button", name="Go back").click()
    assert Report.objects.get(pk=report.pk).state == "draft"
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".messages")).to_contain_text("Saved.")
    page.get_by_label("Free text for the hotline").fill("Found three times.")
    page.get_by_role("button", name="Propose").click()
    page.get_by_role("dialog").get_by_role("button", name="Propose").click()
    expect(page.locator(".page-head")).to_contain_text("Waiting for approval")
    assert Report.objects.get(pk=report.pk).note == "Found three times."


def test_the_free_text_is_ready_to_copy(
    case: Case,
    reporter: User,
    second_reporter: User,
    opened: Opened,  # noqa: F811
) -> None:
    Report.objects.update(note="Found twice.")
    report = approved(case, by=second_reporter, composer=reporter)
    page = opened(
        reporter,
        reverse("reports:detail", args=[report.pk]),
        permissions=["clipboard-read", "clipboard-write"],
    )
    page.get_by_role("button", name="Copy it").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "Found twice."
