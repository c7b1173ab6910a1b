"""The operator's pages in Chromium: no errors, no overflow, readable, moving, asking first."""

import pytest
from playwright.sync_api import expect

from moderation.models import ChainCheck, HashList, Scan
from moderation.review import queue
from moderation.tasks import check_chain
from tests.browser import NARROW
from tests.moderation.review.making import make_case

from . import rows

pytestmark = pytest.mark.django_db(transaction=True)

LONG = "a-dataset-with-a-remarkably-long-name/and-an-owner-too"


@pytest.fixture
def every(person):
    return person("eve", "reviewer", "lead", "reporter", "list_manager", "operator", "auditor")


def test_a_device_that_asks_for_contrast_gets_it_and_one_with_its_own_colours_keeps_lines(
    opened,
    operator,
):
    page = opened(operator, "/", color_scheme="light")
    ink = "getComputedStyle(document.body).color"
    usual = page.evaluate(ink)
    page.emulate_media(contrast="more")
    assert page.evaluate(ink) == "rgb(0, 0, 0)" != usual
    page.emulate_media(contrast="no-preference", forced_colors="active")
    current = page.locator(".rail-link[aria-current]")
    rail = page.goto("/team/") and current.evaluate("e => getComputedStyle(e).outlineStyle")
    assert rail == "solid"


LINES = """bar => {
  const boxes = [...bar.children].map(e => e.getBoundingClientRect()).sort((a, b) => a.y - b.y);
  let lines = 0, end = -1;
  for (const box of boxes) if (box.y >= end) { lines += 1; end = box.bottom; }
  return lines;
}"""


def test_the_top_bar_takes_two_lines_at_most_and_a_longer_menu_shows_it(opened, every, reviewer):
    held = queue.claim(make_case(), by=reviewer)
    for user, address in ((every, "/"), (reviewer, f"/cases/{held.pk}/"), (reviewer, "/queue/")):
        page = opened(user, address, viewport=NARROW)
        bar = page.locator(".topbar")
        assert bar.evaluate(LINES) <= 2, address
        for part in (".env-test", ".env-synthetic", ".pseudonym", "[href='/account/']"):
            expect(bar.locator(part)).to_be_in_viewport(ratio=1)
        expect(bar.get_by_role("button", name="Log out")).to_be_in_viewport(ratio=1)
        assert all(
            e.evaluate("e => e.scrollWidth <= e.clientWidth") for e in bar.locator(".btn").all()
        )
        if "cases" in address:
            expect(bar.locator("[data-lease-left]")).to_be_in_viewport(ratio=1)
            expect(bar.get_by_role("button", name="Renew")).to_be_in_viewport(ratio=1)
    rail = opened(every, "/", viewport=NARROW).locator(".rail")
    assert rail.evaluate("e => e.scrollWidth > e.clientWidth")
    assert "gradient" in rail.evaluate("e => getComputedStyle(e).backgroundImage")


def test_the_audit_filters_stand_apart_from_the_note_above(opened, every, reviewer):
    queue.claim(make_case(), by=reviewer)
    page = opened(every, "/audit/")
    note, filters = (page.locator(part).first.bounding_box() for part in (".more", "form.filters"))
    assert filters["y"] >= note["y"] + note["height"] + 8


def test_the_rows_of_the_audit_page_go_by_keys(
    opened,
    auditor,
    reviewer,
    monkeypatch,
    settings,
    tmp_path,
):
    settings.EVIDENCE_URL = tmp_path.as_uri()
    monkeypatch.setattr("moderation.tasks.check_chain.delay", lambda _: None)
    case = queue.claim(make_case(), by=reviewer)
    rows.hash_list("quay")
    page = opened(auditor, "/audit/?action=case_claimed")
    page.wait_for_timeout(750)
    page.keyboard.press("j")
    expect(page.locator("[data-row-open]").first).to_be_focused()
    page.keyboard.press("o")
    page.wait_for_url(f"**/audit/?object=case:{case.pk}")
    page.wait_for_timeout(750)
    page.keyboard.press("f")
    expect(page.get_by_label("Action")).to_be_focused()
    page.keyboard.type("v")  # a letter, not the key
    page.get_by_label("Action").blur()
    page.keyboard.press("v")
    expect(page.get_by_text("A check is under way")).to_be_visible()
    check_chain(ChainCheck.objects.get().pk)
    expect(page.get_by_text("intact, ")).to_be_visible()  # by itself
    expect(page.get_by_text("A check is under way")).to_be_hidden()


