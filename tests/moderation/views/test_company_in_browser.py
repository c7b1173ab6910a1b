"""The hint of who else has a case open: it comes, is announced and goes, and nothing moves."""

import pytest
from django.core.cache import cache
from playwright.sync_api import expect

from moderation.review import company, queue
from tests.browser import NARROW, WIDE
from tests.looking import violations
from tests.moderation.review.making import make_case

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("viewport", [WIDE, NARROW])
def test_it_comes_and_goes_without_moving_the_page(
    opened,
    person,
    lead,
    reviewer,
    viewport,
):
    case = make_case()
    page = opened(lead, "/queue/", viewport=viewport)
    page.clock.install()
    page.goto(f"/cases/{case.pk}/")
    line, title = page.locator("[data-company]"), page.locator("h1")
    expect(line).to_have_attribute("role", "status")
    expect(line).to_be_empty()
    before = title.bounding_box()
    company.hint(case, by=reviewer)
    page.clock.run_for(30_000)
    expect(line).to_have_text("One other person also has this page open")
    assert title.bounding_box() == before
    for more in ("uma", "udo", "ulf"):
        company.hint(case, by=person(more, "reviewer"))
    page.clock.run_for(30_000)
    expect(line).to_contain_text("4 others also")
    assert title.bounding_box() == before
    assert violations(page) == []
    cache.delete(company.KEY.format(case.pk))
    page.clock.run_for(30_000)
    expect(line).to_be_empty()


def test_the_same_words_are_not_said_again(opened, lead, reviewer):
    case = make_case()
    company.hint(case, by=reviewer)
    page = opened(lead, "/queue/")
    page.clock.install()
    page.goto(f"/cases/{case.pk}/")
    page.evaluate(
        """() => { window.said = 0; new MutationObserver(() => { window.said += 1; })
        .observe(document.querySelector("[data-company]"), {childList: true, subtree: true}); }"""
    )
    for _ in range(2):
        with page.expect_response("**/company/"):
            page.clock.run_for(30_000)
    assert page.evaluate("window.said") == 0


def test_without_scripts_the_page_says_what_was_so(opened, lead, reviewer):
    case = make_case()
    queue.claim(case, by=reviewer)
    company.hint(case, by=reviewer)
    page = opened(lead, f"/cases/{case.pk}/", java_script_enabled=False)
    expect(page.get_by_role("status").first).to_contain_text("also has this page open")
