"""A part of a page that is asked for by itself: loading and failing are said, and tried again."""

import re

import pytest
from playwright.sync_api import expect

from moderation.review import queue
from tests.moderation.review.making import make_case

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_part_that_does_not_come_says_so_and_is_asked_for_again(
    opened,
    reviewer,
    expected_errors,
):
    expected_errors += ["net::ERR_FAILED", "htmx:", "403"]
    held = queue.claim(make_case(), by=reviewer)
    page = opened(reviewer, f"/cases/{held.pk}/")
    part = page.locator("#caption-text")
    page.route("**/caption/", lambda route: route.abort())
    page.get_by_role("button", name="Show the caption").click()
    alert = part.get_by_role("alert")
    expect(alert).to_contain_text("No answer from the server")
    expect(part).not_to_have_attribute("aria-busy", "true")

    waiting = []

    def keep(route):
        waiting.append(route)

    page.unroute("**/caption/")
    page.route("**/caption/", keep)
    alert.get_by_role("button", name="Try again").press("Enter")
    expect(part.get_by_role("status")).to_contain_text("Loading")
    expect(alert).to_have_count(0)
    waiting[0].fulfill(status=403, body="")
    expect(alert).to_contain_text("That was refused")

    page.unroute("**/caption/")
    alert.get_by_role("button", name="Load the page anew").press("Enter")
    page.get_by_role("button", name="Show the caption").click()
    expect(page.get_by_role("button", name="Show the caption")).to_have_count(0)
    expect(part.get_by_role("alert")).to_have_count(0)


def test_a_lost_log_in_shows_no_form_inside_the_part(opened, reviewer):
    held = queue.claim(make_case(), by=reviewer)
    page = opened(reviewer, f"/cases/{held.pk}/")
    token = [each for each in page.context.cookies() if each["name"] == "csrftoken"]
    page.context.clear_cookies()
    page.context.add_cookies(token)
    page.get_by_role("button", name="Show the caption").click()
    page.wait_for_url(re.compile("/login/"))
