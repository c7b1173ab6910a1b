"""The whole job, by the people who do it: from a hash list to a removal that is verified gone.

One browser, the real forms, a real worker. Each step asserts what the person sees.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, expect

from moderation.hash_lists import reasons
from moderation.models import Case, Removal, Reveal, Shard
from reports.models import Report
from sample.server import PictureServer
from tests.browser import chromium  # noqa: F401

from .conftest import Run, StartWorker
from .desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)

GRACE_SECONDS = 8  # instead of 60
SLOW_MS = 180_000  # a worker starts and compiles, a scan runs
LIST, OWNER = "sample-csv", "Synthetic"
PICTURES, LINKS = "pictures", "links"
REFERENCE = "IWF-2026-000417"
REASON = "The list says so, and the outline fits."
STEPS = {
    *("hash_list_loaded", "revision_registered", "scan_started", "scan_ended", "case_opened"),
    *("case_claimed", "preview_revealed", "preview_opened", "answer_given", "answer_settled"),
    *("case_released", "case_proposed", "case_confirmed", "report_drafted", "report_proposed"),
    *("report_approved", "reports_exported", "report_filed", "manifest_built"),
    *("manifest_applied", "removal_verified"),
}


@pytest.fixture
def cast(person: Callable[..., User]) -> dict[str, User]:
    roles = {
        "lima": "list_manager",
        "otto": "operator",
        "rhea": "reviewer",
        "sven": "reviewer",
        "remo": "reporter",
        "rita": "reporter",
        "aude": "auditor",
    }
    return {name: person(name, role) for name, role in roles.items()}


@pytest.fixture
def desk(
    chromium: Browser,  # noqa: F811
    surroundings: dict[str, str],
    cast: dict[str, User],
    live_server: Any,
    settings: Any,
) -> Iterator[Desk]:
    settings.ANSWER_GRACE_SECONDS = GRACE_SECONDS
    desk = Desk(chromium, live_server.url)
    yield desk
    desk.close()


@pytest.fixture
def shards(sample_folder: Path, moved: Path, truth: dict[str, Any]) -> dict[str, list[str]]:
    """The files of the two datasets: pictures as they are, and links to some of them."""
    of = {PICTURES: (sample_folder, "images"), LINKS: (moved, "csv")}
    return {
        name: [str(root / path) for path in truth["datasets"][source]["paths"]]
        for name, (root, source) in of.items()
    }


def test_from_a_hash_list_to_a_removal_verified_gone(
    desk: Desk,
    run: Run,
    worker: StartWorker,
    shards: dict[str, list[str]],
    truth: dict[str, Any],
    sample_folder: Path,
    pictures: PictureServer,
    cast: dict[str, User],
    tmp_path: Path,
) -> None:
    listed = next(each for each in truth["lists"] if each["list"] == LIST)
    load_a_list(desk, sample_folder / listed["path"], listed)
    import_and_scan(desk, run, worker, shards, truth)
    first = review(desk, cast)
    confirm(desk, first, blind_to=cast["rhea"])
    report = propose(desk, first)
    file(desk, report, first, tmp_path)
    cleaned = remove(desk, run, shards, first, tmp_path)
    verify(desk, run, cleaned)
    audit(desk)
    assert pictures.requests == []


def load_a_list(desk: Desk, file: Path, listed: dict[str, Any]) -> None:
    """The list manager reads a file without changing anything, sees the figures, and loads it."""
    page = desk.page
    page.goto("/login/")
    desk.look("log-in")
    desk.log_in("lima")
    desk.look("overview-list-manager")
    desk.go("Hash lists")
    expect(page.locator(".empty-title")).to_be_visible()
    desk.look("hash-lists-empty")
    page.get_by_role("link", name="Load").first.click()
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_label("Name of the new list").fill(LIST)
    page.get_by_label("Version", exact=True).fill("1")
    page.get_by_label("Format").select_option("csv")
    page.get_by_label("Profile", exact=False).first.select_option("generic")
    page.get_by_label("Owner").fill(OWNER)
    page.get_by_label("Trust").select_option("trusted")
    desk.look("load-form")
    page.get_by_role("button", name="Read the file, change nothing").click()

    expect(desk.heading()).to_have_text("What this file would change")
    rejected = sum(listed["rejected"].values())
    for words, count in (("new", listed["values"]), ("withdrawn", 0), ("rejected", rejected)):
        expect(desk.figure(words)).to_have_text(str(count))
    for reason in listed["rejected"]:
        expect(page.locator(".lines")).to_contain_text(reasons.in_words(reason))
    desk.look("load-dry-run")
    page.get_by_role("button", name="Load this version").click()

    expect(desk.heading()).to_contain_text(LIST)
    expect(page.locator(".messages")).to_contain_text(f"in force: {listed['values']} new")
    desk.look("hash-list")
    desk.go("Hash lists")
    desk.look("hash-lists")
    desk.log_out()


def import_and_scan(
    desk: Desk,
    run: Run,
    worker: StartWorker,
    shards: dict[str, list[str]],
    truth: dict[str, Any],
) -> None:
    """The operator registers two datasets, starts a scan of each and watches it to its end."""
    desk.log_in("otto")
    desk.go("Datasets")
    desk.look("datasets-empty")
    desk.go("Scans")
    desk.look("scans-empty")
    desk.go("Manifests")
    desk.look("manifests-empty")
    planted = {PICTURES: "images", LINKS: "csv"}
    for name, paths in shards.items():
        register(run, paths, f"{name}@v1")
        open_revision(desk, f"{name}@v1")
        desk.look(f"revision-{name}-new")
        start_scan(desk)
        if name == PICTURES:  # no worker yet, so the first look finds it waiting
            expect(desk.page.locator(".tag").first).to_have_text("Running")
            desk.look("scan-running")
            worker()
        watch(desk, rows_of(f"{name}@v1"))
        found = {
            (each["shard"], each["row"])
            for each in truth["planted"]
            if each["dataset"] == planted[name] and each["list"] == LIST and each["version"] == "1"
        }
        expect(desk.figure("flags raised now")).to_have_text(str(len(found)))
        expect(desk.figure("cases of all these")).to_have_text("5")
        desk.look(f"scan-{name}")
    desk.go("Scans")
    desk.look("scans")
    desk.go("Datasets")
    desk.look("datasets")
    desk.log_out()


def review(desk: Desk, cast: dict[str, User]) -> Case:
    """The reviewer, by keyboard alone: next case, evidence, one look at L1, an answer."""
    page = desk.page
    desk.log_in("rhea")
    desk.look("overview-reviewer")
    desk.press(page.get_by_role("link", name="Queue", exact=True))
    expect(desk.figure("you can take")).to_have_text("5")
    expect(page.locator("img")).to_have_count(0)
    desk.look("queue")
    desk.key("Enter")
    expect(desk.heading()).to_contain_text("Case")
    case = Case.objects.by_priority()[0]
    expect(desk.heading()).to_have_text(f"Case {case.pk}")
    expect(page.locator("[data-stage] img")).to_have_count(0)
    expect(page.locator("[data-outline]")).to_contain_text("L0 · outline")
    for words in (f"{LIST} version 1", "Equal, bit for bit.", "md5, sha1, sha256, version"):
        expect(desk.panel("Evidence")).to_contain_text(words)
    desk.look("case")

    desk.key("v")
    picture = page.locator("[data-stage] img")
    expect(page.locator("[data-stage]")).to_have_attribute("data-level", "1")
    expect(picture).to_be_visible()
    page.wait_for_function("document.querySelector('[data-stage] img').naturalWidth > 0")
    expect(desk.panel("Preview")).to_contain_text("its analysts have assessed the picture")
    desk.look("case-l1")
    page.keyboard.press("v")  # L2 stays shut for an exact match on a trusted list
    page.keyboard.press("Shift+V")
    expect(picture).to_have_count(0)
    assert [reveal.level for reveal in Reveal.objects.filter(case=case)] == [1]

    page.keyboard.press("1")
    choice = page.get_by_role("radio").first
    expect(choice).to_be_checked()
    assert choice.get_attribute("value") == "REMOVE_KNOWN"
    page.keyboard.press("r")
    page.keyboard.type(REASON)
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-undo]")).to_contain_text(f"Case {case.pk} answered")
    expect(desk.heading()).not_to_have_text(f"Case {case.pk}")
    desk.look("case-next-with-undo")
    desk.press(page.get_by_role("button", name="Release without an answer"))
    expect(page.locator(".messages")).to_contain_text("is back in the queue")
    desk.log_out()
    return case


def confirm(desk: Desk, case: Case, *, blind_to: User) -> None:
    """A second reviewer is given the same case, sees nothing of the first answer, and agrees."""
    page = desk.page
    desk.log_in("sven")
    row = page.locator("tr").filter(has_text=f"Case {case.pk}")
    desk.press(page.get_by_role("link", name="Queue", exact=True))
    wait_until(desk, row.get_by_text("Waiting for a second person"))
    desk.look("queue-second")
    desk.key("Enter")
    expect(desk.heading()).to_have_text(f"Case {case.pk}")
    expect(page.locator("[data-stage] img")).to_have_count(0)
    expect(desk.panel("Decision · second person")).to_be_visible()
    source = page.content()
    for hidden in (REASON, blind_to.username, blind_to.person.pseudonym, "answer_given"):
        assert hidden not in source
    desk.look("case-second")

    desk.key("1")
    page.keyboard.press("Shift+Enter")
    expect(page.locator("[data-undo]")).to_contain_text("answered")
    desk.look("case-answered")
    wait_until(desk, page.get_by_text("The case is closed."))
    expect(desk.panel("Decision")).to_contain_text("Confirmed")
    page.get_by_role("tab", name="History").click()
    history = page.get_by_role("tabpanel", name="History")
    expect(history).to_contain_text(blind_to.person.pseudonym)
    expect(page.get_by_text(REASON).first).to_be_visible()
    desk.look("case-closed")
    desk.log_out()


def propose(desk: Desk, case: Case) -> Report:
    """A reporter finds the draft, sees that we looked once, and proposes it."""
    page = desk.page
    desk.log_in("remo")
    desk.look("overview-reporter")
    desk.go("Reports")
    report = Report.objects.get(case=case)
    expect(page.get_by_role("row").filter(has_text=f"Report {report.pk}")).to_contain_text("Draft")
    desk.look("reports")
    page.get_by_role("link", name=f"Report {report.pk}").click()
    expect(desk.panel("What")).to_contain_text("L1, ")
    expect(desk.panel("What")).to_contain_text("never")
    expect(desk.panel("Check")).to_contain_text("no link")
    desk.look("report-draft")
    page.get_by_role("button", name="Propose").click()
    expect(page.get_by_role("dialog")).to_contain_text("Another person approves it")
    desk.look("report-propose-dialog")
    page.get_by_role("dialog").get_by_role("button", name="Propose").click()
    expect(page.locator(".page-head")).to_contain_text("Waiting for approval")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    expect(desk.panel("Send")).to_contain_text("so you do not approve it.")
    desk.log_out()
    return report


def file(desk: Desk, report: Report, case: Case, folder: Path) -> None:
    """A second reporter approves, takes the agency's file in both forms, records the reference."""
    page = desk.page
    desk.log_in("rita")
    desk.go("Reports")
    page.get_by_role("link", name=f"Report {report.pk}").click()
    desk.look("report-proposed")
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.locator(".page-head")).to_contain_text("Approved")
    desk.look("report-approved")

    page.get_by_role("link", name="Export").click()
    page.get_by_role("radio", name="The agency's file").check()
    page.get_by_label("Purpose").fill("To file with the hotline.")
    desk.look("export")
    made = {}
    for form in ("csv", "json"):
        page.get_by_label("Format").select_option(form)
        made[form] = desk.download(page.get_by_role("button", name="Get the file"), folder)
    links = case.flags.filter(entry__revision__dataset__name=LINKS).count()
    lines = list(csv.DictReader(io.StringIO(made["csv"].read_text())))
    rows = json.loads(made["json"].read_text())["rows"]
    assert len(lines) == len(rows) == links > 0
    assert [line["url"] for line in lines] == [row["url"] for row in rows]
    assert all(row["url"].startswith("http") and row["dataset"] == LINKS for row in rows)
    assert all(row["match_basis"][0]["list"] == OWNER for row in rows)

    page.goto(f"/reports/{report.pk}/")
    page.get_by_label("Reference").fill(REFERENCE)
    page.get_by_role("button", name="Record it as filed").click()
    page.get_by_role("dialog").get_by_role("button", name="Record it").click()
    expect(desk.panel("Send")).to_contain_text(REFERENCE)
    expect(desk.panel("History")).to_contain_text("To file with the hotline.")
    desk.look("report-filed")
    desk.go("Reports")
    expect(page.get_by_role("row").filter(has_text=REFERENCE)).to_contain_text("Filed")
    desk.look("reports-filed")
    desk.log_out()


