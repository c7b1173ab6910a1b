"""Index files are named by what they hold: one name never stands for two contents. A base and its
change answer as one file, are built once, and are deleted when nobody needs them."""

import gc
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.db.models import F
from numpy.typing import NDArray

from moderation import files, tasks
from moderation.matching.index import IndexCorrupt, KnownIndex, write_index
from moderation.models import HashListVersion
from moderation.scanning import generations, indexes, screening, sweeping

from .conftest import LoadList, md5_of


def test_a_name_stays_and_another_version_has_another(
    load_list: LoadList, drawn: list[bytes]
) -> None:
    load_list("demo", "1", [md5_of(drawn[0])])
    spans = indexes.spans_in_force()
    first = indexes.name_of(spans)
    assert indexes.name_of(reversed(spans)) == first
    load_list("demo", "2", [md5_of(data) for data in drawn[:2]])
    assert indexes.name_of(spans) == first
    assert indexes.name_of(indexes.spans_in_force()) != first


def test_a_number_given_again_after_a_restore_is_another_index(
    load_list: LoadList, drawn: list[bytes]
) -> None:
    """A database restored from before a version gives its number to the next file that comes."""
    load_list("demo", "1", [md5_of(drawn[0])])
    spans = indexes.spans_in_force()
    first = indexes.name_of(spans)
    HashListVersion.objects.update(loaded_at=F("loaded_at") + timedelta(hours=1))
    assert indexes.name_of(spans) != first


def hashes(random: np.random.Generator, count: int) -> dict[str, NDArray[np.uint8]]:
    return {
        algorithm: random.integers(1, 255, (count, width), dtype=np.uint8)
        for algorithm, width in (("md5", 16), ("pdq", 32))
    }


POOL = hashes(np.random.default_rng(0), 60)


def lines_of(pool: dict[str, NDArray[np.uint8]], chosen: Iterable[int]) -> list[str]:
    return [
        f"{name} {values[at].tobytes().hex()}" for name, values in pool.items() for at in chosen
    ]


def met(index: KnownIndex, pool: dict[str, NDArray[np.uint8]]) -> list[tuple[str, int, int, int]]:
    """Return what every value of the pool, and of each PDQ a near one, meets in the index."""
    asked = {"md5": index.exact("md5", pool["md5"])}
    near = pool["pdq"] ^ (np.arange(32, dtype=np.uint8) % 2)  # 16 bits off
    for name, values in (("pdq", pool["pdq"]), ("near", near)):
        asked[name] = index.near("pdq", values, 32)
    found = []
    for name, hits in asked.items():
        assert (np.diff(hits.rows) >= 0).all()
        parts = (hits.rows.tolist(), hits.ids.tolist(), hits.distances.tolist())
        found += [(name, *each) for each in zip(*parts, strict=True)]
    return sorted(found)


