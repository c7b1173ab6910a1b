"""L3 under real hands: held by pointer, by Space and by a press, and gone when the hand lets go."""

import pytest
from playwright.sync_api import expect

from moderation.models import Entry, Reveal
from moderation.review import queue
from tests.moderation.review.making import make_case, seal_copies
from tests.moderation.views.test_previews import picture

pytestmark = pytest.mark.django_db(transaction=True)
READY = "html[data-keys=ready]"
HELD = "[data-held]"


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


def hold(page, selector="[data-stage-frame]"):
    box = page.locator(selector).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()


def test_the_pointer_holds_it_and_letting_go_ends_it(page):
    hold(page)
    expect(page.locator(HELD)).to_have_js_property("naturalWidth", 384)
    expect(page.locator("[data-hold-left]")).to_be_visible()
    expect(page.locator("[data-stage]")).to_have_attribute("data-level", "3")
    page.mouse.up()
    expect(page.locator(HELD)).to_have_count(0)
    expect(page.locator("[data-outline]")).to_be_visible()
    expect(page.locator("[data-hold-left]")).to_be_hidden()
    expect(page.locator("[data-hold-said]")).to_contain_text("L3 is gone")
    hold(page)  # too soon
    expect(page.locator("[data-hold-said]")).to_contain_text("possible in")
    page.mouse.up()
    assert Reveal.objects.filter(level=3).count() == 1


def test_space_holds_it_where_the_stage_has_the_focus(page):
    page.keyboard.down(" ")
    page.keyboard.up(" ")
    page.locator("[data-stage-frame]").focus()
    page.keyboard.down(" ")
    expect(page.locator(HELD)).to_be_visible()
    page.keyboard.down(" ")  # a key that repeats is the same hold
    page.keyboard.up(" ")
    expect(page.locator(HELD)).to_have_count(0)
    assert Reveal.objects.filter(level=3).count() == 1


def test_a_short_press_asks_for_nothing(page):
    hold(page)
    page.mouse.up()
    page.locator("[data-hold-button]").focus()
    page.keyboard.press(" ")
    page.wait_for_timeout(500)
    assert not Reveal.objects.exists()
    expect(page.locator("[data-stage] img")).to_have_count(0)


def test_who_can_only_press_starts_and_ends_it_so(page):
    button = page.locator("[data-hold-button]")
    button.evaluate("e => e.click()")  # as assistive technology does
    expect(page.locator(HELD)).to_be_visible()
    expect(button).to_have_attribute("aria-pressed", "true")
    button.evaluate("e => e.click()")
    expect(page.locator(HELD)).to_have_count(0)
    expect(button).to_have_attribute("aria-pressed", "false")


def test_it_is_gone_when_its_time_is_over_though_held(page, settings):
    settings.L3_SECONDS = 1
    page.reload()
    page.wait_for_selector(READY)
    hold(page)
    expect(page.locator(HELD)).to_be_visible()
    expect(page.locator(HELD)).to_have_count(0)
    page.mouse.up()
    expect(page.locator("[data-hold-button] kbd")).to_contain_text("in ")


def test_d_draws_and_goes_back_to_grey(page):
    for key, level, drawn in (("d", "2", True), ("d", "2", False), ("d", "2", True)):
        page.keyboard.press(key)
        expect(page.locator("[data-stage]")).to_have_attribute("data-level", level)
        expect(page.locator("[data-drawing] [aria-current]")).to_have_count(int(drawn))
        expect(page.locator("[data-shown]")).to_have_js_property("naturalWidth", 384)
    page.keyboard.press("v")  # never past L2
    expect(page.locator("[data-stage]")).to_have_attribute("data-level", "2")
    assert list(Reveal.objects.order_by("pk").values_list("drawing", flat=True)) == [
        True,
        False,
        True,
    ]


def test_without_scripts_the_stage_says_that_l3_needs_them(opened, reviewer, case):
    page = opened(reviewer, f"/cases/{case.pk}/", java_script_enabled=False)
    expect(page.locator("[data-without-scripts]")).to_be_visible()
    expect(page.locator("[data-hold-button]")).to_be_hidden()
