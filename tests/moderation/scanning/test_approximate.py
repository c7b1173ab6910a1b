"""JPEGs are hashed from a quick decode; what may be known is decoded in full before it matches."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from moderation.datasets import ledger
from moderation.datasets.registering import register
from moderation.media.hashing import PictureHashes, hash_picture
from moderation.models import HashList, Match, Revision
from moderation.scanning import fetching
from sample.server import PictureServer
from tests import pictures

from .conftest import LoadList, RunScan, pdq_of, rescan

NOT_THERE = "md5 " + "7" * 32


def distance(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def hashed_both_ways(data: bytes) -> tuple[PictureHashes, PictureHashes]:
    return hash_picture(data), hash_picture(data, exact=True)


@pytest.fixture(scope="module")
def known() -> bytes:
    return pictures.encoded(pictures.picture(2, side=600), quality=95)


@pytest.fixture(scope="module")
def copy(known: bytes) -> bytes:
    """A copy of ``known`` that its quick hash shows farther away than its exact one."""
    value = hash_picture(known, exact=True).pdq
    for side in count(500, 3):
        image = pictures.picture(2, side=600).resize((side, side))
        data = pictures.encoded(image, quality=20)
        quick, exact = hashed_both_ways(data)
        if distance(quick.pdq, value) > distance(exact.pdq, value):
            return data
    raise AssertionError


@pytest.fixture
def carried(copy: bytes, tmp_path: Path, transactional_db: None) -> Revision:
    """One shard: another picture, and the copy."""
    other = pictures.encoded(pictures.picture(9, side=600))
    path = pictures.embedded(tmp_path / "train-00000-of-00001.parquet", [other, copy])
    return register([str(path)], dataset="harbour", revision="v1", by=None).revision


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PictureServer]:
    (tmp_path / "pictures").mkdir()
    with PictureServer(tmp_path) as running:
        yield running


@pytest.fixture
def linked(
    copy: bytes, tmp_path: Path, server: PictureServer, settings: Settings, transactional_db: None
) -> Revision:
    """One shard of one link, to the copy."""
    settings.FETCH_ALLOW_ADDRESSES = [f"127.0.0.1:{server.port}"]
    (tmp_path / "pictures" / "0.jpg").write_bytes(copy)
    base = server.base_url  # and the name of the file stands before the number
    path = pictures.links(tmp_path / "pictures.parquet", [copy], md5=False, base=base)
    fetching.switch_on(
        basis="test", officer="T. Ester", until=timezone.now() + timedelta(days=1), by=None
    )
    return register([str(path)], dataset="quay", revision="v1", by=None).revision


def stored(revision: Revision, name: str) -> list[Any]:
    place = revision.shards.get().ledger
    return [value for batch in ledger.read(place, [name]) for value in batch[name].to_pylist()]


def test_a_candidate_is_decoded_in_full_and_found_by_its_exact_distance(
    carried: Revision, known: bytes, copy: bytes, load_list: LoadList, run_scan: RunScan
) -> None:
    exact = hash_picture(copy, exact=True)
    apart = distance(exact.pdq, hash_picture(known, exact=True).pdq)
    load_list("near", "1", [pdq_of(known)])
    HashList.objects.update(threshold=apart)  # which the quick hash does not meet

    run_scan(carried)

    match = Match.objects.get()
    assert (match.flag.entry.row, match.distance, match.approximate) == (1, apart, False)
    assert stored(carried, "approximate") == [True, False]
    assert stored(carried, "pdq")[1] == exact.pdq


def test_a_rescan_compares_what_is_stored_and_says_so(
    carried: Revision, known: bytes, copy: bytes, load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("near", "1", [NOT_THERE])
    run_scan(carried)
    assert stored(carried, "approximate") == [True, True]
    load_list("near", "2", [NOT_THERE, pdq_of(known)])

    rescan(carried)

    match = Match.objects.get()
    apart = distance(hash_picture(copy).pdq, hash_picture(known, exact=True).pdq)
    assert (match.flag.entry.row, match.distance, match.approximate) == (1, apart, True)


def test_in_full_every_stored_hash_is_exact(
    carried: Revision, copy: bytes, load_list: LoadList, run_scan: RunScan, settings: Settings
) -> None:
    settings.SCAN_IN_FULL = True
    load_list("near", "1", [NOT_THERE])
    run_scan(carried)
    assert stored(carried, "approximate") == [False, False]
    assert stored(carried, "pdq")[1] == hash_picture(copy, exact=True).pdq


def test_what_was_fetched_is_fetched_again_only_to_be_decoded_in_full(
    linked: Revision,
    server: PictureServer,
    load_list: LoadList,
    run_scan: RunScan,
    settings: Settings,
) -> None:
    load_list("near", "1", [NOT_THERE])
    run_scan(linked, fetch=True)
    assert (stored(linked, "approximate"), len(server.requests)) == ([True], 1)
    run_scan(linked, fetch=True)
    assert (stored(linked, "approximate"), len(server.requests)) == ([True], 1)
    settings.SCAN_IN_FULL = True
    run_scan(linked, fetch=True)
    assert (stored(linked, "approximate"), len(server.requests)) == ([False], 2)
    run_scan(linked, fetch=True)
    assert (stored(linked, "approximate"), len(server.requests)) == ([False], 2)
