"""Every page of the URL conf, and pages in their states, keep to WCAG 2.2 AA in light and dark.

And none is wider than its screen. A new address is looked at without a word here; with
SCREENSHOTS=FOLDER every page is kept there as pictures.
"""

from collections.abc import Callable, Iterable, Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from moderation.evidence import legal_holds
from moderation.hash_lists import values
from moderation.models import Case, Entry
from moderation.people import fetch_granting
from moderation.review import holding, pinning, queue
from tests.access.addresses import Line, Objects
from tests.access.test_addresses import WHO, read
from tests.browser import WIDE
from tests.looking import CONTRAST, RULES, SCHEMES, dress, faults, settle, violations
from tests.moderation.hash_lists.rows import flagged_case
from tests.moderation.review.making import answer, make_case, record_basis, seal_copies, settled
from tests.moderation.views import rows
from tests.moderation.views.test_previews import picture
from tests.reports.making import approved, confirmed_case, filed, proposed

pytestmark = pytest.mark.django_db(transaction=True)
READY = "html[data-keys=ready]"
LONG = "a-dataset-with-a-remarkably-long-name/and-an-owner-too"
OF_OTHERS = ("admin/", "api/v1/docs/")  # pages of Django and of Swagger, as those made them
Place = tuple[str, str, str]  # a name, who looks, and the address
LISTS = (
    "queue", "my-cases", "datasets", "scans", "hash-lists", "manifests", "reports", "audit",
    "team", "legal-basis", "me",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _here(settings, tmp_path, monkeypatch):
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()
    settings.IDLE_MINUTES = 600
    monkeypatch.setattr("moderation.tasks.settle_answer.apply_async", lambda *_, **__: None)


@pytest.fixture
def cast(person: Callable[..., User]) -> dict[str, User]:
    """One person a role, one in every role, and two who have answered cases before."""
    people = {role: person(role, role) for role in WHO[2:]}
    people |= {name: person(name, "reviewer") for name in ("first", "second", "new")}
    return people | {"every": person("every", *WHO[2:]), "composer": person("composer", "reporter")}


@pytest.fixture
def look(opened: Callable[..., Page], cast: dict[str, User]) -> Callable[[Place], list[str]]:
    """One window a person, in which they go from page to page."""
    windows: dict[str, Page] = {}

    def go_and_look(place: Place) -> list[str]:
        name, who, address = place
        if who not in windows:
            windows[who] = opened(cast.get(who), "/login/")
        page = windows[who]
        page.set_viewport_size(WIDE)
        page.goto(address)
        return faults(page, name)

    return go_and_look


def look_at(look: Callable[[Place], list[str]], places: list[Place]) -> None:
    none(fault for place in places for fault in look(place))


def none(found: Iterable[str]) -> None:
    told = list(found)
    assert not told, "\n".join(told)


def of_the_url_conf(cast: dict[str, User], objects: Objects) -> Iterator[Place]:
    """Each address that answers somebody with a page, as the first and the last role see it."""
    for line, said in read().items():
        let_in = [who for who, status in zip(WHO, said, strict=True) if status == "200"]
        if line.method != "GET" or not let_in or line.route.startswith(OF_OTHERS):
            continue
        address = objects.address(line)
        for who in dict.fromkeys((let_in[0], let_in[-1])):
            if is_page(cast.get(who), address):
                yield f"{name_of(line)}--{who}", who, address


def is_page(user: User | None, address: str) -> bool:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client.get(address).content.lstrip()[:9].lower() == b"<!doctype"


def name_of(line: Line) -> str:
    words = [part for part in line.route.split("/") if part and not part.startswith("<")]
    return "-".join([*words, *(["one"] if line.object == "there" else [])]) or "overview"


def test_every_page_of_the_url_conf(look, cast) -> None:
    objects = Objects(first=cast["first"], second=cast["second"], somebody=cast["new"])
    places = list(of_the_url_conf(cast, objects))
    assert len({address for _, _, address in places}) > 30
    look_at(look, places)


def test_pages_without_a_row(look, cast) -> None:
    places = [(f"{name}-empty", "every", f"/{name}/") for name in LISTS]
    look_at(look, [("overview-empty", "every", "/"), *places])


def with_rows(cast: dict[str, User]) -> list[Place]:
    """The pages of operators, list managers and auditors, with all that their rows can say."""
    every = cast["every"]
    revision = rows.revision(LONG, "main-2026-11-20-rc1", rows=123_456)
    known = rows.hash_list("hotline", values=3)
    rows.version(known, new=4, same=2, removed=1, rejected={"wrong_length": 3})
    rows.cover(revision.shards.first(), known)
    rows.removal(revision, first=cast["first"], second=cast["second"])
    rows.manifest(revision, by=every)
    scan = rows.scan(revision, by=every)
    scan.versions.add(known.current)
    scan.shard_scans.update(passed_over={"suppressed": 1, "set_aside": 1})
    rows.hash_list("harmless", negative=True)
    aside, disabled, used = known.known_hashes.order_by("pk")
    values.disable(disabled, by=every, until=None, note="A test chart, not a picture of anyone.")
    type(aside).objects.filter(pk=aside.pk).update(set_aside_at=timezone.now())
    flagged_case(used)
    record_basis()
    fetch_granting.give(cast["list_manager"], by=cast["operator"], days=30)
    return [
        ("overview-rows", "every", "/"),
        *[(f"{name}-rows", "every", f"/{name}/") for name in LISTS],
        ("revision-rows", "every", f"/datasets/{revision.pk}/"),
        ("scan-rows", "every", f"/scans/{scan.pk}/"),
        ("hash-list-rows", "every", "/hash-lists/hotline/"),
        ("hash-list-negative", "every", "/hash-lists/harmless/"),
        ("hash-list-rules", "every", "/hash-lists/hotline/rules/"),
        ("known-hash-set-aside", "every", f"/hash-lists/known/{aside.pk}/"),
        ("known-hash-disabled", "every", f"/hash-lists/known/{disabled.pk}/"),
        ("known-hash-in-use", "every", f"/hash-lists/known/{used.pk}/"),
        ("member", "every", f"/team/{cast['reviewer'].pk}/"),
        ("member-fetching", "operator", f"/team/{cast['list_manager'].pk}/"),
        ("not-there", "every", "/cases/1000000000/"),
        ("not-allowed", "reviewer", "/audit/"),
        ("no-page-of-its-own", "every", "/queue/next/"),
    ]


def test_pages_with_rows(look, cast, expected_errors) -> None:
    expected_errors += ["404", "403", "405"]
    look_at(look, with_rows(cast))


def test_with_more_contrast_and_the_largest_text(opened, cast) -> None:
    """At AAA for contrast, and still no page wider than its screen."""
    every = cast["every"]
    type(every.person).objects.filter(user=every).update(contrast="more", text_size="largest")
    page, found = opened(every, "/"), []
    for name, who, address in with_rows(cast):
        if who != "every" or name in ("not-there", "no-page-of-its-own"):
            continue
        page.goto(address)
        settle(page)
        if page.evaluate("document.documentElement.scrollWidth") > WIDE["width"]:
            found.append(f"{name} is too wide")
        for scheme in SCHEMES:
            dress(page, scheme)
            found += [f"{name}, {scheme}: {each}" for each in violations(page, CONTRAST)]
    none(found)


def in_states(cast: dict[str, User]) -> list[Place]:
    """The case page in every state a case can be in, as those see it who may do something there."""
    first, second, lead = cast["first"], cast["second"], cast["lead"]
    make = {"near": True, "triage": "critical"}
    held = make_case(**make, due_at=timezone.now())
    seal_copies(Entry.objects.get(flag__case=held), picture())
    proposed_, escalated = make_case(), make_case()
    settled(proposed_, first, "REMOVE_KNOWN")
    settled(escalated, first, "ESCALATE", reason="Who may see this " + "?" * 200)
    disputed = settled(make_case(), first, "REMOVE_KNOWN", reason="x" * 300)
    disputed = settled(disputed, second, "KEEP")
    legal_holds.set_hold(disputed, by=lead, reason="Ordered by the court. " + "x" * 200)
    closed = settled(settled(make_case(), first, "REMOVE_KNOWN"), second, "REMOVE_KNOWN")
    waiting = settled(make_case(near=True), first, "CANNOT_TELL", reason="Nothing is there.")
    into, merged = make_case(), make_case()
    for person in (first, second):
        settled(Case.objects.get(pk=merged.pk), person, "DUPLICATE_OF", duplicate_of=into.pk)
    merged.refresh_from_db()
    assert (waiting.state, merged.state, closed.state) == ("waiting", "merged", "closed")
    undoable, kept = make_case(), make_case()
    answer(undoable, cast["reviewer"], "ESCALATE")
    kept = queue.claim(kept, by=second)
    draft = {"answer": "KEEP_LIST_ERROR", "reason": "unsure yet"}
    holding.hold(kept, by=second, token=kept.lease_token, hours=2, reason="asked", draft=draft)
    pinning.pin(make_case(), by=lead, reason="The hotline asks for it today. " + "x" * 250)
    queue.claim(held, by=cast["reviewer"])
    queue.claim(Case.objects.get(pk=proposed_.pk), by=second)
    queue.claim(disputed, by=lead)

    def at(case: Case) -> str:
        return f"/cases/{case.pk}/"

    return [
        ("queue-reviewer", "reviewer", "/queue/"),
        ("queue-filtered", "reviewer", "/queue/?match=near&trust=trusted"),
        ("queue-no-case-fits", "reviewer", "/queue/?due=over&link=gone"),
        ("queue-not-understood", "reviewer", "/queue/?list=77&triage=high"),
        ("queue-lead", "lead", "/queue/"),
        ("my-cases-kept", "second", "/my-cases/"),
        ("case-held", "reviewer", at(held)),
        ("case-held-by-another", "lead", at(held)),
        ("case-second-blind", "second", at(proposed_)),
        ("case-answered-before", "first", at(proposed_)),
        ("case-escalated", "every", at(escalated)),
        ("case-disputed", "lead", at(disputed)),
        ("case-waiting", "lead", at(waiting)),
        ("case-merged", "lead", at(merged)),
        ("case-closed", "first", at(closed)),
        ("case-closed-lead", "lead", at(closed)),
        ("case-kept", "second", at(kept)),
        ("case-undoable", "reviewer", at(undoable)),
    ]


def test_cases_in_every_state(look, cast, expected_errors) -> None:
    expected_errors.append("403")
    look_at(look, in_states(cast))


def test_reports_in_every_state(look, cast) -> None:
    first, second = cast["first"], cast["second"]
    by, composer = cast["reporter"], cast["composer"]
    cases = [confirmed_case(first, second) for _ in range(4)]
    for case, state in zip(cases, ("draft", "proposed", "approved", "filed"), strict=True):
        if state == "proposed":
            proposed(case, by=composer)
        elif state == "approved":
            approved(case, by=by, composer=composer)
        elif state == "filed":
            filed(case, by=by, composer=composer)
    places = [
        (f"report-{state}", "reporter", f"/reports/{case.reports.get().pk}/")
        for case, state in zip(cases, ("draft", "proposed", "approved", "filed"), strict=True)
    ]
    look_at(look, [*places, ("reports", "reporter", "/reports/")])


def test_what_opens_on_the_case_page(opened, cast) -> None:
    """The stage at each level, the tabs, the sheet, the jump, the asides, and the blank page."""
    held = make_case(near=True, triage="critical")
    seal_copies(Entry.objects.get(), picture())
    make_case()
    queue.claim(held, by=cast["reviewer"])
    page = opened(cast["reviewer"], f"/cases/{held.pk}/")
    page.wait_for_selector(READY)
    found = []
    for level in ("1", "2"):
        page.keyboard.press("v")
        expect(page.locator("[data-stage]")).to_have_attribute("data-level", level)
        found += faults(page, f"stage-l{level}")
    page.keyboard.press("d")
    expect(page.locator("[data-drawing] [aria-current]")).to_have_count(1)
    found += faults(page, "stage-drawing")
    for tab in page.get_by_role("tab").all():
        tab.click()
        found += faults(page, f"tab-{tab.inner_text().split()[0].lower()}")
    for aside in page.locator("[data-aside] summary").all():
        aside.click()
        name = aside.inner_text().split("\n")[0].lower().replace(" ", "-")
        found += faults(page, f"aside-{name}")
        aside.click()
    page.locator("[data-digit='4']").check()
    found += faults(page, "answer-chosen")
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    found += faults(page, "keys")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    found += faults(page, "jump")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Hide all").click()
    expect(page.locator("[data-blank]")).to_be_visible()
    found += faults(page, "hidden")
    none(found)


def test_l3_while_it_is_held(opened, cast) -> None:
    case = make_case(near=True)
    seal_copies(Entry.objects.get(), picture())
    queue.claim(case, by=cast["reviewer"])
    page = opened(cast["reviewer"], f"/cases/{case.pk}/")
    page.wait_for_selector(READY)
    page.locator("[data-hold-button]").evaluate("e => e.click()")
    expect(page.locator("[data-held]")).to_be_visible()
    none(violations(page, RULES))
