"""Keys of the queue, the tabs of a case, and what works on every page, under real hands."""

import pytest
from playwright.sync_api import expect

from moderation.models import Case, Person
from moderation.review import queue
from tests.browser import NARROW
from tests.looking import violations
from tests.moderation.review.making import make_case

pytestmark = pytest.mark.django_db(transaction=True)
READY = "html[data-keys=ready]"


@pytest.fixture(autouse=True)
def _here(settings, tmp_path):
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()


def at(case: Case) -> str:
    return f"/cases/{case.pk}/"


def test_rows_pins_filters_and_the_sum(opened, lead):
    first, second = make_case(priority=9), make_case(priority=8)
    page = opened(lead, "/queue/")
    page.wait_for_selector(READY)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(":focus")).to_contain_text(f"{second.pk}")
    page.keyboard.press("p")
    page.get_by_label("Why it comes first").fill("a court asks")
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue/")
    expect(page.locator("tbody [data-row-open]").first).to_contain_text(f"{second.pk}")
    page.wait_for_selector(READY)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    expect(page.locator(":focus")).to_have_attribute("name", "state")
    summed = page.locator(".sum").first
    summed.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".sum-shown:popover-open")).to_contain_text("Severity")
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.locator(".sum-shown:popover-open")).to_have_count(0)
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("o")
    page.wait_for_url(f"**{at(second)}")
    assert first.pk != second.pk


def test_tabs_keys_and_notes_of_a_case(opened, reviewer):
    case = queue.claim(make_case(entries=2), by=reviewer)
    page = opened(reviewer, at(case))
    page.wait_for_selector(READY)
    expect(page.get_by_role("tabpanel")).to_have_count(1)
    expect(page.locator("#group")).to_be_visible()
    page.get_by_role("tab", name="Group").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#history")).to_be_visible()
    expect(page.locator("#group")).to_be_hidden()
    assert page.url.endswith("#history")
    page.reload()
    expect(page.locator("#history")).to_be_visible()
    page.wait_for_selector(READY)
    page.keyboard.press("y")
    expect(page.locator("#policy")).to_be_visible()
    page.keyboard.press("w")
    expect(page.locator(".why")).to_contain_text("bit for bit")
    page.keyboard.press("m")
    page.keyboard.type("the 1 v quay")
    expect(page.get_by_label("A note")).to_have_value("the 1 v quay")
    page.get_by_role("button", name="Write the note").click()
    expect(page.locator("#notes")).to_contain_text("the 1 v quay")
    assert violations(page) == []
    page.wait_for_selector(READY)
    page.keyboard.press("]")
    page.wait_for_url("**?entry=*")


def test_without_scripts_the_tabs_are_sections(opened, reviewer):
    case = queue.claim(make_case(), by=reviewer)
    page = opened(reviewer, at(case), java_script_enabled=False, viewport=NARROW)
    for name in ("group", "history", "notes", "reports", "policy"):
        expect(page.locator(f"#{name}")).to_be_visible()


def test_the_jump_by_keyboard(opened, lead):
    case = make_case()
    page = opened(lead, "/")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.type(f"case {case.pk}")
    expect(page.locator("[data-jump-to]").first).to_contain_text(f"Case {case.pk}")
    assert violations(page) == []
    assert page.url.endswith("/")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+k")
    page.keyboard.type("tea")
    expect(page.locator("[data-jump-to]").first).to_contain_text("Team")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/team/")


def test_g_and_the_sheet_on_every_page(opened, lead):
    page = opened(lead, "/")
    page.wait_for_selector(READY)
    page.keyboard.press("?")
    expect(page.locator("[data-sheet]")).to_contain_text("to Hash lists")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("l")
    page.wait_for_url("**/hash-lists/")


def test_letters_that_are_switched_off_do_nothing(opened, reviewer):
    case = queue.claim(make_case(near=True), by=reviewer)
    Person.objects.filter(user=reviewer).update(letter_keys=False)
    page = opened(reviewer, at(case))
    page.wait_for_selector(READY)
    for key in ("1", "y", "?", "g", "q"):
        page.keyboard.press(key)
    expect(page.locator("[data-digit]:checked")).to_have_count(0)
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator(".choice kbd").first).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()
