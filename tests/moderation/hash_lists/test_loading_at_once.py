"""Two loads of one list at the same time: one after the other, and both right."""

import io
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connection

from moderation.hash_lists.loading import Loaded, load
from moderation.models import HashList, HashListVersion

from .files import plain
from .rows import standing, versions

pytestmark = pytest.mark.django_db(transaction=True)


def loading(seeds: range, label: str, *, started: Event | None = None, wait: Event | None = None):
    def paused(position: int) -> None:
        if started is not None and wait is not None:
            started.set()
            assert wait.wait(20)

    try:
        return load(
            io.BytesIO(plain(seeds).encode()),
            slug="demo",
            label=label,
            format="plain",
            algorithm="md5",
            progress=paused,
        )
    finally:
        connection.close()


def test_the_second_waits_for_the_first_also_on_a_new_list():
    inside, go_on = Event(), Event()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(loading, range(10), "1", started=inside, wait=go_on)
        assert inside.wait(20)
        second = pool.submit(loading, range(5, 15), "2")
        with pytest.raises(TimeoutError):
            second.result(timeout=0.5)
        go_on.set()
        results: list[Loaded] = [first.result(20), second.result(20)]
    assert [(r.new, r.same, r.removed) for r in results] == [(10, 0, 0), (5, 5, 5)]
    assert versions("demo") == [(1, "1"), (2, "2")]
    assert len(standing("demo")) == 10
    assert HashList.objects.get().current == HashListVersion.objects.get(number=2)


def test_the_same_file_twice_at_once_is_one_version():
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(loading, [range(10)] * 2, ["1"] * 2))
    assert sorted(result.repeated for result in results) == [False, True]
    assert versions("demo") == [(1, "1")]
