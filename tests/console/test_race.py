"""Two people in two windows of Chromium press for one case at one moment, two hundred times, on a
live server: never two leases, and nothing that was being written is lost."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from moderation.models import Case, CustodyEvent, Review
from tests.moderation.review.making import end_lease, make_case

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 200
PRESSED = (
    10  # in each tenth round the buttons themselves; between, their forms are sent as they are
)
AHEAD = 0.05  # seconds from now to the moment at which both act
NEXT, TAKE = "Start next", "Take this case"
BUTTON = "[...document.querySelectorAll('main button')].find((e) => e.textContent.includes(words))"
PRESS = f"([words, at]) => {{ const b = {BUTTON}; setTimeout(() => b.click(), at - Date.now()); }}"
SEND = f"""([words, at]) => {{
  const form = {BUTTON}.form;
  window.sent = new Promise((go) => setTimeout(go, at - Date.now()))
    .then(() => fetch(form.action, {{ method: "POST", body: new FormData(form) }}))
    .then(async (answer) => [new URL(answer.url).pathname, await answer.text()]);
}}"""
RENEW = """async (reason) => {
  const got = new DOMParser().parseFromString((await window.sent)[1], "text/html");
  const body = new FormData(got.querySelector("form.lease"));
  body.append("reason", reason);
  const headers = { Accept: "application/json" };
  const address = got.querySelector("form.lease").getAttribute("action");
  return (await fetch(address, { method: "POST", body, headers })).status;
}"""
SMALL = {"width": 400, "height": 300}  # nobody looks: less to paint


@pytest.fixture
def windows(
    opened: Callable[..., Page],
    reviewer: User,
    second_reviewer: User,
    expected_errors: list[str],
) -> dict[User, Page]:
    expected_errors.append("409")  # a page may yet renew a lease that the test has ended
    pages = {user: opened(user, "/queue/", viewport=SMALL) for user in (reviewer, second_reviewer)}
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
        pressed = number % PRESSED == 0
        if number % PRESSED < 2 or number == ROUNDS // 2:  # a press has led the windows elsewhere
            for page in windows.values():
                page.goto(at[words], wait_until="domcontentloaded")
        shown = (press if pressed else send)(windows, words, first=number // PRESSED % 2)

        holder = the_only_holder(case)
        won[holder] += 1
        review = case.reviews.get(ended="")
        assert review.reviewer == holder
        for user, (path, text) in shown.items():
            assert (path == at[TAKE]) or (words == NEXT and user != holder)
            assert ("Confirm and next" in text) == (user == holder)
            if writer is not None:  # it comes back to who wrote it, and to nobody else
                assert (written[max(written)] in text) == (user == holder == writer)
        # Written in every round: with hands where buttons were pressed, else as the page sends it.
        written[review.pk] = f"a boat with {number} oars"
        (write if pressed else renew)(windows[holder], written[review.pk])
        writer = holder
        end_lease(case)

    assert min(won.values()) > 0, won  # both were in time
    assert case.reviews.count() == ROUNDS
    drafts = Review.objects.filter(pk__in=written).values_list("pk", "draft")
    assert {pk: draft["reason"] for pk, draft in drafts} == written
    held_in_turn(case)


Shown = dict[User, tuple[str, str]]  # the path that each came to, and the page there


def press(windows: dict[User, Page], words: str, *, first: int) -> Shown:
    """Both press the button of these words at one moment, and are led somewhere."""
    one, two = windows.values()
    loaded: Any = {"wait_until": "domcontentloaded"}
    with one.expect_navigation(**loaded), two.expect_navigation(**loaded):
        at_once(windows, PRESS, words, first=first)
    return {user: (urlsplit(page.url).path, page.content()) for user, page in windows.items()}


def send(windows: dict[User, Page], words: str, *, first: int) -> Shown:
    """Both windows send the form of that button at one moment, without painting what comes."""
    at_once(windows, SEND, words, first=first)
    return {user: tuple(page.evaluate("window.sent")) for user, page in windows.items()}


def at_once(windows: dict[User, Page], script: str, words: str, *, first: int) -> None:
    moment = (time.time() + AHEAD) * 1000
    for page in list(windows.values())[:: -1 if first else 1]:
        page.evaluate(script, [words, moment])


def write(page: Page, reason: str) -> None:
    """Begin an answer; renewing the lease takes what is written along."""
    page.locator("[data-answer] textarea").fill(reason)
    with page.expect_response("**/renew/") as renewed:
        page.get_by_role("button", name="Renew").click()
    assert renewed.value.ok


def renew(page: Page, reason: str) -> None:
    """The same by the request that the clock of the page makes, from the page that came."""
    assert page.evaluate(RENEW, reason) == 200


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