def remove(
    desk: Desk, run: Run, shards: dict[str, list[str]], case: Case, folder: Path
) -> dict[str, Path]:
    """The operator builds the manifests, downloads them, and applies them to the shards."""
    page = desk.page
    cleaned = {}
    desk.log_in("otto")
    desk.look("overview-operator")
    for name, paths in shards.items():
        entries = case.flags.filter(entry__revision__dataset__name=name).count()
        open_revision(desk, f"{name}@v1")
        expect(desk.panel("Manifest")).to_contain_text(f"{entries} confirmed removal")
        desk.look(f"revision-{name}-due")
        page.get_by_role("button", name="Build a manifest").click()
        expect(page.locator(".messages")).to_contain_text(f"Manifest 1 stands: {entries} removal")
        desk.look(f"revision-{name}-listed")
        manifest = desk.download(page.get_by_role("link", name="Download"), folder)
        cleaned[name] = folder / f"cleaned-{name}"
        applied = run(
            "apply_manifest", str(manifest), *paths, "--out", str(cleaned[name]), here=True
        )
        assert applied["removed"] == entries
        # What nobody has decided yet matches a trusted list exactly: it is out all the same.
        assert applied["provisional"] > 0
        gone = applied["rows_in"] - applied["rows_out"]
        assert gone == applied["removed"] + applied["provisional"]
    desk.go("Manifests")
    expect(page.get_by_role("row").filter(has_text="1 receipt")).to_have_count(len(shards))
    desk.look("manifests")
    return cleaned