@pytest.mark.parametrize("seed", range(4))
def test_a_base_and_its_change_meet_what_one_fresh_file_meets(
    seed: int, load_list: LoadList, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Versions that add, withdraw and bring back, of two lists in turns, from any version on."""
    monkeypatch.setattr(generations, "WHOLE_BELOW", 10)
    monkeypatch.setattr(generations, "SHARE", 3)
    random = np.random.default_rng(seed)
    pool, standing = hashes(random, 60), {"one": set(range(40)), "two": {50}}
    shapes = set()
    for number in range(1, 7):
        for slug, chosen in standing.items():
            load_list(slug, str(number), lines_of(pool, sorted(chosen)))
            changed = random.choice(60, int(random.integers(1, 6)), replace=False).tolist()
            standing[slug] = chosen.symmetric_difference(changed) or {slug == "one"}
        whole = indexes.spans_in_force()
        later = [replace(each, after=int(random.integers(0, number))) for each in whole]
        for spans in (whole, later, later[:1]):
            write_index(tmp_path / "fresh", indexes._parts(spans))
            fresh, index = KnownIndex.open(tmp_path / "fresh"), indexes.open_index(spans)
            assert met(index, pool) == met(fresh, pool)
            assert {k: v for k, v in index.sizes.items() if v} == fresh.sizes
            index.verify()
            shapes.add(len(indexes.names_of(spans)))
    assert met(index, pool)
    assert shapes == {1, 2}


def test_a_small_version_leaves_the_large_file_as_it_is(
    load_list: LoadList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "WHOLE_BELOW", 10)
    pool = hashes(np.random.default_rng(0), 60)
    load_list("demo", "1", lines_of(pool, range(40)))
    [base] = indexes.names_of(indexes.spans_in_force())
    held = indexes.open_index(indexes.spans_in_force())
    before = met(held, pool)
    load_list("demo", "2", lines_of(pool, range(1, 42)))
    names = indexes.names_of(indexes.spans_in_force())
    assert names[0] == base
    assert len(names) == 2
    assert {each[1] for each in met(indexes.open_index(indexes.spans_in_force()), pool)} == set(
        range(1, 42)
    )
    assert met(held, pool) == before  # who opened the earlier one goes on with it
    load_list("demo", "3", lines_of(pool, range(1, 60)))  # too much beside the base
    [merged] = indexes.names_of(indexes.spans_in_force())
    assert merged not in names


@pytest.fixture
def outgrown(load_list: LoadList, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Load a list of 40 of `POOL`, open its file, and load so many more that the list needs
    another: the names of the two, of which only the first is there."""
    monkeypatch.setattr(generations, "WHOLE_BELOW", 10)
    load_list("demo", "1", lines_of(POOL, range(40)))
    indexes.open_index(indexes.spans_in_force())
    [old] = names_here()
    load_list("demo", "2", lines_of(POOL, range(1, 55)))
    [new] = indexes.names_of(indexes.spans_in_force())
    return old, new


def test_nobody_waits_for_a_new_large_file_while_the_old_one_can_go_on(
    outgrown: tuple[str, str],
) -> None:
    old, new = outgrown
    spans = indexes.spans_in_force()
    with other_building(new):
        meanwhile = indexes.open_index(spans)
    assert {each[1] for each in met(meanwhile, POOL)} == set(range(1, 55))
    [change] = names_here() - {old}
    assert change != new

    assert indexes.build_outgrown() == 1
    assert names_here() == {old, change, new}
    settled = indexes.open_index(spans)
    assert met(settled, POOL) == met(meanwhile, POOL)
    assert list(indexes._open)[-1] == new
    assert indexes.build_outgrown() == 0


def test_the_schedule_builds_what_the_lists_have_outgrown(outgrown: tuple[str, str]) -> None:
    tasks.rescan_due()
    assert names_here() == {*outgrown}


def test_a_change_of_more_than_half_is_no_stand_in(
    load_list: LoadList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "WHOLE_BELOW", 10)
    pool = hashes(np.random.default_rng(0), 60)
    load_list("demo", "1", lines_of(pool, range(20)))
    indexes.open_index(indexes.spans_in_force())
    load_list("demo", "2", lines_of(pool, range(60)))
    spans = indexes.spans_in_force()
    indexes.open_index(spans)
    assert indexes.names_of(spans) == [list(indexes._open)[-1]]
    assert indexes.build_outgrown() == 0


def names_here() -> set[str]:
    """The files of this test's folder."""
    return {path.name for path in Path(files.local_path(indexes.location_of("x"))).parent.iterdir()}


@contextmanager
def other_building(name: str) -> Iterator[None]:
    """Hold the lock of a file, as somebody who builds it does."""
    with ThreadPoolExecutor(1) as other:

        def hold() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [indexes.LOCK, name])

        def let_go() -> None:
            connection.close()  # its own, not that of this thread

        other.submit(hold).result()
        try:
            yield
        finally:
            other.submit(let_go).result()


def test_a_damaged_change_is_refused(load_list: LoadList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generations, "WHOLE_BELOW", 10)
    pool = hashes(np.random.default_rng(0), 60)
    for number, chosen in (("1", range(40)), ("2", range(41))):
        load_list("demo", number, lines_of(pool, chosen))
    spans = indexes.spans_in_force()
    indexes.open_index(spans)
    path = Path(files.resolve(indexes.location_of(indexes.names_of(spans)[1]))[1])
    path.write_bytes(path.read_bytes()[:-1])
    indexes._open.clear()
    with pytest.raises(IndexCorrupt, match="cut short"):
        indexes.open_index(spans)


