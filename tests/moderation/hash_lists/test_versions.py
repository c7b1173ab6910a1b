"""Any sequence of versions against a naive model of it: dictionaries, one value at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moderation.hash_lists import blocks, difference, known_rows, staging
from moderation.hash_lists.difference import Difference
from moderation.hash_lists.known import Item, Known, Values
from moderation.hash_lists.schemes import severity
from moderation.models import HashList, HashListVersion, KnownBlock, KnownHash
from moderation.models.known_block import number_of

from .files import one_by_one, value
from .rows import in_version, values

pytestmark = pytest.mark.django_db

Key = tuple[str, bytes]
Said = tuple[str, str, str, str]  # scheme, category, media, reference


@dataclass(frozen=True)
class Version:
    items: list[Item]
    delta: bool
    said: list[int]  # which of the standing values get a row after it, by their place


@dataclass
class Model:
    """What stands, what stood in each version, and which values have rows, one with a note."""

    standing: dict[Key, Said] = field(default_factory=dict)
    history: list[dict[Key, Said]] = field(default_factory=list)
    rows: set[Key] = field(default_factory=set)
    notes: dict[Key, str] = field(default_factory=dict)

    def load(self, version: Version) -> Difference:
        entries, deleted = settled(version.items)
        before = dict(self.standing)
        named: dict[Key, tuple[int, int, Said]] = {}
        for place, each in enumerate(entries):
            key = (each.algorithm, each.value)
            said = (each.scheme, each.category, each.media, each.external_id)
            rank = (severity(each.scheme, each.category), place, said)
            named[key] = min(named.get(key, rank), rank)
        gone = set(before) - set(named)
        if version.delta:
            taken = {(each.algorithm, each.value) for each in deleted}
            references = {each.external_id for each in deleted}
            references |= {said[3] for _, _, said in named.values()}
            gone = {key for key in gone if key in taken or before[key][3] in references - {""}}
        changed = {key for key in set(named) & set(before) if named[key][2][:2] != before[key][:2]}
        for key in gone:
            del self.standing[key]
            self.notes.pop(key, None)
        self.standing |= {key: said for key, (_, _, said) in named.items()}
        self.history.append(dict(self.standing))
        return Difference(
            new=len(set(named) - set(before)),
            same=len((set(named) & set(before)) - changed),
            changed=len(changed),
            removed=len(gone),
            standing=len(before),
        )


def settled(items: list[Item]) -> tuple[list[Known], list[Known]]:
    known: list[Known] = []
    for each in items:
        if isinstance(each, Values):
            known += one_by_one(each)
        elif isinstance(each, Known):
            known.append(each)
    entries = [each for each in known if not each.deleted]
    deleted = [each for each in known if each.deleted]
    for name in (lambda each: each.external_id, lambda each: each.value and each[:2]):
        deleted = [
            d
            for d in deleted
            if not any(name(d) and name(d) == name(s) and s.stamp > d.stamp for s in entries)
        ]
        entries = [s for s in entries if not any(name(d) and name(d) == name(s) for d in deleted)]
    return entries, deleted


def value_of(algorithm: str, seed: int) -> bytes:
    if algorithm == "netclean":
        return f"text {seed}".encode()
    drawn = value(algorithm, seed)
    return drawn[:-2] + b"\0\0" if seed % 3 == 0 else drawn  # zeros at the end are part of it


known_items = st.builds(
    lambda algorithm, seed, grade, media, reference, deleted, stamp: Known(
        algorithm,
        value_of(algorithm, seed),
        grade[0],
        grade[1],
        reference,
        deleted,
        media,
        stamp,
    ),
    st.sampled_from(["md5", "phash", "netclean"]),
    st.integers(0, 11),
    st.sampled_from([("", ""), ("iwf", "A"), ("iwf", "C"), ("own", "x")]),
    st.sampled_from(["", "image"]),
    st.sampled_from(["", "r1", "r2", "r3"]),
    st.sampled_from([False, False, False, True]),
    st.integers(0, 2),
)
many_values = st.builds(
    lambda seeds: Values("md5", b"".join(value_of("md5", seed) for seed in seeds)),
    st.lists(st.integers(0, 11), min_size=1, max_size=8),
)
every_version = st.builds(
    Version,
    st.lists(st.one_of(known_items, known_items, many_values), max_size=14),
    st.booleans(),
    st.lists(st.integers(0, 11), max_size=2),
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MOST", 3)
    monkeypatch.setattr(blocks, "AT_ONCE", 7)
    monkeypatch.setattr(staging, "BATCH", 5)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(every_version, min_size=1, max_size=5))
def test_versions_say_what_the_model_says(versions: list[Version]) -> None:
    hash_list = HashList.objects.create(slug=f"list-{HashList.objects.count()}")
    model = Model()
    for number, each in enumerate(versions, start=1):
        version = HashListVersion.objects.create(
            hash_list=hash_list, number=number, label=str(number), format="plain", checksum=""
        )
        staged = staging.stage(each.items, progress=lambda: None)
        assert difference.apply(staged, version, delta=each.delta) == model.load(each)
        assert standing(hash_list) == model.standing
        check_rows(hash_list, model)
        say(hash_list, model, each.said)
    for version, stood in zip(hash_list.versions.order_by("number"), model.history, strict=True):
        assert {(row.algorithm, bytes(row.value)) for row in in_version(version)} == set(stood)
        assert keys_in(hash_list, version.number) == {
            (algorithm, drawn) for algorithm, drawn in stood if algorithm != "netclean"
        }
    counts = KnownBlock.objects.standing_counts(hash_list)
    assert sum(counts.values()) == len(model.standing)
    for algorithm, drawn in model.standing:
        number = known_rows.find(algorithm, drawn, hash_list=hash_list)[-1]
        found = known_rows.look_up([number])[number]
        assert (bytes(found.value), found.removed_in_id) == (drawn, None)


def standing(hash_list: HashList) -> dict[Key, Said]:
    return {
        (row.algorithm, bytes(row.value)): (row.scheme, row.category, row.media, row.external_id)
        for row in values(hash_list.slug)
        if row.removed_in_id is None
    }


def check_rows(hash_list: HashList, model: Model) -> None:
    """Rows alone tell which of the values that ever had one still stand, and what is said there."""
    rows = KnownHash.objects.filter(hash_list=hash_list)
    assert {(row.algorithm, bytes(row.value)) for row in rows} == model.rows
    stand = {(row.algorithm, bytes(row.value)): row for row in rows.filter(removed_in=None)}
    assert set(stand) == model.rows & set(model.standing)
    for key, row in stand.items():
        said = (row.scheme, row.category, row.media, row.external_id)
        assert (said, row.note) == (model.standing[key], model.notes.get(key, ""))


def say(hash_list: HashList, model: Model, places: list[int]) -> None:
    keys = sorted(model.standing)
    for key in {keys[place % len(keys)] for place in places if keys}:
        number = known_rows.find(*key, hash_list=hash_list)[-1]
        with transaction.atomic():
            row = known_rows.materialise([number])[number]
            assert known_rows.materialise([number])[number] == row
        row.note = model.notes[key] = f"note {row.pk}"
        row.save()
        model.rows.add(key)


def keys_in(hash_list: HashList, number: int) -> set[Key]:
    of = KnownBlock.objects.filter(hash_list=hash_list, added_in__number__lte=number)
    return set(_keys(blocks.read(of.exclude(algorithm="netclean"), upto=number)))


def _keys(found: Iterator[blocks.Block]) -> Iterator[Key]:
    for block in found:
        for place in np.flatnonzero(block.stands).tolist():
            yield block.algorithm, block.keys[place : place + 1].tobytes()
    assert number_of(1, 0) == 1 << 16