def verify(desk: Desk, run: Run, cleaned: dict[str, Path]) -> None:
    """What was cleaned is a new revision; its scan shows that the entries are gone."""
    page = desk.page
    for name, folder in cleaned.items():
        register(run, [str(folder)], f"{name}@v2")
        open_revision(desk, f"{name}@v2")
        start_scan(desk)
        watch(desk, rows_of(f"{name}@v2"))
        removed = Removal.objects.filter(entry__revision__dataset__name=name).count()
        open_revision(desk, f"{name}@v1")
        expect(desk.figure("verified gone")).to_have_text(str(removed))
        expect(desk.figure("confirmed, not yet in a manifest")).to_have_text("0")
        desk.look(f"revision-{name}-verified")
    assert not Removal.objects.exclude(state=Removal.State.VERIFIED).exists()
    desk.go("Datasets")
    desk.look("datasets-two-revisions")
    page.goto("/")
    desk.log_out()


def audit(desk: Desk) -> None:
    """The auditor finds every step, by whom, and that the chain holds."""
    page = desk.page
    desk.log_in("aude")
    desk.look("overview-auditor")
    desk.go("Audit")
    seen: set[str] = set()
    while True:
        seen |= {
            text.strip() for text in page.locator("td[data-label=Action] code").all_inner_texts()
        }
        older = page.get_by_role("link", name="Older")
        if not older.count():
            break
        older.click()
    assert seen >= STEPS, STEPS - seen
    desk.go("Audit")
    desk.look("audit")
    page.get_by_role("button", name="Check the chain").click()
    expect(page.locator("#chain-status")).to_contain_text("intact, ", timeout=SLOW_MS)
    page.get_by_label("Action").fill("report_filed")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("td[data-label=Action] code")).to_have_text(["report_filed"])
    desk.look("audit-filtered")
    desk.log_out()


