"""Datasets and one revision: sizes, coverage by list, removals, manifests, what may be started."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from moderation.models import LegalBasis
from moderation.views import coverage

from . import rows

pytestmark = pytest.mark.django_db


def text(answer):
    return " ".join(answer.content.decode().split())


def page_of(client, revision):
    return client.get(reverse("moderation:revision", args=[revision.pk]))


def test_nothing_registered_says_how_to(login, operator):
    assert "manage.py import_dataset" in text(login(operator).get("/datasets/"))


def test_a_revision_with_its_sizes_and_last_scan(login, operator):
    revision = rows.revision(shards=3, rows=50)
    rows.scan(revision, state="finished")
    last = rows.scan(revision, state="cancelled")
    answer = login(operator).get("/datasets/")
    (row,) = answer.context["rows"]
    assert (row["revision"].shard_count, row["revision"].rows, row["revision"].size) == (
        3,
        150,
        3000,
    )
    assert row["scan"] == last
    assert "150" in text(answer)


def test_coverage_counts_rows_under_the_version_in_force():
    revision = rows.revision(shards=2, rows=100)
    first, second = revision.shards.order_by("number")
    known = rows.hash_list()
    rows.cover(first, known)
    (cell,) = coverage.of([revision])[revision.pk]
    assert (cell.covered, cell.rows, cell.percent, cell.tone) == (100, 200, 50, "part")
    rows.cover(second, known)
    (cell,) = coverage.of([revision])[revision.pk]
    assert (cell.percent, cell.tone) == (100, "full")


@pytest.mark.parametrize("stale", ["version", "threshold", "algorithm"])
def test_coverage_by_something_older_does_not_count(stale):
    revision = rows.revision(shards=1)
    known = rows.hash_list()
    changes = {"threshold": {"threshold": 10}, "algorithm": {"algorithm_version": "0"}}
    rows.cover(revision.shards.get(), known, **changes.get(stale, {}))
    if stale == "version":
        rows.version(known)
    (cell,) = coverage.of([revision])[revision.pk]
    assert (cell.covered, cell.tone) == (0, "none")


def test_coverage_never_rounds_up_to_all():
    revision = rows.revision(shards=1, rows=1)
    known = rows.hash_list()
    shard = revision.shards.get()
    big = rows.revision(label="v2", shards=1, rows=100_000)
    rows.cover(big.shards.get(), known)
    shard.revision, shard.number = big, 1
    shard.save()
    (cell,) = coverage.of([big])[big.pk]
    assert (cell.percent, cell.tone) == (99, "part")


def test_a_list_that_is_off_has_no_column():
    revision = rows.revision()
    rows.hash_list("off", enabled=False)
    assert coverage.of([revision])[revision.pk] == []


def test_fetching_is_grey_without_a_legal_basis(login, list_manager):
    rows.hash_list()
    answer = page_of(login(list_manager), rows.revision())
    assert "Fetching is off: no legal basis is recorded" in text(answer)
    assert "an operator records one under Legal basis" in text(answer)
    assert "links in Parquet" in text(answer)
    assert 'value="content" disabled' in text(answer)
    LegalBasis.objects.create(
        basis="Order 7", officer="Ada", until=timezone.now() + timedelta(days=1)
    )
    assert 'value="content" disabled' not in text(page_of(login(list_manager), rows.revision("b")))


def test_fetching_is_grey_without_the_capability(login, person):
    from django.contrib.auth.models import Permission

    user = person("wanda")
    for name in ("scan_view", "scan_run"):
        user.user_permissions.add(Permission.objects.get(codename=name))
    LegalBasis.objects.create(
        basis="Order 7", officer="Ada", until=timezone.now() + timedelta(days=1)
    )
    assert "Your role does not include scans that fetch" in text(
        page_of(login(user), rows.revision())
    )


def test_a_lead_looks_but_starts_nothing(login, lead):
    answer = page_of(login(lead), rows.revision())
    assert "Your role does not start scans" in text(answer)
    assert "Start the scan" not in text(answer)


def test_while_a_scan_is_live_there_is_no_second(login, operator):
    revision = rows.revision()
    scan = rows.scan(revision, state="paused")
    answer = page_of(login(operator), revision)
    assert f"Scan {scan.pk} of this revision is paused" in text(answer)
    assert "Start the scan" not in text(answer)


def test_removals_by_state_and_manifests(
    login, operator, reviewer, second_reviewer, settings, tmp_path
):
    settings.EVIDENCE_URL = tmp_path.as_uri()
    revision = rows.revision()
    for state in ("due", "due", "listed", "verified"):
        rows.removal(revision, first=reviewer, second=second_reviewer, state=state)
    manifest = rows.manifest(revision, by=operator)
    answer = page_of(login(operator), revision)
    assert {line["state"]: line["count"] for line in answer.context["removals"]} == {
        "due": 2,
        "listed": 1,
        "verified": 1,
        "withdrawn": 0,
    }
    assert "2 confirmed removals in no manifest yet" in text(answer)
    assert reverse("moderation:download_manifest", args=[manifest.pk]) in text(answer)


def test_no_link_or_caption_on_the_page(login, operator, reviewer, second_reviewer):
    revision = rows.revision()
    rows.removal(revision, first=reviewer, second=second_reviewer)
    assert "pictures.example" not in text(page_of(login(operator), revision))


def test_shards_come_in_pages(login, operator):
    revision = rows.revision(shards=23)
    answer = page_of(login(operator), revision)
    assert "Page 1 of 2" in text(answer)
    second = login(operator).get(answer.wsgi_request.path, {"page": 2})
    assert [shard.number for shard in second.context["shards"]] == [20, 21, 22]


def test_the_number_of_queries_does_not_grow_with_revisions(login, operator):
    rows.hash_list()
    client = login(operator)

    def queries(revisions):
        for number in revisions:
            rows.scan(rows.revision(label=f"v{number}"), state="finished")
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/datasets/").status_code == 200
        return len(captured)

    queries(range(1))  # what is asked once for a session
    assert queries(range(1, 2)) == queries(range(2, 14))
