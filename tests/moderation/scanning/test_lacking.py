"""Shards whose ledger has nothing to compare are covered without a scan, and only these."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

from moderation.datasets import ledger
from moderation.models import Coverage, Entry, HashList, Revision, Scan, Shard
from moderation.scanning import rescans

from .conftest import LoadList, RunScan, md5_of, pdq_of, rescan

NOT_THERE = "md5 " + "7" * 32


@contextmanager
def ledgers_shut() -> Iterator[None]:
    """Whoever opens a ledger meanwhile fails the test."""

    def opened(*args: Any, **options: Any) -> NoReturn:
        pytest.fail("a ledger was opened")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("read", "facts", "_opened"):
            patch.setattr(ledger, name, opened)
        yield


def covered() -> set[tuple[int, str, str]]:
    return set(
        Coverage.objects.current().values_list("shard__number", "hash_list__slug", "version__label")
    )


def test_a_scan_notes_what_its_ledgers_lack(
    links: Revision, embedded: Revision, load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("demo", "1", [NOT_THERE])
    run_scan(links)
    run_scan(embedded)
    assert [shard.lacks for shard in links.shards.all()] == [["pdq", "phash", "sha1", "sha256"]] * 2
    assert embedded.shards.get().lacks == ["url_key"]


def test_a_new_list_of_pdq_opens_no_ledger_of_links_alone(
    links: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("demo", "1", [NOT_THERE])
    run_scan(links)
    scans = Scan.objects.count()
    load_list("near", "1", [pdq_of(drawn[0])])
    with ledgers_shut():
        assert rescans.due() == []
    assert covered() == {(n, slug, "1") for n in range(2) for slug in ("demo", "near")}
    assert set(Coverage.objects.values_list("threshold", "share")) == {(31, 1.0)}
    assert Scan.objects.count() == scans


def test_a_ledger_that_has_values_is_due_as_before(
    links: Revision,
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
) -> None:
    load_list("demo", "1", [NOT_THERE])
    run_scan(links)
    run_scan(embedded)
    load_list("near", "1", [pdq_of(drawn[0])])
    assert [due.revision for due in rescans.due()] == [embedded]
    rescan(embedded)
    assert rescans.due() == []
    assert [entry.shard for entry in Entry.objects.all()] == [embedded.shards.get()]


def test_a_ledger_of_before_is_opened_once_to_learn_what_it_lacks(
    links: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("demo", "1", [NOT_THERE])
    run_scan(links)
    Shard.objects.update(lacks=[])  # as the migration leaves them
    load_list("near", "1", [pdq_of(drawn[0])])
    assert len(rescans.due()) == 1
    rescan(links)
    assert [shard.lacks for shard in links.shards.all()] == [["pdq"]] * 2
    load_list("near", "2", [pdq_of(data) for data in drawn[:2]])
    with ledgers_shut():
        assert rescans.due() == []


def test_phashes_count_only_where_they_flag(
    links: Revision, load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("demo", "1", [NOT_THERE])
    run_scan(links)
    Shard.objects.update(lacks=["pdq"])
    load_list("pairs", "1", ["phash 0123456789abcdef"])
    assert rescans.due() == []
    HashList.objects.filter(slug="pairs").update(phash_flags=True)
    assert len(rescans.due()) == 1


def test_links_are_in_no_ledger_as_a_url_digest_and_are_always_compared(
    links: Revision, load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("demo", "1", [NOT_THERE])
    run_scan(links)
    load_list("urls", "1", ["url_md5 " + "7" * 32])
    assert len(rescans.due()) == 1


def test_a_wider_rule_makes_due_what_was_passed_over_and_nothing_else(
    links: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan
) -> None:
    """What an earlier comparison passed over stays on record when a later version meets nothing."""
    load_list("trial", "1", [md5_of(drawn[3])], trust="trial")
    run_scan(links)
    load_list("trial", "2", [md5_of(drawn[3]), pdq_of(drawn[0])], trust="trial")
    assert rescans.due() == []
    HashList.objects.update(sample_ratio=1.0)
    [due] = rescans.due()
    assert [shard.number for shard in due.shards] == [0]
    rescan(links)
    assert [entry.row for entry in Entry.objects.all()] == [3]


def test_what_is_new_in_a_list_decides(
    links: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("demo", "1", [NOT_THERE])
    run_scan(links)
    load_list("demo", "2", [NOT_THERE, pdq_of(drawn[0])])
    assert rescans.due() == []
    assert covered() == {(0, "demo", "2"), (1, "demo", "2")}
    load_list("demo", "3", [NOT_THERE, pdq_of(drawn[0]), md5_of(drawn[8])])
    [due] = rescans.due()
    assert len(due.shards) == 2
    rescan(links)
    assert [(each.shard.number, each.row) for each in Entry.objects.all()] == [(1, 2)]
