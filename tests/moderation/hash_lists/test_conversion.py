"""The migration to blocks, on a database that holds rows: nothing is lost, ids are kept."""

import hashlib
import secrets
from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from moderation.hash_lists.labels import Kinds, unpack
from moderation.models import HashList, KnownBlock, KnownHash, KnownWithdrawal
from tests.migrating import database_of_its_own, latest, migrate

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = "0009_known_blocks"


@pytest.fixture
def old() -> Iterator[None]:
    """Be in a database of its own, as it was before the values went into blocks."""
    with database_of_its_own():
        migrate(BEFORE)
        yield


def test_rows_become_blocks(old: None) -> None:
    apps = MigrationExecutor(connection).loader.project_state([("moderation", BEFORE)]).apps
    hash_lists = apps.get_model("moderation", "HashList").objects
    versions = apps.get_model("moderation", "HashListVersion").objects
    rows = apps.get_model("moderation", "KnownHash").objects
    told: dict[tuple, list[tuple]] = {}

    def add(version, algorithm, value, removed_in=None, **said):
        row = rows.create(
            hash_list=version.hash_list,
            added_in=version,
            removed_in=removed_in,
            algorithm=algorithm,
            value=value,
            **said,
        )
        labels = [said.get(name, "") for name in ("scheme", "category", "media", "external_id")]
        key = (version.hash_list.slug, algorithm, value)
        removed = removed_in.number if removed_in else None
        told.setdefault(key, []).append((version.number, removed, *labels))
        return row

    first_of = []
    for slug in ("quay", "pier"):
        made = hash_lists.create(slug=slug)
        first, second = (
            versions.create(hash_list=made, number=n, label=str(n), format="csv", checksum="")
            for n in (1, 2)
        )
        first_of.append((first, second))
        for number in range(20):
            said = {"scheme": "iwf", "category": "AB"[number % 2], "external_id": f"r{number}"}
            removed = second if number % 5 == 0 else None
            add(first, "md5", secrets.token_bytes(16), removed, media="image", **said)
            add(second, "netclean", secrets.token_bytes(40).hex().encode(), category="x")
        add(second, "sha256", secrets.token_bytes(32))
    first, second = first_of[0]
    noted = add(first, "pdq", bytes(range(32)), note="checked")
    disabled = add(second, "pdq", bytes(range(1, 33)), disabled_at=timezone.now())
    changed = add(first, "sha1", bytes(range(20)), second, category="A", note="first")
    again = add(second, "sha1", bytes(range(20)), category="B")
    matched = rows.filter(algorithm="md5", removed_in=None).first()
    match_of(apps, matched, first)
    kept = {row.pk: bytes(row.value) for row in (noted, disabled, changed, again, matched)}

    migrate(latest())

    blocks = list(KnownBlock.objects.all())
    assert {row.pk: bytes(row.value) for row in KnownHash.objects.all()} == kept
    assert found_in(blocks) == told
    for row in KnownHash.objects.select_related("block"):
        width = len(row.block.keys) // row.block.count
        assert bytes(row.block.keys)[row.place * width : (row.place + 1) * width] == bytes(
            row.value
        )
    assert KnownHash.objects.get(pk=noted.pk).note == "checked"
    assert KnownHash.objects.get(pk=disabled.pk).disabled_at is not None
    assert apps.get_model("moderation", "Match").objects.get().known_hash_id == matched.pk
    for block in blocks:
        width = len(block.keys) // block.count
        keys = [bytes(block.keys)[at : at + width] for at in range(0, len(block.keys), width)]
        assert keys == sorted(set(keys))
        assert (bytes(block.lowest), bytes(block.highest)) == (keys[0], keys[-1])
    quay = HashList.objects.get(slug="quay")
    assert KnownBlock.objects.standing_counts(quay) == {
        "md5": 16,
        "netclean": 20,
        "sha256": 1,
        "pdq": 2,
        "sha1": 1,
    }


def found_in(blocks: list[KnownBlock]) -> dict[tuple, list[tuple]]:
    """Each value of the blocks: from which version to which, and its labels."""
    found: dict[tuple, list[tuple]] = {}
    for block in blocks:
        removed = {}
        for each in KnownWithdrawal.objects.filter(block=block):
            assert len(each.places) == 4 * each.count
            for at in range(0, len(each.places), 4):
                place = int.from_bytes(bytes(each.places)[at : at + 4], "little")
                removed[place] = each.removed_in.number
        kinds = Kinds()
        labels = unpack(bytes(block.labels), kinds)
        width = len(block.keys) // block.count
        for place in range(block.count):
            value = bytes(block.keys)[place * width : (place + 1) * width]
            if labels.texts is not None:
                text = labels.texts[place].as_py()
                assert hashlib.sha256(text).digest() == value
                value = text
            kind, reference = labels.of(place, kinds)
            key = (block.hash_list.slug, block.algorithm, value)
            version = block.added_in.number
            found.setdefault(key, []).append((version, removed.get(place), *kind, reference))
    return found


def match_of(apps, known, version) -> None:
    def make(model: str, **fields):
        return apps.get_model("moderation", model).objects.create(**fields)

    dataset = make("Dataset", name="pictures")
    revision = make("Revision", dataset=dataset, label="1")
    shard = make(
        "Shard",
        revision=revision,
        number=0,
        form="links_csv",
        location="a.csv",
        rows=9,
        size=9,
        checksum="",
    )
    scan = make("Scan", revision=revision, kind="hash_only", reason="requested")
    entry = make(
        "Entry",
        revision=revision,
        shard=shard,
        row=1,
        sealed=b"",
        outcome="hashed",
        reason="column",
    )
    flag = make("Flag", entry=entry, case=make("Case"))
    make(
        "Match",
        flag=flag,
        known_hash=known,
        version=version,
        scan=scan,
        last_scan=scan,
        algorithm="md5",
        algorithm_version="1",
        distance=0,
        threshold=0,
        variant="plain",
        origin="column",
    )
