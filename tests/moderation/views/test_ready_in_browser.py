"""Ready sentences under real hands: those of the chosen answer, by mouse and by key."""

import pytest
from playwright.sync_api import expect

from moderation.models import Review
from moderation.review import queue
from tests.looking import faults
from tests.moderation.review.making import make_case

pytestmark = pytest.mark.django_db(transaction=True)
READY = "html[data-keys=ready]"


@pytest.fixture(autouse=True)
def _no_queue(monkeypatch):
    monkeypatch.setattr("moderation.tasks.settle_answer.apply_async", lambda *_, **__: None)


@pytest.fixture
def held(reviewer, settings, tmp_path):
    settings.REASONS_FILE = str(tmp_path / "reasons.txt")
    text = "# KEEP_FALSE_MATCH\n- Another ship.\n- <b>Only</b> the sea.\n# ESCALATE\n- Ask.\n"
    (tmp_path / "reasons.txt").write_text(text, "utf-8")
    return queue.claim(make_case(near=True), by=reviewer)


@pytest.fixture
def page(opened, reviewer, held):
    page = opened(reviewer, f"/cases/{held.pk}/")
    page.wait_for_selector(READY)
    return page


def test_those_of_the_chosen_answer_are_shown(page):
    ready = page.locator("[data-ready]")
    expect(ready).to_be_hidden()
    page.keyboard.press("4")
    expect(ready.get_by_role("button")).to_have_text(["Another ship.", "<b>Only</b> the sea."])
    page.keyboard.press("7")
    expect(ready.get_by_role("button")).to_have_text(["Ask."])
    page.keyboard.press("1")
    expect(ready).to_be_hidden()


def test_a_press_adds_it_once_and_goes_to_the_box(page):
    box = page.locator("[data-answer] textarea")
    page.locator("[data-digit='4']").check()
    page.get_by_role("button", name="Another ship.").click()
    expect(box).to_be_focused()
    page.keyboard.type(" Seen twice.")
    page.get_by_role("button", name="Only").click()
    page.get_by_role("button", name="Another ship.").click()
    expect(box).to_have_value("Another ship. Seen twice. <b>Only</b> the sea.")


def test_by_keyboard_alone_and_sent(page):
    page.keyboard.press("7")
    page.keyboard.press("r")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Ask.")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-undo]")).to_be_visible()
    assert (Review.objects.get().answer, Review.objects.get().reason) == ("ESCALATE", "Ask.")


def test_anybody_can_use_them_on_any_screen(page):
    page.locator("[data-digit='4']").check()
    expect(page.locator("[data-ready]")).to_be_visible()
    assert faults(page, "ready-sentences") == []


def test_without_scripts_there_are_none(opened, reviewer, held):
    page = opened(reviewer, f"/cases/{held.pk}/", java_script_enabled=False)
    page.locator("[data-digit='4']").check()
    expect(page.locator("[data-ready]")).to_be_hidden()
    expect(page.locator("[data-answer] textarea")).to_be_visible()
