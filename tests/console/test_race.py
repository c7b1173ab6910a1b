"""Two people in two windows of Chromium press for one case at one moment, two hundred times, on a
live server: never two leases, and nothing that was being written is lost."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from moderation.models import Case, CustodyEvent, Review
from tests.browser import chromium, expected_errors, opened  # noqa: F401
from tests.moderation.review.making import end_lease, make_case

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 200
WRITING = 5  # in every fifth round the winner writes something before their time runs out
AHEAD = 0.02  # seconds from now to the moment at which both press
PRESS = """([words, at]) => {
  const button = [...document.querySelectorAll('main button')]
    .find((each) => each.textContent.startsWith(words));
  setTimeout(() => button.click(), at - Date.now());
}"""
NEXT, TAKE = "Start next", "Take this case"


@pytest.fixture
def windows(
    opened: Callable[..., Page],  # noqa: F811
    reviewer: User,
    second_reviewer: User,
) -> dict[User, Page]:
    pages = {user: opened(user, "/queue/") for user in (reviewer, second_reviewer)}
    for page in pages.values():
        page.on("dialog", lambda dialog: dialog.accept())  # leaving with a typed reason asks
    return pages


def test_two_hundred_races_for_one_case(windows: dict[User, Page]) -> None:
    case = make_case(near=True)
    at = {NEXT: "/queue/", TAKE: f"/cases/{case.pk}/"}
    won: Counter[User] = Counter()
    written: dict[int, str] = {}
    writer = None
    for number in range(ROUNDS):
        words = NEXT if number < ROUNDS // 2 else TAKE
        for page in windows.values():
            if count_of(page, words) == 0:
                page.goto(at[words], wait_until="domcontentloaded")
        press_at_once(list(windows.values())[:: 1 if number % 2 else -1], words)

        holder = the_only_holder(case)
        won[holder] += 1
        review = case.reviews.get(ended="")
        assert review.reviewer == holder
        page, reason = windows[holder], windows[holder].locator("[data-answer] textarea")
        assert page.url.endswith(at[TAKE])
        assert count_of(windows[other(windows, holder)], "Confirm and next") == 0
        if writer is not None:  # it comes back to who wrote it, and to nobody else
            expect(reason).to_have_value(written[max(written)] if writer == holder else "")
            writer = None
        if number % WRITING == 0:
            written[review.pk] = f"a boat with {number} oars"
            reason.fill(written[review.pk])
            with page.expect_response("**/renew/") as renewed:
                page.get_by_role("button", name="Renew").click()
            assert renewed.value.ok
            writer = holder
        end_lease(case)

    assert min(won.values()) > 0, won  # both pressed in time
    assert case.reviews.count() == ROUNDS
    drafts = Review.objects.filter(pk__in=written).values_list("pk", "draft")
    assert {pk: draft["reason"] for pk, draft in drafts} == written
    held_in_turn(case)


def press_at_once(pages: list[Page], words: str) -> None:
    """Both press the button of these words at one moment, and see where that leads."""
    first, second = pages
    loaded: Any = {"wait_until": "domcontentloaded"}
    with first.expect_navigation(**loaded), second.expect_navigation(**loaded):
        moment = (time.time() + AHEAD) * 1000
        for page in pages:
            page.evaluate(PRESS, [words, moment])


def count_of(page: Page, words: str) -> int:
    return page.get_by_role("button", name=words).count()


def other(windows: dict[User, Page], user: User) -> User:
    return next(each for each in windows if each != user)


def the_only_holder(case: Case) -> User:
    leased = Case.objects.leased().get()
    assert leased.pk == case.pk
    assert leased.lease_kind == Case.Lease.WORK
    assert leased.leased_by is not None
    return leased.leased_by


def held_in_turn(case: Case) -> None:
    """By the chain of custody: nobody was lent the case before the last one had lost it."""
    held = False
    steps: Any = CustodyEvent.objects.filter(object_type="case", object_id=str(case.pk))
    for action in steps.order_by("seq").values_list("action", flat=True):
        if action == "case_claimed":
            assert not held
        held = {"case_claimed": True, "lease_expired": False}.get(action, held)
    assert CustodyEvent.objects.check_chain().intact
