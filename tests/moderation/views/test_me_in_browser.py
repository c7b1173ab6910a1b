"""Hide all, the meter, breaks and Me under real hands."""

import pytest
from playwright.sync_api import expect

from moderation.models import Case, Entry
from moderation.review import queue
from tests.looking import faults
from tests.moderation.review.making import make_case, seal_copies
from tests.moderation.views.test_previews import picture

pytestmark = pytest.mark.django_db(transaction=True)
READY = "html[data-keys=ready]"
BLANK = "[data-blank]"


@pytest.fixture(autouse=True)
def _evidence(settings, tmp_path):
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()


@pytest.fixture
def case(db, reviewer):
    made = make_case(near=True)
    seal_copies(Entry.objects.get(), picture())
    return queue.claim(made, by=reviewer)


@pytest.fixture
def page(opened, reviewer, case):
    page = opened(reviewer, f"/cases/{case.pk}/")
    page.wait_for_selector(READY)
    return page


def test_esc_twice_hides_everything_without_a_network(page, case):
    page.keyboard.press("v")
    expect(page.locator("[data-shown]")).to_be_visible()
    expect(page.locator("#exposure-meter")).to_contain_text("0.1 of 20")
    page.context.set_offline(True)
    page.keyboard.press("Escape")
    expect(page.locator(BLANK)).to_be_hidden()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(BLANK)).to_be_visible()
    expect(page.locator("[data-stage] img")).to_have_count(0)
    assert page.title() == "Breakwater"
    for _ in range(3):  # it goes away by its button alone
        page.keyboard.press("Escape")
    expect(page.locator(BLANK)).to_be_visible()
    page.keyboard.press("1")  # deaf behind it
    page.get_by_role("button", name="Come back").click()
    expect(page.locator(BLANK)).to_be_hidden()
    expect(page.locator("[data-digit]:checked")).to_have_count(0)
    assert page.title().startswith(f"Case {case.pk}")
    page.context.set_offline(False)


def test_it_works_while_typing_and_by_its_button(page):
    page.locator("[data-answer] textarea").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(BLANK)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(BLANK)).to_be_hidden()
    page.get_by_role("button", name="Hide all").click()
    expect(page.locator(BLANK)).to_be_visible()


def test_hiding_ends_a_hold(page):
    page.locator("[data-stage-frame]").focus()
    page.keyboard.down(" ")
    expect(page.locator("[data-held]")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(BLANK)).to_be_visible()
    expect(page.locator("[data-held]")).to_have_count(0)
    page.keyboard.up(" ")


def test_b_takes_a_break(opened, reviewer, case):
    page = opened(reviewer, "/me/")
    page.wait_for_selector(READY)
    page.keyboard.press("l")
    expect(page.locator("[name=day]")).to_be_focused()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("b")
    page.wait_for_url("**/me/break/")
    assert not Case.objects.worked_on_by(reviewer).exists()


def test_what_was_written_outlasts_leaving_the_page_and_a_break(page, case):
    page.on("dialog", lambda dialog: dialog.accept())  # the browser asks whether to leave
    page.keyboard.press("4")
    page.locator("[data-answer] textarea").fill("the outlines do not agree")
    page.goto("/me/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Me")
    kept = case.reviews.filter(draft__reason="the outlines do not agree")
    for _ in range(200):  # what is sent on leaving arrives when it does
        if kept.exists():
            break
        page.wait_for_timeout(50)
    page.goto(f"/cases/{case.pk}/")
    expect(page.locator("[data-answer] textarea")).to_have_value("the outlines do not agree")
    expect(page.locator("[data-digit='4']")).to_be_checked()
    page.goto("/me/")
    page.wait_for_selector(READY)
    page.keyboard.press("b")
    page.wait_for_url("**/me/break/")
    page.goto(f"/cases/{case.pk}/")
    page.get_by_role("button", name="Take this case").click()
    expect(page.locator("[data-answer] textarea")).to_have_value("the outlines do not agree")


def test_the_stage_begins_l2_as_one_chose(opened, reviewer, case):
    page = opened(reviewer, "/me/")
    page.locator("[name=drawing_csam]").check()
    page.get_by_role("button", name="Save").click()
    page.goto(f"/cases/{case.pk}/")
    page.wait_for_selector(READY)
    for _ in range(2):
        page.keyboard.press("v")
        expect(page.locator("[data-shown]")).to_be_visible()
        page.wait_for_timeout(100)
    expect(page.locator("[data-drawing] [aria-current]")).to_have_count(1)


def test_a_break_that_is_due_is_said_on_a_page_that_everybody_can_read(
    opened,
    reviewer,
    case,
    settings,
):
    settings.CASES_TO_BREAK = 0
    page = opened(reviewer, f"/cases/{case.pk}/")
    assert faults(page, "case-break-due") == []
