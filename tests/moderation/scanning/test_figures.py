"""What a scan found, told alike on its page and in the terminal: before and after a later scan, and
with what became of the removals that a manifest asked for."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from moderation.datasets.registering import register
from moderation.management.commands.rescan import Command as Rescan
from moderation.management.commands.scan import Command as ScanCommand
from moderation.models import Case, Removal, Revision, Scan
from moderation.scanning import progress
from tests.moderation.review.making import settled

from .conftest import LoadList, RunScan, finish, md5_of

pytestmark = pytest.mark.django_db(transaction=True)
Login = Callable[[User], Client]


def printed(scan: Scan) -> list[str]:
    command = ScanCommand()
    command.scan = scan
    return command.lines(progress.as_json(scan))


def figures(page: str) -> dict[str, int]:
    found = re.findall(r"<dt>([^<]*)</dt>\s*<dd>\s*(\d+)\s*</dd>", page)
    return {name: int(number) for name, number in found}


def test_raised_now_and_already_known_are_told_apart_and_stay(
    links: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    operator: User,
    login: Login,
) -> None:
    load_list("demo", "1", [md5_of(drawn[3]), md5_of(drawn[8])])
    first = run_scan(links)
    load_list("more", "1", [md5_of(drawn[3]), md5_of(drawn[9])])
    second = run_scan(links)

    for scan, raised, known in ((first, 2, 0), (second, 1, 2)):
        now = progress.of(scan)
        assert (now.raised, now.known) == (raised, known)
        shown = figures(
            login(operator).get(reverse("moderation:scan", args=[scan.pk])).content.decode()
        )
        assert shown["flags raised now"] == raised
        assert shown["flags already known"] == known
        assert shown["cases of all these"] == raised + known
        told = f"flags: {raised + known} ({raised} raised now, {known} already known)"
        assert told in printed(scan)
        figure = progress.as_json(scan)
        assert (figure["flags"], figure["cases"]) == (raised + known, raised + known)


def test_a_rescan_tells_them_apart_too(
    links: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("demo", "1", [md5_of(drawn[3])])
    run_scan(links)
    load_list("more", "1", [md5_of(drawn[3]), md5_of(drawn[9])])
    out = io.StringIO()
    call_command("rescan", stdout=out, stderr=io.StringIO())
    scan = finish(Scan.objects.latest("pk"))
    command = Rescan()
    command.scans = [scan]

    told = command.lines({"scans": [progress.as_json(scan)]})

    assert "flags: 2 (1 raised now, 1 already known)" in " ".join(told)
    assert "state: running" in out.getvalue()


@pytest.fixture
def listed(
    links: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    reviewer: User,
    second_reviewer: User,
    tmp_path: Path,
) -> Path:
    """The manifest of two confirmed removals, one in each shard."""
    load_list("demo", "1", [md5_of(drawn[3]), md5_of(drawn[8])])
    run_scan(links)
    for case in Case.objects.all():
        settled(case, reviewer, "REMOVE_KNOWN")
        settled(case, second_reviewer, "REMOVE_KNOWN")
    assert Removal.objects.count() == 2
    manifest = tmp_path / "m.jsonl"
    call_command("build_manifest", "harbour@v1", "--out", str(manifest), stdout=io.StringIO())
    return manifest


def test_a_manifest_built_again_is_said_to_stand(listed: Path) -> None:
    assert listed.exists()
    out = io.StringIO()
    call_command("build_manifest", "harbour@v1", "--out", str(listed), stdout=out)
    assert "manifest 1 stands already: 2 removals." in out.getvalue()
    assert "signed" not in out.getvalue()


@pytest.mark.parametrize(
    ("applied", "told"),
    [
        (True, "2 of 2 removals of manifest 1 of harbour@v1 verified gone"),
        (False, "0 of 2 removals of manifest 1 of harbour@v1 verified gone; 2 not"),
    ],
)
def test_a_scan_of_the_next_revision_says_what_became_of_the_removals(
    applied: bool,
    told: str,
    links: Revision,
    listed: Path,
    run_scan: RunScan,
    operator: User,
    login: Login,
    tmp_path: Path,
) -> None:
    paths = [str(tmp_path / f"part-{number}.parquet") for number in range(2)]
    if applied:
        out = str(tmp_path / "cleaned")
        call_command("apply_manifest", str(listed), *paths, "--out", out, stdout=io.StringIO())
        paths = [out]
    following = register(paths, dataset="harbour", revision="v2", by=None).revision
    client = login(operator)
    page = reverse("moderation:revision", args=[following.pk])
    assert "of manifest 1" not in client.get(page).content.decode()  # nobody has looked yet

    scan = run_scan(following)

    assert f"removals: {told}" in printed(scan)
    for address in (page, reverse("moderation:scan", args=[scan.pk])):
        shown = " ".join(client.get(address).content.decode().split())
        assert f"{told}." in shown
        assert ("message-success" in shown) is applied
    for address in (
        reverse("moderation:revision", args=[links.pk]),
        reverse("moderation:scan", args=[links.scans.get().pk]),
    ):
        assert "of manifest 1" not in client.get(address).content.decode()
    assert not any("removals:" in line for line in printed(links.scans.get()))


def test_what_one_revision_was_verified_without_is_not_told_of_the_next(
    listed: Path, run_scan: RunScan, tmp_path: Path
) -> None:
    paths = [str(tmp_path / f"part-{number}.parquet") for number in range(2)]
    out = str(tmp_path / "cleaned")
    call_command("apply_manifest", str(listed), *paths, "--out", out, stdout=io.StringIO())
    for label, lines in (("v2", 1), ("v3", 0)):
        scan = run_scan(register([out], dataset="harbour", revision=label, by=None).revision)
        assert sum("verified gone" in line for line in printed(scan)) == lines
