"""Which pictures of a first scan are decoded in full: those that an exact hash may bring near."""

from typing import Any

import numpy as np
import pytest

from moderation.datasets import ledger
from moderation.media import hashing
from moderation.media.decode import PictureError
from moderation.media.hashing import PictureHashes, hash_picture
from moderation.models import HashList, Match, Preview, Revision, Scan
from moderation.scanning import examining, indexes
from moderation.scanning.columns import Column
from moderation.scanning.matcher import Matcher

from .conftest import LoadList, RunScan, md5_of, pdq_of

NOT_THERE = "md5 " + "7" * 32


@pytest.fixture
def in_full(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The pictures that a scan decoded in full after all."""
    verified: list[bytes] = []

    def noted(data: bytes, *, exact: bool = False) -> PictureHashes:
        if exact:
            verified.append(data)
        return hash_picture(data, exact=exact)

    monkeypatch.setattr(examining, "hash_picture", noted)
    return verified


def random_phashes(count: int) -> list[str]:
    values = np.random.default_rng(8).integers(1, 255, (count, 8), dtype=np.uint8)
    return [f"phash {value.tobytes().hex()}" for value in values]


def test_phashes_that_may_not_flag_make_no_full_decode(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    in_full: list[bytes],
) -> None:
    """So many that some pictures have one within 15 bits."""
    load_list("pairs", "1", [*random_phashes(50_000), pdq_of(drawn[3])])
    run_scan(embedded)
    assert in_full == [drawn[3]]
    assert stored(embedded, "approximate") == [row != 3 for row in range(12)]
    assert [match.flag.entry.row for match in Match.objects.all()] == [3]


def test_a_list_whose_phashes_flag_finds_by_the_hash_of_the_full_decode(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    in_full: list[bytes],
) -> None:
    value = bytearray(hash_picture(drawn[5], exact=True).phash)
    value[0] ^= 0xFF  # 8 bits, the most that counts
    load_list("pairs", "1", [f"phash {value.hex()}"])
    HashList.objects.update(phash_flags=True)
    run_scan(embedded)
    assert in_full == [drawn[5]]
    match = Match.objects.get()
    assert (match.algorithm, match.distance, match.approximate) == ("phash", 8, False)


def flipped(value: bytes, bits: int) -> bytes:
    mask = np.zeros(len(value) * 8, np.uint8)
    mask[np.random.default_rng(bits).permutation(mask.size)[:bits]] = 1
    return (np.frombuffer(value, np.uint8) ^ np.packbits(mask)).tobytes()


@pytest.fixture
def matcher(load_list: LoadList) -> Matcher:
    load_list("near", "1", ["pdq " + "5a" * 32])
    return Matcher(indexes.spans_in_force())


def asked(values: list[bytes], **marks: Any) -> Column:
    packed = np.frombuffer(b"".join(values), np.uint8).reshape(-1, 32)
    marks = {name: np.array(mark) for name, mark in marks.items()}
    return Column("pdq", "plain", "embedded", packed, np.arange(len(values)), **marks)


@pytest.mark.parametrize("threshold", [20, 31, 40, 44, 47])
@pytest.mark.parametrize("slack", [0, 1, 3, 7, 8, 12, 30])
def test_no_slack_is_cut_whatever_a_list_counts_as_near(
    matcher: Matcher, threshold: int, slack: int
) -> None:
    """Who would open too many buckets is decoded in full."""
    HashList.objects.update(threshold=threshold)
    matcher = Matcher(indexes.spans_in_force())
    values = [flipped(b"\x5a" * 32, bits) for bits in range(80)]
    found = matcher.quick([asked(values, slack=[slack] * 80)])
    far = 80 if threshold + slack > 57 else threshold + slack + 1
    assert found == set(range(far))


def test_each_value_is_asked_as_far_as_it_needs(matcher: Matcher) -> None:
    values = [flipped(b"\x5a" * 32, 36)] * 4
    found = matcher.quick([asked(values, slack=[4, 5, 6, 0])])
    assert found == {1, 2}


def test_of_little_structure_a_smaller_distance_is_asked(matcher: Matcher) -> None:
    values = [flipped(b"\x5a" * 32, bits) for bits in (8, 9, 13, 14, 14)]
    low = [True, True, True, True, False]
    assert matcher.quick([asked(values, low_quality=low)]) == {0, 4}
    assert matcher.quick([asked(values, low_quality=low, slack=[5] * 5)]) == {0, 1, 2, 4}


@pytest.mark.parametrize("threshold", [40, 47])
def test_a_wide_list_finds_what_the_full_decode_finds(
    embedded: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan, threshold: int
) -> None:
    exact = hash_picture(drawn[5], exact=True).pdq
    quick = hash_picture(drawn[5]).pdq
    # As far from the exact hash as the list allows, and where they differ farther from the quick.
    differing = np.unpackbits(np.frombuffer(exact, np.uint8) ^ np.frombuffer(quick, np.uint8))
    bits = np.zeros(256, np.uint8)
    bits[np.flatnonzero(differing == 0)[:threshold]] = 1
    known = (np.frombuffer(exact, np.uint8) ^ np.packbits(bits)).tobytes()
    load_list("near", "1", ["pdq " + known.hex()])
    HashList.objects.update(threshold=threshold)
    run_scan(embedded)
    match = Match.objects.get(flag__entry__row=5)
    assert (match.distance, match.threshold, match.approximate) == (threshold, threshold, False)


def stored(revision: Revision, name: str) -> list[Any]:
    place = revision.shards.get().ledger
    return [value for batch in ledger.read(place, [name]) for value in batch[name].to_pylist()]


def test_a_picture_of_which_only_the_small_copy_decodes_has_no_previews_and_stops_no_scan(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decode = hashing.decode

    def refused(data: bytes, **options: Any) -> Any:
        if data == drawn[5]:
            raise PictureError("undecodable")
        return decode(data, **options)

    load_list("near", "1", [md5_of(drawn[5]), pdq_of(drawn[7])])
    monkeypatch.setattr("moderation.media.hashing.decode", refused)
    monkeypatch.setattr("moderation.media.preview.decode", refused)

    scan = run_scan(embedded)

    assert scan.state == Scan.State.FINISHED
    assert set(Match.objects.values_list("flag__entry__row", "algorithm")) == {
        (5, "md5"),
        (7, "pdq"),
    }
    assert set(Preview.objects.values_list("entry__row", flat=True)) == {7}
    assert stored(embedded, "reason") == ["embedded"] * 12
    assert stored(embedded, "approximate") == [row != 7 for row in range(12)]
