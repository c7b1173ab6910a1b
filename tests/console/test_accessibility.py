"""No page breaks a rule of WCAG 2.2 AA, light or dark, or is wider than its screen: every address
of the URL conf that answers somebody with a page, the case page in each state, and errors."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Page, expect

from moderation.evidence import legal_holds
from moderation.hash_lists import values
from moderation.models import Case
from moderation.review import answers, holding, queue
from tests.access.addresses import Line, Objects
from tests.access.test_addresses import read
from tests.browser import NARROW, WIDE, chromium, expected_errors, opened  # noqa: F401
from tests.conftest import PASSWORD
from tests.factors import code_for, give_app
from tests.journeys.desk import ZOOMED
from tests.moderation.hash_lists.rows import flagged_case
from tests.moderation.review.making import add_entry, answer, make_case, settled, withdraw
from tests.moderation.views import rows
from tests.moderation.views.test_case_in_browser import with_previews
from tests.reports.making import filed, proposed

pytestmark = pytest.mark.django_db(transaction=True)

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
OF_WCAG_22 = "target-size"  # a rule that axe leaves out unless it is asked for
PAINTED = "new Promise((go) => setTimeout(() => requestAnimationFrame(go), 50))"
LONG = "a-dataset-with-a-remarkably-long-name/and-an-owner-too"
# Answers that are no page: a file, a description for programs, and a part of a page.
NO_PAGE = {
    "admin/jsi18n/",
    "api/v1/schema/",
    "manifests/<int:pk>/download/",
    "scans/<int:pk>/progress/",
}
# The back room and the description of the API are pages of Django and of Swagger: these rules they
# break by themselves, and that is not ours to mend.
OF_OTHERS = ("admin/", "api/v1/docs/")
THEIRS = ("link-in-text-block",)
# Of the back room one of several models whose pages are alike, and one page of what was changed.
ALIKE = ("intervalschedule/", "crontabschedule/", "/history/", "/delete/")
Opened = Callable[..., Page]


@pytest.fixture(autouse=True)
def _here(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()
    settings.IDLE_MINUTES = 600
    monkeypatch.setattr("moderation.tasks.settle_answer.apply_async", lambda *_, **__: None)
    cache.clear()


@pytest.fixture
def every(person: Callable[..., User]) -> User:
    roles = ("reviewer", "lead", "reporter", "list_manager", "operator", "auditor")
    user = person("eve", *roles)
    user.is_staff = True
    user.save()
    return user


def check(page: Page, name: str, *, sizes: bool = True) -> list[str]:
    """What is wrong with the page as it stands: rules that it breaks, screens that it overflows."""
    if page.locator("script[src*='keys.js']").count():  # deaf at first, with its hints dim
        page.wait_for_selector("html[data-keys=ready]", state="attached")
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.evaluate(PAINTED)  # no colour is half faded
        response = Axe().run(page, options=RULES).response
        run = {rule["id"] for kind in ("passes", "inapplicable") for rule in response[kind]}
        assert OF_WCAG_22 in run | {rule["id"] for rule in response["violations"]}
        for violation in response["violations"]:
            nodes = [node["html"][:120] for node in violation["nodes"][:3]]
            found.append(f"{name}, {scheme}: {violation['id']} {nodes}")
    for size in (NARROW, ZOOMED, WIDE) if sizes else ():
        page.set_viewport_size(size)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > size["width"]:
            found.append(f"{name} is {width} px wide at {size['width']}")
    return found


def pages() -> list[Line]:
    """The lines of the table of access whose address answers some role with a page."""
    return [
        line
        for line, said in read().items()
        if line.method == "GET"
        and line.object != "nowhere"
        and "200" in said
        and line.route not in NO_PAGE
    ]


def alike(line: Line) -> bool:
    """Whether another page of the back room stands for this one."""
    return line.route.startswith("admin/") and any(part in line.route for part in ALIKE)


@pytest.fixture
def addresses(
    every: User, reviewer: User, second_reviewer: User, reporter: User
) -> dict[str, Line]:
    """Every page, with rows behind it that make it say all that it can say."""
    revision = rows.revision(LONG, "main-2026-11-20-rc1", rows=123_456)
    known = rows.hash_list("hotline", values=3)
    rows.version(known, new=4, same=2, removed=1, rejected={"wrong_length": 3})
    rows.cover(revision.shards.first(), known)
    rows.removal(revision, first=reviewer, second=second_reviewer)
    rows.manifest(revision, by=every)
    scan = rows.scan(revision, by=every)
    scan.versions.add(known.current)
    scan.shard_scans.update(passed_over={"suppressed": 1, "set_aside": 1})
    rows.hash_list("harmless", negative=True)
    aside, disabled, used = known.known_hashes.order_by("pk")
    values.disable(disabled, by=every, until=None, note="A test chart, not a picture of anyone.")
    type(aside).objects.filter(pk=aside.pk).update(set_aside_at=timezone.now())
    flagged_case(used)
    make_case(near=True, triage="critical", entries=3, due_at=timezone.now())
    made = Objects(first=reviewer, second=second_reviewer, somebody=reviewer)
    made.values["datasets"] = {"pk": revision.pk}
    made.values["scans"] = {"pk": scan.pk}
    made.values["hash-lists"] = {"slug": "hotline", "pk": used.pk}
    report = filed(made.report.case, by=every, composer=reporter)
    more = [
        "/hash-lists/harmless/",
        f"/hash-lists/known/{aside.pk}/",
        f"/hash-lists/known/{disabled.pk}/",
        "/queue/?match=near",
        f"/reports/export/?report={report.pk}",
    ]
    found = {made.address(line): line for line in pages() if not alike(line)}
    found.pop("/login/")  # leads elsewhere whoever has logged in: see below
    return found | {address: Line(address[1:], "there", "GET") for address in more}


def visit(page: Page, addresses: dict[str, Line]) -> list[str]:
    """Open each, see that it is a page, and return what is wrong with them."""
    found = []
    for address, line in addresses.items():
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        assert "text/html" in answer.headers["content-type"], f"{address}: say so in NO_PAGE"
        found += check(page, address, sizes=not line.route.startswith(OF_OTHERS))
    return found


def test_every_page_of_ours_that_the_url_conf_leads_to(
    opened: Opened,  # noqa: F811
    every: User,
    addresses: dict[str, Line],
) -> None:
    ours = {at: line for at, line in addresses.items() if not line.route.startswith(OF_OTHERS)}
    assert len(ours) > 30
    found = visit(opened(every, "/"), ours)
    assert not found, "\n".join(found)


def test_every_page_of_others_that_the_url_conf_leads_to(
    opened: Opened,  # noqa: F811
    expected_errors: list[str],  # noqa: F811
    every: User,
    addresses: dict[str, Line],
) -> None:
    """The back room, alike pages once, and the description of the API."""
    expected_errors += ["Applying inline style", "404"]  # our policy holds there too
    others = {at: line for at, line in addresses.items() if line.route.startswith(OF_OTHERS)}
    assert len(others) > 10
    found = [
        line for line in visit(opened(every, "/"), others) if not any(r in line for r in THEIRS)
    ]
    assert not found, "\n".join(found)


@pytest.fixture
def states(reviewer: User, second_reviewer: User, lead: User) -> dict[str, tuple[User, Case]]:
    """Who sees the case page in which state."""
    free = make_case(entries=12)
    withdraw(free)
    disputed = settled(make_case(), reviewer, "REMOVE_KNOWN", reason="x" * 300)
    disputed = settled(disputed, second_reviewer, "KEEP_FALSE_MATCH")
    escalated = settled(make_case(), second_reviewer, "ESCALATE")
    closed = settled(settled(make_case(), reviewer, "REMOVE_KNOWN"), lead, "REMOVE_KNOWN")
    blind = settled(make_case(), reviewer, "REMOVE_KNOWN", reason="eel-grass")
    held = with_previews(make_case(near=True, triage="critical"))
    legal_holds.set_hold(held, by=lead, reason="Ordered by the court. " + "x" * 200)
    for case, user in ((held, reviewer), (blind, second_reviewer), (disputed, lead)):
        queue.claim(case, by=user)  # at last: who answers another case gives this one back
    return {
        "held": (reviewer, held),
        "held by another": (second_reviewer, held),
        "to take over": (lead, held),
        "free": (second_reviewer, free),
        "blind second": (second_reviewer, blind),
        "lead, disputed": (lead, disputed),
        "for a lead": (reviewer, escalated),
        "closed": (reviewer, closed),
    }


def test_the_case_page_in_each_state(
    opened: Opened,  # noqa: F811
    states: dict[str, tuple[User, Case]],
) -> None:
    found = []
    for name, (user, case) in states.items():
        page = opened(user, f"/cases/{case.pk}/")
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Case {case.pk}")
        found += check(page, name)
        page.context.close()
    assert not found, "\n".join(found)


def test_the_case_page_with_everything_open(
    opened: Opened,  # noqa: F811
    states: dict[str, tuple[User, Case]],
) -> None:
    user, case = states["held"]
    page = opened(user, f"/cases/{case.pk}/")
    page.locator("[data-raise='1'] button").click()
    expect(page.locator("[data-stage] img")).to_have_count(1)
    page.get_by_role("button", name="Show the caption").click()
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = check(page, "all open")
    page.locator("[data-sheet-open]").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    found = found + check(page, "keys")
    assert not found, "\n".join(found)


def test_the_case_page_after_a_refusal_and_an_answer(
    opened: Opened,  # noqa: F811
    expected_errors: list[str],  # noqa: F811
    states: dict[str, tuple[User, Case]],
) -> None:
    expected_errors += ["409", "400"]
    user, case = states["held"]
    page = opened(user, f"/cases/{case.pk}/")
    page.locator("[data-digit='4']").check()
    page.locator("[data-answer] textarea").fill(" ")
    page.get_by_role("button", name="Confirm and stay").click()
    expect(page.locator(".field-error").first).to_be_visible()
    found = check(page, "without its reason")
    page.locator("[data-answer] textarea").fill("Two ships, I think.")
    add_entry(case, algorithm="pdq", distance=3)
    Case.objects.filter(pk=case.pk).update(edit_no=7)  # it went on meanwhile
    page.get_by_role("button", name="Confirm and stay").click()
    expect(page.get_by_role("heading", name="Not taken")).to_be_visible()
    found += check(page, "conflict")
    page.get_by_role("link", name="Load the case as it is now").click()
    page.locator("[data-digit='1']").check()
    page.get_by_role("button", name="Confirm and stay").click()
    expect(page.locator("[data-undo]")).to_be_visible()
    found = found + check(page, "answered")
    assert not found, "\n".join(found)


def test_my_cases_with_one_of_each_kind(
    opened: Opened,  # noqa: F811
    lead: User,
    reviewer: User,
) -> None:
    kept = queue.claim(make_case(), by=lead)
    why = {"reason": "Asked the liaison", "hours": 2, "draft": {}}
    holding.hold(kept, by=lead, token=kept.lease_token, **why)
    answer(make_case(), lead, "ESCALATE")
    queue.claim(make_case(), by=lead)
    queue.claim(make_case(), by=reviewer)
    assert answers.undoable(by=lead)
    found = check(opened(lead, "/my-cases/"), "my cases")
    assert not found, "\n".join(found)


def test_a_report_in_each_state(
    opened: Opened,  # noqa: F811
    reviewer: User,
    second_reviewer: User,
    reporter: User,
    second_reporter: User,
) -> None:
    objects = Objects(first=reviewer, second=second_reviewer, somebody=reviewer)
    page, address = opened(second_reporter, "/reports/"), f"/reports/{objects.report.pk}/"
    proposed(objects.report.case, by=reporter)
    page.goto(address)
    found = check(page, "proposed")
    page.get_by_role("button", name="Approve").click()
    found += check(page, "asked first")
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.locator(".page-head")).to_contain_text("Approved")
    found = found + check(page, "approved")
    assert not found, "\n".join(found)


@pytest.fixture
def with_app(reviewer: User) -> str:
    """The secret of the app that the reviewer now has."""
    return give_app(reviewer)


def test_the_log_in_and_ones_own_second_steps(
    opened: Opened,  # noqa: F811
    reviewer: User,
    with_app: str,
) -> None:
    page = opened(None, "/login/")
    found = check(page, "log-in")
    page.get_by_label("Name").fill("rhea")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_be_visible()
    found += check(page, "log-in refused")
    page.get_by_label("Name").fill("rhea")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_label("Code").fill(code_for(with_app))
    found += check(page, "second step")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    for name, address in {
        "again by code": "/account/again/code/",
        "remove the app": "/account/app/remove/",
        "codes": "/account/recovery-codes/",
        "new codes": "/account/recovery-codes/renew/",
        "account": "/account/",
    }.items():
        answer_ = page.goto(address)
        assert answer_ is not None
        assert answer_.status == 200, address
        found += check(page, name)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", ["/cases/999999/", "/team/"])
def test_pages_of_what_is_not_there_and_not_allowed(
    opened: Opened,  # noqa: F811
    expected_errors: list[str],  # noqa: F811
    reviewer: User,
    path: str,
) -> None:
    expected_errors += ["404", "403"]
    found = check(opened(reviewer, path), path)
    assert not found, "\n".join(found)


def test_the_page_of_a_fault_of_ours(
    opened: Opened,  # noqa: F811
    expected_errors: list[str],  # noqa: F811
    reviewer: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a fault")

    expected_errors.append("500")
    monkeypatch.setattr(queue, "visible_to", broken)
    found = check(opened(reviewer, "/queue/"), "500")
    assert not found, "\n".join(found)


def test_the_page_of_a_form_from_elsewhere_and_of_too_many_log_ins(
    opened: Opened,  # noqa: F811
    expected_errors: list[str],  # noqa: F811
    reviewer: User,
    settings: Any,
) -> None:
    expected_errors += ["403", "429"]
    page = opened(reviewer, "/queue/")
    page.locator("[name=csrfmiddlewaretoken]").first.evaluate("e => { e.value = 'x'.repeat(64) }")
    page.evaluate("document.querySelector('form[method=post]').submit()")
    expect(page.get_by_role("heading", level=1)).to_contain_text("again")
    found = check(page, "403 csrf")
    settings.AXES_ENABLED, settings.AXES_FAILURE_LIMIT = True, 1
    page = opened(None, "/login/")
    page.get_by_label("Name").fill("rhea")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Password")).to_have_count(0)
    found = found + check(page, "locked")
    assert not found, "\n".join(found)
