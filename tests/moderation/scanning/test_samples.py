"""Samples: which entries of a list's matches raise flags, and what is due when more of them do."""

import secrets
from statistics import NormalDist

import pytest
from django.contrib.auth.models import User

from moderation.hash_lists import changing
from moderation.models import Coverage, Entry, Flag, HashList, Revision, Scan
from moderation.scanning import progress, rescans, screening
from moderation.scanning.facts import RowFacts
from moderation.scanning.rules import SEEDS, in_sample

from .conftest import LoadList, RunScan, md5_of, pdq_of, rescan

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 20_000


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_the_share_is_right(share: float) -> None:
    inside = sum(
        in_sample(RowFacts(row=row, given_md5=secrets.token_bytes(16)), 7, share=share)
        for row in range(MANY)
    )

    spread = NormalDist(MANY * share, (MANY * share * (1 - share)) ** 0.5)
    assert 1e-9 < spread.cdf(inside) < 1 - 1e-9


@pytest.mark.parametrize("name", [*SEEDS, "row"])
def test_an_entry_always_falls_the_same_way_and_into_each_larger_sample(name: str) -> None:
    for row in range(200):
        facts = RowFacts(row=row)
        if name != "row":
            setattr(facts, name, secrets.token_bytes(16))
        falls = [in_sample(facts, 7, share=share / 20) for share in range(21)]
        assert falls == sorted(falls) == [in_sample(facts, 7, share=n / 20) for n in range(21)]
        assert (falls[0], falls[-1]) == (False, True)


def test_the_same_file_falls_the_same_way_whether_stated_or_hashed() -> None:
    for row in range(200):
        digest = secrets.token_bytes(16)
        stated = RowFacts(row=row, given_md5=digest, url_key=b"k" * 16)
        at_hand = RowFacts(row=row + 1, md5=digest, sha256=b"s" * 32)
        assert in_sample(stated, 7, share=0.5) == in_sample(at_hand, 7, share=0.5)


def test_lists_draw_their_samples_apart() -> None:
    all_facts = [RowFacts(row=0, md5=secrets.token_bytes(16)) for _ in range(200)]
    one, other = ([in_sample(each, pk, share=0.5) for each in all_facts] for pk in (7, 8))
    assert one != other


def test_matches_outside_the_sample_are_counted_and_the_rest_is_due_when_it_grows(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    list_manager: User,
) -> None:
    load_list("demo", "1", [line for data in drawn for line in (md5_of(data), pdq_of(data))])
    demo = HashList.objects.get()
    seen: set[int] = set()
    for share in (0.0, 0.5, 1.0):
        changing.change(demo, by=list_manager, sample_ratio=share)
        scans = rescan(embedded) if share else [run_scan(embedded)]
        assert len(scans) == 1
        now = progress.of(scans[0])
        flagged = set(Flag.objects.values_list("entry__row", flat=True))
        assert (now.exact, now.near) == (12, 12)
        # An entry falls one way with all its matches.
        outside = 2 * (12 - len(flagged))
        assert now.passed_over == ({"unsampled": outside} if outside else {})
        assert now.on_flags == 2 * len(flagged)
        assert seen <= flagged
        assert rescans.due() == []
        seen = flagged
    assert len(seen) == 12


def test_a_smaller_sample_makes_nothing_due(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    list_manager: User,
) -> None:
    load_list("demo", "1", [md5_of(data) for data in drawn])
    run_scan(embedded)

    changing.change(HashList.objects.get(), by=list_manager, sample_ratio=0.2)

    assert rescans.due() == []
    # Nothing was outside the sample: so nothing is due either when it is as before.
    load_list("demo", "2", [*(md5_of(data) for data in drawn), "md5 " + "ab" * 16])
    rescan(embedded)
    changing.change(HashList.objects.get(), by=list_manager, sample_ratio=None)
    assert rescans.due() == []


def test_of_a_trial_list_nobody_reviews_more_than_the_sample_asks(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    list_manager: User,
) -> None:
    load_list("trial", "1", [md5_of(data) for data in drawn], trust="trial")
    first = run_scan(embedded)
    assert progress.of(first).passed_over == {"unsampled": 12}
    assert not Flag.objects.exists()

    changing.change(HashList.objects.get(), by=list_manager, sample_ratio=1)
    [scan] = rescan(embedded)

    assert scan.reason == Scan.Reason.RULES
    assert Flag.objects.count() == 12
    assert not Entry.objects.filter(quarantined_at__isnull=False).exists()


def test_more_trust_makes_what_was_only_counted_due(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    list_manager: User,
) -> None:
    load_list("trial", "1", [md5_of(drawn[4])], trust="trial")
    run_scan(embedded)

    changing.change(HashList.objects.get(), by=list_manager, trust="trusted")
    rescan(embedded)

    assert Entry.objects.get().quarantined_at is not None


def test_a_rule_that_allows_more_matches_makes_a_list_due(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    list_manager: User,
) -> None:
    load_list("demo", "1", [pdq_of(drawn[4])])
    run_scan(embedded)
    for rule in ({"phash_flags": True}, {"threshold": 40}):
        changing.change(HashList.objects.get(), by=list_manager, **rule)
        assert len(rescans.due()) == 1
        rescan(embedded)
        assert rescans.due() == []
    assert (Coverage.objects.get().phash_flags, Coverage.objects.get().threshold) == (True, 40)


def test_screening_asks_the_same_sample(drawn: list[bytes], load_list: LoadList) -> None:
    load_list("demo", "1", [md5_of(data) for data in drawn])
    HashList.objects.update(sample_ratio=0.5)
    pk = HashList.objects.get().pk
    for data in drawn:
        digest = bytes.fromhex(md5_of(data).split()[1])
        inside = in_sample(RowFacts(row=0, md5=digest), pk, share=0.5)
        verdict, passed = ("exact", {}) if inside else ("none", {"unsampled": 1})
        picture = screening.screen_picture(data)
        value = screening.screen_hash(*md5_of(data).split())
        assert (picture.verdict, picture.passed_over) == (verdict, passed)
        assert (value.verdict, value.passed_over) == (verdict, passed)
