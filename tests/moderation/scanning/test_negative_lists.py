"""Negative lists: what they suppress, what they may not, and what is due once they let go."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from moderation.datasets.registering import register
from moderation.hash_lists import changing, values
from moderation.models import CustodyEvent, Entry, Flag, HashList, Match, Revision, Scan
from moderation.scanning import progress, rescans, screening
from tests import pictures
from tests.known import only_row

from .conftest import LoadList, RunScan, md5_of, pdq_of, rescan

pytestmark = pytest.mark.django_db(transaction=True)
Drawn = list[bytes]


@pytest.fixture
def harmless(load_list: LoadList) -> Callable[..., None]:
    def make(*lines: str, label: str = "1") -> None:
        load_list("harmless", label, list(lines), negative=True)

    return make


def flipped(pdq: str, bits: int) -> str:
    """The value with its first bits turned over."""
    number = int(pdq.removeprefix("pdq "), 16)
    return f"pdq {number ^ ((1 << bits) - 1):064x}"


def counted(scan: Scan) -> dict[str, int]:
    """What was found and passed over; the sum must be right."""
    now = progress.of(scan)
    assert now.exact + now.near == now.on_flags + sum(now.passed_over.values())
    assert now.on_flags == Match.objects.filter(last_scan=scan).count()
    return now.passed_over


def test_an_equal_file_suppresses_what_is_near_and_what_is_equal(
    embedded: Revision, drawn: Drawn, load_list: LoadList, run_scan: RunScan, harmless
) -> None:
    sha1 = f"sha1 {hashlib.sha1(drawn[4]).hexdigest()}"
    load_list("demo", "1", [pdq_of(drawn[4]), sha1, pdq_of(drawn[7])])
    harmless(md5_of(drawn[4]))

    scan = run_scan(embedded)

    assert counted(scan) == {"suppressed": 2}
    assert [flag.entry.row for flag in Flag.objects.all()] == [7]
    assert Entry.objects.count() == 1
    ended = CustodyEvent.objects.get(action="scan_ended")
    assert ended.after["passed_over"] == {"suppressed": 2}


def test_an_exact_match_of_a_trusted_list_is_never_suppressed(
    embedded: Revision, drawn: Drawn, load_list: LoadList, run_scan: RunScan, harmless
) -> None:
    load_list("known", "1", [md5_of(drawn[4])], trust="trusted")
    load_list("demo", "1", [pdq_of(drawn[4])])
    harmless(md5_of(drawn[4]), pdq_of(drawn[4]))

    scan = run_scan(embedded)

    assert counted(scan) == {"suppressed": 1}
    assert Match.objects.get().algorithm == "md5"
    assert Entry.objects.get().quarantined_at is not None


@pytest.mark.parametrize(
    ("known", "negative", "suppressed"), [(6, 4, True), (4, 4, True), (4, 6, False)]
)
def test_a_near_value_speaks_against_one_that_is_not_nearer(
    embedded: Revision,
    drawn: Drawn,
    load_list: LoadList,
    run_scan: RunScan,
    harmless,
    known: int,
    negative: int,
    suppressed: bool,
) -> None:
    value = pdq_of(drawn[4])
    load_list("demo", "1", [flipped(value, known), md5_of(drawn[4])])
    harmless(flipped(value, negative))

    scan = run_scan(embedded)

    assert counted(scan) == ({"suppressed": 1} if suppressed else {})
    # Equal digests are never suppressed by what is only near.
    assert Match.objects.filter(algorithm="md5").count() == 1
    assert Match.objects.filter(algorithm="pdq").exists() is not suppressed


def test_a_value_beyond_the_negative_lists_threshold_says_nothing(
    embedded: Revision, drawn: Drawn, load_list: LoadList, run_scan: RunScan, harmless
) -> None:
    value = pdq_of(drawn[4])
    load_list("demo", "1", [flipped(value, 20)])
    harmless(flipped(value, 12))
    HashList.objects.filter(negative=True).update(threshold=10)

    assert counted(run_scan(embedded)) == {}
    assert Match.objects.get().distance == 20


def test_what_a_dataset_states_does_not_speak_for_a_file_at_hand(
    drawn: Drawn, load_list: LoadList, run_scan: RunScan, harmless, tmp_path: Path
) -> None:
    """A wrong digest beside a picture must not hide it."""
    path = tmp_path / "train-00000-of-00001.parquet"
    pictures.embedded(path, drawn)
    table = pq.read_table(path)
    stated = [hashlib.md5(drawn[0]).hexdigest()] * len(drawn)
    pq.write_table(table.append_column("md5", pa.array(stated)), path)
    revision = register([str(path)], dataset="stated", revision="v1", by=None).revision
    assert revision.shards.get().columns["md5"] == "md5"
    load_list("demo", "1", [pdq_of(drawn[4])])
    harmless(md5_of(drawn[0]))

    scan = run_scan(revision)

    assert counted(scan) == {}
    assert Flag.objects.get().entry.row == 4


def test_a_negative_list_alone_flags_nothing_and_is_not_due(
    embedded: Revision, drawn: Drawn, load_list: LoadList, run_scan: RunScan, harmless
) -> None:
    load_list("demo", "1", ["md5 " + "ab" * 16])
    run_scan(embedded)
    harmless(md5_of(drawn[4]))

    assert rescans.due() == []
    scan = run_scan(embedded)
    assert (progress.of(scan).exact, Flag.objects.count()) == (0, 0)
    assert [version.hash_list.slug for version in scan.versions.all()] == ["demo"]


def let_go_by_withdrawal(load_list: LoadList, by: User) -> None:
    load_list("harmless", "2", ["md5 " + "cd" * 16])


def let_go_by_switch(load_list: LoadList, by: User) -> None:
    changing.change(HashList.objects.get(slug="harmless"), by=by, enabled=False)


def let_go_by_time(load_list: LoadList, by: User) -> None:
    HashList.objects.filter(slug="harmless").update(expires_at=timezone.now() - timedelta(1))


def let_go_by_disabling(load_list: LoadList, by: User) -> None:
    known = only_row("harmless")
    values.disable(known, by=by, until=None, note="It is not harmless after all.")


@pytest.mark.parametrize(
    "let_go",
    [let_go_by_withdrawal, let_go_by_switch, let_go_by_time, let_go_by_disabling],
)
def test_what_was_suppressed_is_due_once_it_is_not_any_more(
    embedded: Revision,
    drawn: Drawn,
    load_list: LoadList,
    run_scan: RunScan,
    harmless,
    list_manager: User,
    let_go: Callable[[LoadList, User], None],
) -> None:
    load_list("demo", "1", [pdq_of(drawn[4])])
    harmless(md5_of(drawn[4]))
    run_scan(embedded)
    assert rescans.due() == []
    # A later version is compared by itself, and must not hide what was suppressed before it.
    load_list("demo", "2", [pdq_of(drawn[4]), pdq_of(drawn[7])])
    rescan(embedded)
    assert [flag.entry.row for flag in Flag.objects.all()] == [7]
    assert rescans.due() == []

    let_go(load_list, list_manager)

    [due] = rescans.due()
    assert (due.lists, due.reason) == (("demo",), Scan.Reason.RULES)
    [scan] = rescan(embedded)
    assert counted(scan) == {}
    assert sorted(flag.entry.row for flag in Flag.objects.all()) == [4, 7]
    assert rescans.due() == []


def test_a_shard_where_nothing_was_suppressed_is_not_compared_again(
    links: Revision, drawn: Drawn, load_list: LoadList, run_scan: RunScan, harmless
) -> None:
    load_list("demo", "1", [md5_of(drawn[3]), md5_of(drawn[8])])
    harmless(md5_of(drawn[3]))
    run_scan(links)

    harmless("md5 " + "cd" * 16, label="2")

    [due] = rescans.due()
    assert [shard.number for shard in due.shards] == [0]


def test_screening_says_what_a_scan_would_flag(drawn: Drawn, load_list: LoadList, harmless) -> None:
    load_list("demo", "1", [pdq_of(drawn[4]), pdq_of(drawn[7])])
    harmless(md5_of(drawn[4]))

    suppressed, found = screening.screen_picture(drawn[4]), screening.screen_picture(drawn[7])

    assert (suppressed.verdict, suppressed.passed_over) == ("none", {"suppressed": 1})
    assert (found.verdict, found.passed_over) == ("near", {})
    # A single value says nothing of the file it was made from.
    assert screening.screen_hash(*pdq_of(drawn[4]).split()).verdict == "near"
