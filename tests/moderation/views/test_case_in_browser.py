"""The case page under real hands: keys, stage, undo, clock, and the page without scripts."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models.functions import Now
from playwright.sync_api import expect

from moderation.models import (
    Case,
    CustodyEvent,
    Entry,
    Grant,
    Reveal,
    Review,
)
from moderation.people import granting
from moderation.review import answers, queue
from moderation.review.exposure import SHOWN_SIDE
from tests.browser import NARROW, WIDE
from tests.moderation.review.making import (
    add_entry,
    answer,
    make_case,
    seal_copies,
    settled,
    withdraw,
)
from tests.moderation.views.test_previews import picture

pytestmark = pytest.mark.django_db(transaction=True)
DESK = {"width": 1280, "height": 900}
READY = "html[data-keys=ready]"


@pytest.fixture(autouse=True)
def _here(settings, tmp_path, monkeypatch):
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()
    monkeypatch.setattr("moderation.tasks.settle_answer.apply_async", lambda *_, **__: None)


def with_previews(case: Case) -> Case:
    seal_copies(Entry.objects.get(flag__case=case), picture())
    return case


def at(case: Case) -> str:
    return f"/cases/{case.pk}/"


def test_a_digit_selects_and_ctrl_enter_sends(opened, reviewer):
    first, second = make_case(near=True, priority=9), make_case(near=True)
    queue.claim(first, by=reviewer)
    page = opened(reviewer, at(first))
    page.wait_for_selector(READY)
    page.keyboard.press("4")
    expect(page.locator("[data-digit='4']")).to_be_checked()
    assert not Review.objects.exclude(answer="").exists()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(f"**{at(second)}")
    assert first.reviews.get().answer == "KEEP_FALSE_MATCH"
    expect(page.locator("[data-undo]")).to_contain_text("Case")


def test_a_new_page_is_deaf_at_first_and_shows_it(opened, reviewer):
    case = make_case(near=True)
    queue.claim(case, by=reviewer)
    page = opened(reviewer, "/queue/")
    page.clock.install()
    page.goto(at(case))
    first, hint = page.locator("[data-digit='1']"), page.locator(".choice kbd").first
    edge = "e => getComputedStyle(e).borderTopStyle"
    assert hint.evaluate(edge) == "dotted"
    page.keyboard.press("1")
    expect(first).not_to_be_checked()
    page.clock.run_for(701)
    expect(page.locator("html")).to_have_attribute("data-keys", "ready")
    assert hint.evaluate(edge) == "solid"
    page.keyboard.press("1")
    expect(first).to_be_checked()


def test_typing_that_began_in_the_deaf_time_answers_nothing(opened, reviewer):
    case = make_case(near=True)
    queue.claim(case, by=reviewer)
    page = opened(reviewer, "/queue/")
    page.clock.install()
    page.goto(at(case))
    for key in "seen 1 2 3":  # a key every 300 ms, long past the first 700
        page.keyboard.press(key)
        page.clock.run_for(300)
    expect(page.locator("[data-digit]:checked")).to_have_count(0)
    expect(page.locator("html")).not_to_have_attribute("data-keys", "ready")
    page.clock.run_for(701)
    page.keyboard.press("2")
    expect(page.locator("[data-digit='2']")).to_be_checked()


def test_a_reason_in_the_deaf_time_is_sent_by_its_key(opened, reviewer):
    case = make_case(near=True)
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case))
    page.locator("[data-digit='4']").check()
    page.locator("[data-answer] textarea").type("Another ship.")
    page.wait_for_selector(READY)
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-undo]")).to_be_visible()
    assert Review.objects.get().reason == "Another ship."


def test_leaving_with_a_typed_reason_asks_first(opened, lead):
    case = make_case(near=True)
    queue.claim(case, by=lead)
    page = opened(lead, at(case))
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.locator("[data-answer] textarea").type("Another ship.")
    page.get_by_role("link", name="Queue").first.click()
    page.locator("#legal-hold").get_by_label("Reason").type("Order 7")
    for _ in range(2):  # who stayed may send it again, and is asked again
        page.get_by_role("button", name="Set a legal hold").click()
        page.get_by_role("dialog").get_by_role("button", name="Set a legal hold").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
    assert asked == ["beforeunload"] * 3
    assert page.url.endswith(at(case))
    assert Case.objects.get().legal_hold_since is None
    page.locator("#legal-hold").get_by_label("Reason").fill("")
    page.locator("[data-digit='4']").check()
    page.get_by_role("button", name="Confirm and stay").click()
    expect(page.locator("[data-undo]")).to_be_visible()
    assert len(asked) == 3
    assert Review.objects.get().reason == "Another ship."


def test_keys_are_ignored_while_typing_and_in_the_sheet(opened, reviewer):
    case = make_case(near=True)
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case))
    page.wait_for_selector(READY)
    page.keyboard.press("r")
    page.keyboard.type("1 v z ?")
    expect(page.locator("[data-answer] textarea")).to_have_value("1 v z ?")
    expect(page.locator("[data-digit='1']")).not_to_be_checked()
    page.locator("h1").click()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    expect(page.locator("[data-sheet]")).to_contain_text("from the reason field too")
    expect(page.locator("[data-sheet]")).to_be_visible()
    page.keyboard.press("2")
    page.keyboard.press("Escape")
    expect(page.locator("[data-sheet]")).not_to_be_visible()
    expect(page.locator("[data-digit='2']")).not_to_be_checked()


def test_a_key_held_down_does_nothing(opened, reviewer):
    case = make_case(near=True)
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case))
    page.wait_for_selector(READY)
    page.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown',"
        " {key: '1', repeat: true, bubbles: true}))"
    )
    expect(page.locator("[data-digit='1']")).not_to_be_checked()


def test_shift_enter_stays_and_z_undoes(opened, reviewer):
    case = make_case(near=True)
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case))
    page.wait_for_selector(READY)
    page.keyboard.press("4")
    page.keyboard.press("Shift+Enter")
    expect(page.locator("[data-undo]")).to_be_visible()
    expect(page.locator(".decision")).to_contain_text("You have just answered it")
    expect(page.get_by_role("button", name="Next case")).to_be_visible()
    page.wait_for_selector(READY)
    page.keyboard.press("z")
    expect(page.locator(".messages")).to_contain_text("Undone")
    expect(page.locator("[data-digit='4']")).to_be_checked()
    assert Case.objects.get().state == "open"


def test_an_escalation_is_not_sent_without_a_reason(opened, reviewer):
    case = make_case()
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case))
    page.wait_for_selector(READY)
    reason = page.locator("[data-answer] textarea")
    page.keyboard.press("7")
    page.keyboard.press("Control+Enter")
    expect(reason).to_be_focused()
    assert not Review.objects.exclude(answer="").exists()
    page.keyboard.type("Two ships, I think.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-undo]")).to_be_visible()
    assert Review.objects.get(answer="ESCALATE").reason == "Two ships, I think."


def clear_of_the_buttons(page, part) -> bool:
    """Whether the whole of a part of the decision lies in sight, above its buttons."""
    decision = page.locator(".decision").bounding_box()
    buttons = page.locator(".decision .confirm").bounding_box()
    box = part.bounding_box()
    return bool(decision["y"] <= box["y"] and box["y"] + box["height"] <= buttons["y"])


@pytest.mark.parametrize("by_key", [True, False])
def test_the_label_says_when_a_reason_is_required_and_the_box_is_in_sight(
    opened,
    reviewer,
    by_key,
):
    case = make_case()
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case), viewport=DESK)
    page.wait_for_selector(READY)
    need, box = page.locator("[data-reason-need]"), page.locator("[data-answer] textarea")
    expect(need).to_have_text("needed for some answers")
    for digit, words in (
        ("1", "optional"),
        ("7", "required"),
        ("2", "optional"),
        ("5", "required"),
    ):
        if by_key:
            page.keyboard.press(digit)
        else:
            page.locator(f"[data-digit='{digit}']").check()
        expect(need).to_have_text(words)
        required = words == "required"
        expect(box).to_have_js_property("required", required)
        expect(page.get_by_label("Harm class")).to_be_visible(visible=not required)
        if required:
            assert clear_of_the_buttons(page, box)


def test_on_a_phone_too_a_needed_reason_comes_into_sight(opened, reviewer):
    case = make_case()
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case), viewport=NARROW)
    page.locator("[data-digit='7']").check()
    expect(page.locator("[data-answer] textarea")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("scripts", [True, False])
def test_a_refused_answer_shows_its_reason_clear_of_the_buttons(
    opened,
    expected_errors,
    reviewer,
    scripts,
):
    expected_errors.append("400")
    case = make_case()
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case), viewport=DESK, java_script_enabled=scripts)
    page.locator("[data-digit='5']").check()
    page.locator("[data-answer] textarea").fill(" ")
    page.get_by_role("button", name="Confirm and next").click()
    expect(page.locator("[data-reason] .field-error")).to_contain_text("Write a reason below")
    expect(page.locator("[data-answer] textarea")).to_be_focused()
    expect(page.locator("[data-reason-need]")).to_have_text("required")
    assert clear_of_the_buttons(page, page.locator("[data-answer] textarea"))
    assert clear_of_the_buttons(page, page.locator("[data-reason] .field-error"))


@pytest.mark.parametrize("disputed", [True, False])
def test_a_lead_sees_every_answer_at_once(opened, reviewer, second_reviewer, lead, disputed):
    case = make_case(entries=3)
    why = "The hull is another one, and so is the flag. " * 8
    if disputed:
        case = settled(case, reviewer, "KEEP", reason=why)
        case = settled(case, second_reviewer, "REMOVE_KNOWN", reason=why)
    else:
        case = settled(case, reviewer, "ESCALATE", reason=why)
    queue.claim(case, by=lead)
    page = opened(lead, at(case), viewport=DESK)
    expect(page.locator("[data-round]")).to_contain_text("so is the flag")
    answers_ = page.locator(".decision .choice")
    expect(answers_).to_have_count(8)
    for answer_ in answers_.all():
        assert clear_of_the_buttons(page, answer_)
    expect(page.locator("[data-next]")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("width", [1000, 1200, 1280, 1440])
def test_the_decision_stands_beside_the_evidence_and_stays(opened, reviewer, width):
    case = make_case(near=True, entries=30)
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case), viewport={"width": width, "height": 800})
    decision, evidence = (page.locator(part).bounding_box() for part in (".decision", ".evidence"))
    assert decision["x"] >= evidence["x"] + evidence["width"]
    assert decision["y"] < 300
    confirm = page.locator("[data-next]")
    expect(confirm).to_be_in_viewport()
    page.mouse.wheel(0, 300)
    expect(confirm).to_be_in_viewport()


def test_v_raises_one_level_at_a_time_and_shift_v_lowers(opened, reviewer):
    case = with_previews(make_case(near=True))
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case))
    page.wait_for_selector(READY)
    expect(page.locator("[data-stage] img")).to_have_count(0)
    page.mouse.move(400, 400)
    for level in ("1", "2"):
        page.keyboard.press("v")
        expect(page.locator("[data-stage]")).to_have_attribute("data-level", level)
        expect(page.locator("[data-shown]")).to_have_js_property("naturalWidth", SHOWN_SIDE)
    page.keyboard.press("v")
    page.keyboard.press("Shift+V")
    expect(page.locator("[data-stage] img")).to_have_count(0)
    expect(page.locator("[data-outline]")).to_be_visible()
    assert list(Reveal.objects.values_list("level", flat=True)) == [1, 2]
    assert not Reveal.objects.filter(opened_at=None).exists()


def test_a_refused_look_says_why_on_the_stage(opened, expected_errors, reviewer, settings):
    expected_errors.append("409")
    case = with_previews(make_case(near=True))
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case))
    settings.EXPOSURE_PER_DAY = Decimal(0)
    page.locator("[data-raise='1'] button").click()
    expect(page.locator(".stage-refused")).to_contain_text("limit")
    expect(page.locator("[data-stage] img")).to_have_count(0)


def test_the_clock_renews_and_says_when_it_is_over(opened, expected_errors, reviewer):
    expected_errors.append("409")
    case = make_case()
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case))
    expect(page.locator("[data-lease-left]")).to_contain_text("min")
    before = Case.objects.get().lease_expires_at
    page.wait_for_timeout(1100)
    with page.expect_response("**/renew/") as renewed:
        page.locator("[data-lease] button").click()
    assert renewed.value.status == 200
    assert Case.objects.get().lease_expires_at > before
    Case.objects.update(lease_token="taken elsewhere")
    page.locator("[data-lease] button").click()
    expect(page.locator("[data-lease-over]")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_start_next_by_enter(opened, reviewer, scripts):
    case = make_case()
    page = opened(reviewer, "/queue/", java_script_enabled=scripts)
    expect(page.locator("[data-key='Enter']")).to_be_focused()
    page.keyboard.press("Enter")  # at once: the button has the focus, no script is needed
    page.wait_for_url(f"**{at(case)}")


def looking(opened, reviewer):
    """The page of a case that the person holds, with a look open, and its stage."""
    case = with_previews(make_case(near=True))
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case))
    page.wait_for_selector(READY)
    page.keyboard.press("v")
    stage = page.locator("[data-stage]")
    expect(stage).to_have_attribute("data-level", "1")
    return page, stage


def test_a_look_goes_from_the_page_once_its_grant_is_over(opened, reviewer):
    page, stage = looking(opened, reviewer)
    with page.expect_response("**/renew/"):
        page.get_by_role("button", name="Renew").click()
    expect(stage).to_have_attribute("data-level", "1")
    Grant.objects.filter(person=reviewer).update(level=0)
    page.get_by_role("button", name="Renew").click()
    expect(stage).to_have_attribute("data-level", "0")
    expect(page.locator("[data-shown]")).to_have_count(0)


@pytest.mark.parametrize("script", ["/renew/", "/company/"])
def test_a_look_goes_from_the_page_once_its_grant_is_withdrawn(
    opened, expected_errors, lead, reviewer, script
):
    """The case is no longer theirs at all: the page that asks by itself is refused, and shows
    nothing."""
    expected_errors.append("404")
    page, stage = looking(opened, reviewer)
    for grant in Grant.objects.filter(person=reviewer):
        granting.withdraw(grant, by=lead)
    with page.expect_response(f"**{script}") as asked:
        if script == "/renew/":
            page.get_by_role("button", name="Renew").click()
        else:
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert asked.value.status == 404
    expect(stage).to_have_attribute("data-level", "0")
    expect(page.locator("[data-shown]")).to_have_count(0)


def test_everything_works_without_scripts(opened, reviewer):
    case = with_previews(make_case(near=True))
    page = opened(reviewer, "/queue/", java_script_enabled=False)
    page.get_by_role("button", name="Start next").click()
    page.locator("[data-raise='1'] button").click()
    expect(page.locator("[data-stage] img")).to_have_count(1)
    page.get_by_role("button", name="Show the caption").click()
    expect(page.locator(".sealed-text")).to_contain_text("a boat at rest")
    page.locator("[data-digit='2']").check()
    page.get_by_role("button", name="Confirm and stay").click()
    expect(page.locator("[data-undo]")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Release").click()
    assert list(case.reviews.values_list("ended", flat=True)) == ["undone", "released"]


@pytest.mark.parametrize("who", ["reviewer", "lead"])
def test_what_stands_below_a_button_has_room(opened, reviewer, second_reviewer, lead, who):
    """The hint below the one button of a case that nobody holds, and the second of two buttons."""
    case = make_case()
    if who == "lead":
        queue.claim(case, by=second_reviewer)
    page = opened(lead if who == "lead" else reviewer, at(case))
    page.locator("#decision").wait_for()
    gaps = page.evaluate(
        """[...document.querySelectorAll('#decision > form')].map(form => {
            const below = form.nextElementSibling;
            return below ? below.getBoundingClientRect().top - form.getBoundingClientRect().bottom
                         : Infinity; })"""
    )
    assert gaps
    assert min(gaps) >= 8


def test_what_goes_with_an_answer_is_asked_for(opened, reviewer):
    case, other = make_case(near=True), make_case(near=True)
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case), viewport=DESK)
    page.wait_for_selector(READY)
    number, harm = page.get_by_label("Number of the other case"), page.get_by_label("Harm class")
    expect(number).not_to_be_visible()
    page.keyboard.press("3")
    expect(page.locator(".choice:has(:checked) .choice-text")).to_contain_text(
        "no report as child sexual abuse material"
    )
    expect(harm).to_have_value("")  # the case is classed otherwise: a person says which it is
    assert clear_of_the_buttons(page, harm)
    harm.select_option("adult_intimate")
    page.locator("h1").click()
    page.keyboard.press("1")
    expect(harm).to_have_value("csam")  # what was chosen for another answer goes with no other
    expect(harm.locator("option:enabled")).to_have_count(1)  # the list said it
    page.keyboard.press("8")
    expect(harm).not_to_be_visible()
    assert clear_of_the_buttons(page, number)
    page.keyboard.press("Control+Enter")
    expect(number).to_be_focused()
    page.keyboard.type(str(other.pk))
    page.keyboard.press("Enter")
    expect(page.locator("[data-undo]")).to_contain_text("Same picture as another case")
    assert Review.objects.get(answer="DUPLICATE_OF").duplicate_of == other


def test_a_lead_sends_a_dispute_back(opened, reviewer, second_reviewer, lead):
    case = settled(settled(make_case(), reviewer, "REMOVE_KNOWN"), second_reviewer, "KEEP")
    queue.claim(case, by=lead)
    page = opened(lead, at(case))
    page.locator("[data-aside=send-back] summary").click()
    page.locator("[data-aside=send-back] textarea").fill("Look at the mast.")
    page.get_by_role("button", name="Send it back to “Open”").click()
    page.goto(at(case))
    expect(page.locator("[data-reopening]")).to_contain_text("A lead: Look at the mast.")
    expect(page.locator(".case-line")).to_contain_text("Open")
    expect(page.locator("[data-round]")).to_have_count(0)


def test_the_second_page_has_nothing_of_the_first(opened, reviewer, second_reviewer):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN", reason="eel-grass at noon")
    answer(make_case(), reviewer, "ESCALATE")
    queue.claim(case, by=second_reviewer)
    page = opened(second_reviewer, at(case))
    source = page.content()
    for hidden in ("eel-grass", "rhea", reviewer.person.pseudonym, "answer_given"):
        assert hidden not in source


def test_a_legal_hold_is_set_and_lifted_by_keyboard(opened, lead):
    case = make_case()
    page = opened(lead, at(case))
    for label, standing in (("Set a legal hold", 1), ("Lift the legal hold", 0)):
        panel = page.locator("#legal-hold")
        panel.get_by_label("Reason").focus()
        page.keyboard.press("Enter")  # the browser asks for the reason first
        expect(page.locator("dialog.ask[open]")).to_have_count(0)
        page.keyboard.type("Order 7 of the court, 1 v z ?")
        page.keyboard.press("Tab")
        expect(panel.get_by_role("button", name=label)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Go back")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("dialog.ask[open]")).to_have_count(0)
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator(".messages")).to_contain_text("Legal hold")
        expect(page.locator("[data-legal-hold]")).to_have_count(standing)
    assert list(
        CustodyEvent.objects.filter(action__startswith="legal_hold").values_list("action", "reason")
    ) == [
        ("legal_hold_set", "Order 7 of the court, 1 v z ?"),
        ("legal_hold_lifted", "Order 7 of the court, 1 v z ?"),
    ]


def test_the_queue_fits_a_desk_with_everything_a_row_can_say(
    opened,
    reviewer,
    second_reviewer,
    lead,
):
    case = make_case(triage="critical", harm_class="csam", priority=1234)
    for slug in ("tide-and-current", "estuary"):
        add_entry(case, algorithm="pdq", distance=12, slug=slug)
    Case.objects.update(due_at=case.opened_at, facets=["link:gone"])
    withdraw(case)
    queue.claim(settled(case, reviewer, "REMOVE_KNOWN"), by=second_reviewer)
    page = opened(lead, "/queue/", viewport=DESK)
    expect(page.locator(".tag").get_by_text("Waiting for a second person")).to_be_visible()
    expect(page.get_by_text(second_reviewer.person.pseudonym)).to_be_in_viewport(ratio=1)
    frame = page.get_by_role("region", name="Cases")
    assert frame.evaluate("e => e.scrollWidth <= e.clientWidth")


def test_who_is_told_follows_the_class_that_is_chosen(opened, reviewer):
    case = make_case(harm_class="unknown")
    queue.claim(case, by=reviewer)
    page = opened(reviewer, at(case))
    page.wait_for_selector(READY)
    told = page.locator(".choice", has=page.locator("[data-digit='2']")).locator(
        "[data-for-class]:visible"
    )
    expect(told).to_have_text("Once removed: no report while it is not classed.")
    page.keyboard.press("2")
    page.locator("[name=harm_class]").select_option("csam")
    expect(told).to_have_text("Once removed: drafts 1 report to Internet Watch Foundation.")
    page.keyboard.press("3")  # the class of another answer is not carried over
    expect(told).to_have_text("Once removed: no report while it is not classed.")


def test_the_page_goes_on_to_what_came_of_the_answer(opened, reviewer, second_reviewer):
    case = settled(make_case(near=True), second_reviewer, "REMOVE_KNOWN")
    answer(case, reviewer, "REMOVE_KNOWN")
    Review.objects.filter(reviewer=reviewer).update(settles_at=Now() + timedelta(seconds=2))
    page = opened(reviewer, at(case))
    expect(page.locator("[data-undo]")).to_be_visible()
    expect(page.locator("[data-undo]")).to_have_count(0)
    answers.settle_due()
    expect(page.locator(".decision")).to_contain_text("Confirmed", timeout=15_000)


def test_no_button_of_the_decision_is_cut(opened, reviewer):
    case = make_case(near=True)
    queue.claim(case, by=reviewer)
    for size in (WIDE, DESK, NARROW):
        page = opened(reviewer, at(case), viewport=size)
        page.wait_for_selector(READY)
        for button in page.locator(".confirm .btn, .asides .btn:visible").all():
            assert button.evaluate("e => e.scrollWidth <= e.clientWidth"), (size, button)
