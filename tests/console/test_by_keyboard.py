"""The whole job of reviewers and a lead by keyboard alone: log in, start next, raise a preview,
answer, undo, answer again, hold, hand over, second person, a lead decides, log out.

A press of a mouse or a finger anywhere fails the journey.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, expect

from moderation.models import Case, Decision, Reveal, Review
from moderation.review import answers
from tests.journeys.desk import Desk
from tests.moderation.review.making import end_grace, make_case
from tests.moderation.views.test_case_in_browser import with_previews

pytestmark = pytest.mark.django_db(transaction=True)

NO_MOUSE = "addEventListener('pointerdown', () => console.error('a mouse was used'), true)"
REASON, WHY, NOTE = "The hull has another number.", "Asked the liaison.", "You know this harbour."


@pytest.fixture
def desk(
    chromium: Browser,
    live_server: Any,
    settings: Any,
    tmp_path: Any,
) -> Iterator[Desk]:
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()
    desk = Desk(chromium, live_server.url)
    desk.context.add_init_script(NO_MOUSE)
    yield desk
    desk.close()


def test_the_whole_job_by_keyboard(desk: Desk, person: Callable[..., User]) -> None:
    rhea, sven = person("rhea", "reviewer"), person("sven", "reviewer")
    lena = person("lena", "lead")
    case, other = with_previews(make_case(near=True, priority=9)), make_case(near=True, priority=2)

    first(desk, case, by=rhea, other=other, to=lena)
    take_effect(case)
    second(desk, case, by=sven)
    take_effect(case)
    assert Case.objects.get(pk=case.pk).state == Case.State.DISPUTED
    decide(desk, case, by=lena, handed=other)
    take_effect(case)

    decision = Decision.objects.get(case=case)
    assert decision.verdict == Decision.Verdict.CONFIRMED
    assert {decision.first, decision.second} == {rhea, lena}
    assert Case.objects.get(pk=case.pk).state == Case.State.CLOSED


def take_effect(case: Case) -> None:
    """The time for undo passes."""
    end_grace(case.reviews.filter(ended=Review.Ended.ANSWERED).latest("pk"))
    assert answers.settle_due() == 1


def first(desk: Desk, case: Case, *, by: User, other: Case, to: User) -> None:
    """A look, an answer, undone, given again; the next case is held, gone on with, handed over."""
    start(desk, by, case)
    desk.key("v")
    expect(desk.page.locator("[data-stage]")).to_have_attribute("data-level", "1")
    desk.page.keyboard.press("Shift+V")
    expect(desk.page.locator("[data-stage] img")).to_have_count(0)
    assert list(Reveal.objects.values_list("level", flat=True)) == [1]

    desk.page.keyboard.press("1")
    desk.page.keyboard.press("r")
    desk.page.keyboard.type(REASON)
    desk.press(desk.page.get_by_role("button", name="Confirm and stay"))
    expect(desk.page.locator("[data-undo]")).to_be_visible()
    desk.key("z")
    expect(desk.page.locator(".messages")).to_contain_text("Undone")
    expect(desk.page.locator("[data-answer] textarea")).to_have_value(REASON)
    expect(desk.page.locator("[data-digit='1']")).to_be_checked()
    desk.key("Control+Enter")
    expect(desk.heading()).to_have_text(f"Case {other.pk}")

    desk.key("h")
    desk.tab_to(desk.page.get_by_label("Why").first)
    desk.page.keyboard.type(WHY)
    desk.press(desk.page.get_by_role("button", name="Put on hold"))
    expect(desk.heading()).to_have_text("My cases")
    desk.press(desk.page.get_by_role("button", name="Go on with it"))
    expect(desk.heading()).to_have_text(f"Case {other.pk}")
    desk.key("u")
    desk.page.keyboard.type(to.person.pseudonym)
    desk.tab_to(desk.page.get_by_label("Note", exact=True))
    desk.page.keyboard.type(NOTE)
    desk.press(desk.page.get_by_role("button", name="Hand it over"))
    expect(desk.page.locator(".messages")).to_contain_text(f"goes to {to.person.pseudonym}")
    desk.log_out()


def second(desk: Desk, case: Case, *, by: User) -> None:
    """Blind, and of another opinion."""
    start(desk, by, case)
    expect(desk.panel("Decision · second person")).to_be_visible()
    assert REASON not in desk.page.content()
    choose(desk, Review.Answer.KEEP_FALSE_MATCH)
    desk.page.keyboard.press("Shift+Enter")
    expect(desk.page.locator("[data-undo]")).to_be_visible()
    desk.log_out()


def decide(desk: Desk, case: Case, *, by: User, handed: Case) -> None:
    """What was handed comes first and is passed on; then both answers are seen, and one stands."""
    start(desk, by, handed)
    expect(desk.page.locator("[data-note]")).to_contain_text(NOTE)
    desk.key("Shift+N")
    expect(desk.page.locator(".messages")).to_contain_text("back in the queue")
    desk.key("Enter")
    expect(desk.heading()).to_have_text(f"Case {case.pk}")
    expect(desk.page.locator("[data-round]")).to_contain_text(REASON)
    choose(desk, Review.Answer.REMOVE_KNOWN)
    desk.page.keyboard.press("Shift+Enter")
    expect(desk.page.locator("[data-undo]")).to_be_visible()
    desk.log_out()


def start(desk: Desk, user: User, case: Case) -> None:
    """Log in and start the next case."""
    desk.log_in(user.username)
    desk.press(desk.page.get_by_role("link", name="Queue", exact=True))
    expect(desk.heading()).to_have_text("Queue")
    desk.key("Enter")
    expect(desk.heading()).to_have_text(f"Case {case.pk}")
    expect(desk.page.locator("[data-stage] img")).to_have_count(0)


def choose(desk: Desk, answer: str) -> None:
    """By the key that the answer's button shows."""
    button = desk.page.locator(f"[data-digit][value={answer}]")
    digit = button.get_attribute("data-digit")
    assert digit is not None
    desk.key(digit)
    expect(button).to_be_checked()