def test_two_that_need_a_file_at_once_build_it_once(
    load_list: LoadList, drawn: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_list("demo", "1", [md5_of(drawn[0])])
    spans, built, both = indexes.spans_in_force(), [], Barrier(2)
    used = indexes._used

    def looked(location: str) -> bool:
        there = used(location)
        both.wait(timeout=60)  # both saw that there is none
        return there

    def slow(*arguments: Any) -> None:
        built.append(1)
        time.sleep(0.5)
        write_index(*arguments)

    monkeypatch.setattr(indexes, "_used", looked)
    monkeypatch.setattr(indexes, "write_index", slow)

    def opened() -> dict[str, int]:
        try:
            return indexes.open_index(spans).sizes
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        answers = [each.result() for each in [pool.submit(opened) for _ in range(2)]]
    assert answers == [{"md5": 1}] * 2
    assert built == [1]


def test_whoever_waits_too_long_for_the_other_builds_too(
    load_list: LoadList, drawn: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_list("demo", "1", [md5_of(drawn[0])])
    spans = indexes.spans_in_force()
    monkeypatch.setattr(indexes, "BUILD_SECONDS", 0.3)
    [name] = indexes.names_of(spans)
    with other_building(name):
        assert indexes.open_index(spans).sizes == {"md5": 1}


class TestSweep:
    """What nobody needs goes, and only that."""

    def aged(self, path: Path) -> None:
        old = time.time() - sweeping.KEEP_SECONDS - 60
        os.utime(path, (old, old))

    def folder(self) -> Path:
        return Path(files.resolve(indexes.location_of("any"))[1]).parent

    def test_what_no_version_needs_is_deleted_and_stays_mapped(
        self, load_list: LoadList, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(generations, "WHOLE_BELOW", 10)
        pool = hashes(np.random.default_rng(0), 60)
        for number, chosen in (("1", range(30)), ("2", range(31)), ("3", range(60))):
            load_list("demo", number, lines_of(pool, chosen))
            held = indexes.open_index(indexes.spans_in_force()) if number == "2" else None
            if held is not None:
                mapped, before = held, met(held, pool)
        indexes.open_index(indexes.spans_in_force())
        assert indexes.build_outgrown() == 1
        assert len(list(self.folder().iterdir())) == 4
        for path in self.folder().iterdir():
            self.aged(path)
        (self.folder() / ".0123.part").write_bytes(b"left by a writer that was killed")
        self.aged(self.folder() / ".0123.part")
        (self.folder() / ".4567.part").write_bytes(b"of one that writes")
        assert sweeping.sweep() == 4
        needed = indexes.names_of(indexes.spans_in_force())
        assert {path.name for path in self.folder().iterdir()} == {*needed, ".4567.part"}
        assert met(mapped, pool) == before

    def test_what_a_scan_of_earlier_versions_opens_is_left(
        self, load_list: LoadList, drawn: list[bytes]
    ) -> None:
        load_list("demo", "1", [md5_of(drawn[0])])
        spans = indexes.spans_in_force()
        indexes.open_index(spans)
        [path] = self.folder().iterdir()
        load_list("demo", "2", [md5_of(drawn[1])])
        self.aged(path)
        indexes.open_index(spans)  # its next shard
        assert sweeping.sweep() == 0
        assert path.exists()
        self.aged(path)
        assert sweeping.sweep() == 1
        assert indexes.open_index(spans).sizes == {"md5": 1}  # built again
        assert path.exists()

    def test_what_screening_needs_is_left(self, load_list: LoadList, drawn: list[bytes]) -> None:
        load_list("trusted", "1", [md5_of(drawn[0])], trust="trusted")
        load_list("tried", "1", [md5_of(drawn[1])], trust="trial")
        screening.screen_hash("md5", "0" * 31 + "1")
        [path] = self.folder().iterdir()
        self.aged(path)
        assert sweeping.sweep() == 0

    def test_one_sweep_is_bounded(
        self, load_list: LoadList, drawn: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        load_list("demo", "1", [md5_of(drawn[0])])
        indexes.open_index(indexes.spans_in_force())
        for number in range(5):
            (self.folder() / f"{number}.index").touch()
            self.aged(self.folder() / f"{number}.index")
        (self.folder() / "notes.txt").touch()
        self.aged(self.folder() / "notes.txt")
        monkeypatch.setattr(sweeping, "AT_ONCE", 3)
        assert [sweeping.sweep() for _ in range(3)] == [3, 2, 0]
        assert (self.folder() / "notes.txt").exists()


def mapped() -> set[str]:
    """The index files that this process has mapped."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {line.split()[-1] for line in lines if line.endswith(".index")}


def test_of_thirty_versions_a_process_keeps_a_few_files(load_list: LoadList) -> None:
    """One that runs for weeks meets many versions; what it looked at last stays mapped."""
    pool = hashes(np.random.default_rng(0), 31)
    before = mapped()
    names = []
    for number in range(1, 31):
        load_list("demo", str(number), lines_of(pool, range(number)))
        spans = indexes.spans_in_force()
        assert indexes.open_index(spans).sizes["pdq"] == number
        names += indexes.names_of(spans)
    assert len(set(names)) == 30
    gc.collect()
    here = {Path(path).name for path in mapped() - before}
    assert here == set(names[-indexes.MOST_OPEN :])
    assert len(list(Path(files.local_path(indexes.location_of("x"))).parent.glob("*.index"))) == 30