def register(run: Run, paths: list[str], name: str) -> None:
    """On the command line: the console has no page for it."""
    dataset, _, revision = name.partition("@")
    words = ("--dataset", dataset, "--revision", revision, "--synthetic")
    run("import_dataset", *paths, *words, here=True)


def open_revision(desk: Desk, name: str) -> None:
    desk.go("Datasets")
    desk.page.get_by_role("link", name=name).click()
    expect(desk.heading()).to_have_text(name)


def rows_of(name: str) -> int:
    dataset, _, label = name.partition("@")
    shards = Shard.objects.filter(revision__dataset__name=dataset, revision__label=label)
    return sum(shards.values_list("rows", flat=True))


def start_scan(desk: Desk) -> None:
    expect(desk.page.get_by_role("radio", name="Hashes only")).to_be_checked()
    desk.page.get_by_role("button", name="Start the scan").click()
    expect(desk.page.locator(".messages")).to_contain_text("is started")


def watch(desk: Desk, rows: int) -> None:
    """The page moves by itself until the scan has ended."""
    progress = desk.page.locator("#scan-progress")
    expect(progress).to_contain_text("ended ", timeout=SLOW_MS)
    expect(progress).to_contain_text(f"{rows} of {rows} entries, 100 %")
    expect(desk.page.locator(".tag").first).to_have_text("Finished")


def wait_until(desk: Desk, sight: Any) -> None:
    """Load the page again and again until something is to be seen on it."""
    for _ in range(SLOW_MS // 500):
        if sight.count():
            return
        desk.page.wait_for_timeout(500)
        desk.page.reload()
    raise AssertionError(f"{sight} did not come")
