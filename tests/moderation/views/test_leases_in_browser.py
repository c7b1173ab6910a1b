"""Hold, hand over, skip and not for me by their keys; and the same without scripts."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from playwright.sync_api import expect

from moderation.models import Case, Session
from moderation.review import queue
from tests.looking import violations
from tests.moderation.review.making import make_case

pytestmark = pytest.mark.django_db(transaction=True)
READY = "html[data-keys=ready]"


@pytest.fixture
def held(reviewer):
    case = make_case(near=True)
    queue.claim(case, by=reviewer)
    return case


@pytest.fixture
def page(opened, reviewer, held):
    page = opened(reviewer, f"/cases/{held.pk}/")
    page.wait_for_selector(READY)
    return page


def test_h_puts_on_hold_with_what_was_written(page, held):
    page.keyboard.press("1")
    page.locator("[data-answer] textarea").fill("same boat")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("h")
    expect(page.get_by_label("For", exact=True)).to_be_focused()
    page.get_by_label("Why").first.fill("Asked the liaison")
    page.keyboard.press("Enter")  # a new line, and no answer
    page.get_by_role("button", name="Put on hold").click()
    page.wait_for_url("**/my-cases/")
    expect(page.locator("[data-kept=hold]")).to_contain_text("Asked the liaison")
    page.get_by_role("button", name="Go on with it").click()
    expect(page.locator("[data-answer] textarea")).to_have_value("same boat")
    expect(page.locator("[data-digit='1']")).to_be_checked()


def test_u_hands_over(page, held, second_reviewer):
    page.reload()  # they came after the page
    page.wait_for_selector(READY)
    page.keyboard.press("u")
    page.locator("[name=receiver]").select_option(second_reviewer.person.pseudonym)
    page.get_by_label("Note", exact=True).fill("You know this harbour")
    page.get_by_role("button", name="Hand it over").click()
    page.wait_for_url("**/queue/")
    assert Case.objects.get().leased_by == second_reviewer


def test_n_asks_for_a_reason_and_skips(page, held):
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    expect(page.locator("[data-aside=skip]")).not_to_have_attribute("open", "")
    assert Case.objects.get().lease_kind == "work"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("n")
    page.get_by_role("button", name="Skip this case").click()
    page.wait_for_url("**/queue/")
    assert held.reviews.get().ended == "skipped"


def test_shift_n_passes_on_at_once(page, held):
    page.keyboard.press("Shift+N")
    page.wait_for_url("**/queue/")
    assert held.reviews.get().ended == "not_for_me"


def test_letters_in_a_note_are_letters(page, held):
    page.keyboard.press("h")
    page.get_by_label("Why").first.focus()
    page.keyboard.type("Now, human: nobody u")
    expect(page.get_by_label("Why").first).to_have_value("Now, human: nobody u")
    assert Case.objects.get().lease_kind == "work"


def test_g_m_and_g_q_go_there(page, held):
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/my-cases/")
    page.wait_for_selector(READY)
    page.keyboard.press("g")
    page.keyboard.press("q")
    page.wait_for_url("**/queue/")


def test_the_sheet_names_the_keys_and_the_pages_are_accessible(page, opened, reviewer):
    page.keyboard.press("?")
    for words in ("put the case on hold", "hand it over", "skip it", "not for me", "My cases"):
        expect(page.get_by_role("dialog")).to_contain_text(words)
    page.keyboard.press("Escape")
    for name in ("h", "u", "n"):
        page.keyboard.press(name)
        page.evaluate("document.activeElement.blur()")
    assert violations(page) == []
    mine = opened(reviewer, "/my-cases/")
    mine.wait_for_selector(READY)
    assert violations(mine) == []


def test_without_scripts(opened, reviewer, held):
    page = opened(reviewer, f"/cases/{held.pk}/", java_script_enabled=False)
    page.locator("[data-aside=hold] summary").click()
    page.get_by_label("Why").first.fill("Asked the liaison")
    page.get_by_role("button", name="Put on hold").click()
    expect(page.locator("[data-kept=hold]")).to_contain_text("Asked the liaison")
    page.get_by_role("button", name="Go on with it").click()
    page.get_by_role("button", name="Not for me").click()
    assert held.reviews.get().ended == "not_for_me"


def test_the_time_left_stands_on_every_page(page, opened, reviewer, held):
    page.goto("/queue/")
    bar = page.locator(".topbar")
    expect(bar.locator("[data-lease-left]")).to_contain_text("min")
    Case.objects.update(lease_expires_at=Now() + timedelta(seconds=90))
    page.reload()
    expect(bar.locator("[data-lease-left]")).to_contain_text("1 min")
    bar.get_by_role("button", name="Renew").click()
    expect(bar.locator("[data-lease-left]")).to_contain_text("9 min")
    bar.get_by_role("link", name=f"Case {held.pk}").click()
    page.wait_for_url(f"**/cases/{held.pk}/")


def test_an_older_tab_writes_nothing_over_a_newer_one(page, reviewer, held):
    older = page.context.new_page()
    older.goto(f"/cases/{held.pk}/")
    page.locator("[data-answer] textarea").fill("same boat")
    for tab in (page, older):
        tab.bring_to_front()
        with tab.expect_response("**/renew/"):
            tab.get_by_role("button", name="Renew").click()
    assert held.reviews.get().draft["reason"] == "same boat"


def test_a_preview_goes_with_the_lease(opened, reviewer, held):
    Case.objects.update(lease_expires_at=Now() + timedelta(seconds=3))
    page = opened(reviewer, f"/cases/{held.pk}/")
    page.evaluate("""() => {
      const picture = document.createElement("img");
      picture.dataset.shown = "";
      document.querySelector("[data-stage]").append(picture);
    }""")
    expect(page.locator("[data-lease-over]")).to_be_visible()
    expect(page.locator("[data-shown]")).to_have_count(0)


def test_what_is_written_is_kept_at_each_pause(page, held):
    page.locator("[data-answer] textarea").press_sequentially("same boat")
    with page.expect_response("**/renew/"):
        pass
    assert held.reviews.get().draft["reason"] == "same boat"


def test_who_is_no_longer_logged_in_hears_it_while_writing(page, held, expected_errors):
    Session.objects.all().delete()
    page.locator("[data-answer] textarea").press_sequentially("same boat")
    expect(page.locator("[data-logged-out]")).to_be_visible()
    expect(page.locator("[data-answer] textarea")).to_have_value("same boat")
    assert violations(page) == []


def test_a_session_locked_elsewhere_is_locked_here_with_what_was_written(
    page,
    held,
    expected_errors,
):
    expected_errors.append("401")
    page.locator("[data-answer] textarea").press_sequentially("same")
    with page.expect_response("**/renew/"):
        pass
    page.request.post("/account/lock/", headers={"X-CSRFToken": token_of(page)})
    page.locator("[data-answer] textarea").press_sequentially(" boat")
    expect(page.locator("[data-lock]")).to_be_visible()
    expect(page.locator("[data-answer] textarea")).to_have_value("same boat")


def token_of(page):
    return page.locator("[name=csrfmiddlewaretoken]").first.input_value()