def test_the_log_in_page_works_by_keyboard(opened, operator):
    page = opened(None, "/scans/")
    page.keyboard.type("otto")
    page.keyboard.press("Tab")
    page.keyboard.type("calm-water-42")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Scans")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_progress_moves_by_itself_and_ends_with_the_scan(opened, operator):
    scan = rows.scan(rows.revision(), done=1)
    page = opened(operator, f"/scans/{scan.pk}/")
    expect(page.get_by_text("100 of 200 entries, 50 %")).to_be_visible()
    scan.shard_scans.filter(state="due").update(rows_done=40, state="running")
    expect(page.get_by_text("140 of 200 entries, 70 %")).to_be_visible(timeout=10_000)
    Scan.objects.update(state="finished")
    expect(page.get_by_text("Finished")).to_be_visible(timeout=10_000)
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)


def test_a_lost_server_is_said_and_a_lost_log_in_leads_there(
    opened,
    operator,
    expected_errors,
):
    expected_errors += ["net::ERR_INTERNET_DISCONNECTED", "htmx:"]
    scan = rows.scan(rows.revision())
    page = opened(operator, f"/scans/{scan.pk}/")
    page.context.set_offline(True)
    expect(page.get_by_text("No answer from the server just now")).to_be_visible(timeout=10_000)
    page.context.set_offline(False)
    expect(page.get_by_text("No answer from the server just now")).to_be_hidden(timeout=10_000)
    page.context.clear_cookies()
    page.wait_for_url("**/login/**", timeout=10_000)


def test_cancelling_asks_first(opened, operator):
    scan = rows.scan(rows.revision())
    page = opened(operator, f"/scans/{scan.pk}/")
    page.get_by_role("button", name="Cancel the scan").click()
    dialog = page.get_by_role("dialog", name="Cancel this scan?")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Go back")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert Scan.objects.get().state == "running"
    page.get_by_role("button", name="Cancel the scan").click()
    dialog.get_by_role("button", name="Cancel the scan").click()
    expect(page.get_by_role("status").get_by_text("is cancelled")).to_be_visible()
    assert Scan.objects.get().state == "cancelled"


def test_switching_a_list_off_asks_and_keeps_what_was_pressed(opened, list_manager):
    rows.hash_list("hotline")
    page = opened(list_manager, "/hash-lists/hotline/")
    page.get_by_role("button", name="Switch off").click()
    page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
    expect(page.get_by_text("hotline is switched off.")).to_be_visible()
    assert not HashList.objects.get().enabled


def test_colours_go_round(opened, operator):
    page = opened(operator, "/", color_scheme="light")
    paint = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paint)
    page.get_by_role("button", name="Press for light").click()
    page.get_by_role("button", name="Press for dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    assert page.evaluate(paint) != light


def test_a_list_is_loaded_in_two_steps(
    opened,
    list_manager,
    tmp_path,
    expected_errors,
):
    expected_errors += ["400 (Bad Request)"]  # the form that came back
    file = tmp_path / "values.txt"
    file.write_text("\n".join(f"{number:032x}" for number in range(1, 6)))
    page = opened(list_manager, "/hash-lists/load/file/")
    page.get_by_label("File", exact=True).set_input_files(file)
    expect(page.get_by_label("Name of the new list")).to_be_visible()  # there is none to choose
    page.get_by_label("Name of the new list").fill("harbour")
    page.get_by_label("Version", exact=True).fill("2026-11")
    for choice, seen in (("vics", False), ("csv", True), ("ncmec", False), ("plain", True)):
        page.get_by_label("Format").select_option(choice)
        expect(page.get_by_label("Algorithm")).to_be_visible(visible=seen)
        expect(page.locator("#id_profile")).to_be_visible(visible=choice in ("vics", "csv"))
        expect(page.get_by_label("The file holds only changes")).to_be_visible(
            visible=choice == "ncmec"
        )
    page.get_by_role("button", name="Read the file, change nothing").click()
    expect(page.get_by_text("Plain lines do not say what their values are")).to_be_visible()
    page.get_by_label("Algorithm").select_option("md5")
    page.get_by_role("button", name="Read the file, change nothing").click()
    expect(page.get_by_role("heading", name="What this file would change")).to_be_visible()
    assert not HashList.objects.exists()
    page.get_by_role("button", name="Load this version").click()
    expect(page.get_by_text("harbour 2026-11 is in force: 5 new")).to_be_visible()
    assert HashList.objects.get().current.new == 5
    page.goto("/hash-lists/load/file/")
    expect(page.get_by_label("Name of the new list")).to_be_hidden()
    page.get_by_label("List", exact=True).select_option("+new")
    expect(page.get_by_label("Name of the new list")).to_be_visible()
