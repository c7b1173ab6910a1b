"""A value becomes a row when something is said of it: once, whoever asks, whatever is loaded."""

import io
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import DatabaseError, connection, transaction

from moderation.hash_lists import known_rows
from moderation.hash_lists.loading import load
from moderation.hash_lists.withdrawals import withdrawn_hashes
from moderation.models import HashList, HashListVersion, KnownBlock, KnownHash, KnownWithdrawal

from .files import plain, table, value
from .rows import standing

pytestmark = pytest.mark.django_db(transaction=True)


def loaded(text: str, label: str, format: str = "csv", **options):
    return load(io.BytesIO(text.encode()), slug="demo", label=label, format=format, **options)


def number(algorithm: str, seed: int) -> int:
    hash_list = HashList.objects.get(slug="demo")
    return known_rows.find(algorithm, value(algorithm, seed), hash_list=hash_list)[-1]


def made(*numbers: int) -> dict[int, KnownHash]:
    with transaction.atomic():
        return known_rows.materialise(numbers)


def test_a_row_says_what_the_file_said_and_is_made_once():
    loaded(table([(1, "A"), (2, "B")]), "1")
    at = number("md5", 2)
    unsaid = known_rows.look_up([at])[at]
    assert (unsaid.pk, KnownHash.objects.count()) == (None, 0)
    row = made(at)[at]
    assert (row.algorithm, bytes(row.value)) == ("md5", value("md5", 2))
    assert (row.scheme, row.category, row.media, row.external_id) == ("iwf", "B", "image", "ref-2")
    assert (row.added_in.label, row.removed_in, row.note) == ("1", None, "")
    assert made(at)[at] == known_rows.look_up([at])[at] == row
    assert KnownHash.objects.count() == 1


def test_numbers_of_nothing_are_left_out():
    assert known_rows.look_up([5, 1 << 40]) == {}
    assert made(5) == {}


def test_many_at_once_make_one_row():
    loaded(plain(range(50)), "1", "plain", algorithm="md5")
    numbers = [number("md5", seed) for seed in range(50)]

    def make(_: int) -> dict[int, int]:
        try:
            return {at: row.pk for at, row in made(*numbers).items()}
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(make, range(4)))
    assert all(result == results[0] for result in results)
    assert KnownHash.objects.count() == 50


def test_a_row_made_while_the_value_is_withdrawn_says_so():
    """Whoever has found a match waits for the load, and then sees what it withdrew."""
    loaded(table([(1, "A"), (2, "A"), (3, "A")]), "1")
    numbers = [number("md5", seed) for seed in (1, 2)]
    inside = Event()

    def making() -> dict[int, KnownHash]:
        try:
            assert inside.wait(20)
            return made(*numbers)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        waiting = pool.submit(making)
        loaded(table([(2, "B"), (3, "A")]), "2")  # withdraws one and changes the other
        inside.set()
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.5)
    assert waiting.result(20).keys() == set(numbers)
    second = HashListVersion.objects.get(number=2)
    assert set(KnownHash.objects.filter(removed_in=second).values_list("category", flat=True)) == {
        "A"
    }
    # The changed value stands under its new category, so it is not withdrawn.
    assert [bytes(row.value) for row in withdrawn_hashes(second)] == [value("md5", 1)]
    assert KnownHash.objects.get(removed_in=None).category == "B"


def test_a_value_with_a_row_has_one_again_when_it_comes_back():
    loaded(plain([1, 2]), "1", "plain", algorithm="md5")
    at = number("md5", 1)
    made(at)
    loaded(plain([2]), "2", "plain", algorithm="md5")
    assert withdrawn_hashes(HashListVersion.objects.get(number=2)).count() == 1
    loaded(plain([1, 2]), "3", "plain", algorithm="md5")
    assert withdrawn_hashes(HashListVersion.objects.get(number=2)).count() == 0
    assert [row.added_in.label for row in KnownHash.objects.order_by("pk")] == ["1", "3"]


def test_the_database_refuses_to_change_what_a_version_said():
    loaded(plain(range(3)), "1", "plain", algorithm="md5")
    loaded(plain(range(2)), "2", "plain", algorithm="md5")
    before = standing("demo")
    for refused in (
        lambda: KnownBlock.objects.update(keys=b"\x01" * 48),
        lambda: KnownBlock.objects.update(count=2),
        lambda: KnownBlock.objects.update(hash_list=HashList.objects.create(slug="other")),
        lambda: KnownBlock.objects.all()._raw_delete("default"),
        lambda: KnownWithdrawal.objects.update(places=b""),
        lambda: KnownWithdrawal.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
            refused()
    assert standing("demo") == before


def test_a_load_that_is_killed_leaves_nothing(monkeypatch):
    """The connection goes while the blocks are written; the next load starts from what stood."""
    loaded(plain(range(10)), "1", "plain", algorithm="md5")
    made(number("md5", 1))
    before = standing("demo")

    def cut(*arguments: object, **named: object) -> None:
        connection.connection.close()
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("moderation.hash_lists.difference._follow", cut)
        with pytest.raises(Exception, match=r"killed|closed"):
            loaded(plain(range(5, 20)), "2", "plain", algorithm="md5")
    connection.close()
    assert standing("demo") == before
    assert KnownWithdrawal.objects.count() == 0
    result = loaded(plain(range(5, 20)), "2", "plain", algorithm="md5")
    assert (result.new, result.same, result.removed) == (10, 5, 5)
    assert KnownHash.objects.get().removed_in.label == "2"


def test_two_lists_load_at_the_same_time():
    def loading(slug: str) -> int:
        try:
            file = io.BytesIO(plain(f"{slug} {seed}" for seed in range(5_000)).encode())
            return load(file, slug=slug, label="1", format="plain", algorithm="md5").new
        finally:
            connection.close()

    slugs = [f"list-{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(loading, slugs)) == [5_000] * 4
    for slug in slugs:
        hash_list = HashList.objects.get(slug=slug)
        assert KnownBlock.objects.standing_counts(hash_list) == {"md5": 5_000}
        assert known_rows.find("md5", value("md5", f"{slug} 17"), hash_list=hash_list)
