"""One file holds the known hashes of all lists: written once, mapped by all, damage told."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moderation.algorithms import ALGORITHMS, MATCHED
from moderation.matching.bands import Bytes, Rows
from moderation.matching.index import Hits, IndexCorrupt, KnownIndex, write_index
from moderation.matching.sections import HEADER, MAGIC
from tests.moderation.matching.scan import brute_force, flipped, random_hashes

Parts = dict[str, tuple[Bytes, Rows]]


def some_parts(size: int, *, seed: int = 0) -> Parts:
    """Return ``size`` random values for every algorithm that is matched, ids far from 0."""
    rng = np.random.default_rng(seed)
    return {
        name: (
            random_hashes(rng, size, ALGORITHMS[name].width or 0),
            rng.permutation(size).astype(np.int64) + 10**12 * (place + 1),
        )
        for place, name in enumerate(MATCHED)
    }


def triples(hits: Hits) -> list[tuple[int, int, int]]:
    parts = (hits.rows, hits.ids, hits.distances)
    assert [str(part.dtype) for part in parts] == ["int64", "int64", "int16"]
    return list(zip(*(part.tolist() for part in parts), strict=True))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "known.index"


@pytest.mark.parametrize("size", [0, 1, 2, 17, 1000])
def test_every_algorithm_finds_its_own(path: Path, size: int) -> None:
    parts = some_parts(size)
    write_index(path, parts)
    index = KnownIndex.open(path)
    index.verify()
    assert index.sizes == dict.fromkeys(MATCHED, size)
    stranger = random_hashes(np.random.default_rng(99), 1, 32)
    for name, (values, ids) in parts.items():
        queries = np.concatenate([values, stranger[:, : values.shape[1]]])[::-1]
        expected = [(size - row, int(known), 0) for row, known in enumerate(ids)][::-1]
        assert triples(index.exact(name, queries)) == expected
    for name in ("pdq", "phash"):
        values, ids = parts[name]
        assert triples(index.near(name, values, 7)) == [
            (row, int(known), 0) for row, known in enumerate(ids)
        ]


def test_nothing_known_at_all(path: Path) -> None:
    write_index(path, {})
    index = KnownIndex.open(path)
    index.verify()
    assert index.sizes == {}
    assert triples(index.exact("md5", np.zeros((3, 16), np.uint8))) == []
    assert triples(index.near("pdq", np.zeros((3, 32), np.uint8), 31)) == []


def test_a_value_of_several_lists_is_reported_with_each_id(path: Path) -> None:
    rng = np.random.default_rng(4)
    digests, hashes = random_hashes(rng, 3, 20), random_hashes(rng, 2, 32)
    write_index(
        path,
        {
            "sha1": (digests[[2, 0, 2, 1, 2]], np.array([9, 5, 3, 8, 7])),
            "pdq": (hashes[[1, 0, 1]], np.array([30, 20, 10])),
        },
    )
    index = KnownIndex.open(path)
    assert index.sizes == {"sha1": 5, "pdq": 3}
    assert triples(index.exact("sha1", digests[[2, 1, 2, 0]])) == [
        *[(0, known, 0) for known in (3, 7, 9)],
        (1, 8, 0),
        *[(2, known, 0) for known in (3, 7, 9)],
        (3, 5, 0),
    ]
    queries = np.array([flipped(rng, hashes[1], 31), flipped(rng, hashes[0], 4)])
    assert triples(index.near("pdq", queries, 31)) == [(0, 10, 31), (0, 30, 31), (1, 20, 4)]
    assert triples(index.exact("pdq", np.concatenate([queries, hashes[:1]]))) == [(2, 20, 0)]


def test_a_stream_that_cannot_seek_gets_the_same_bytes(path: Path) -> None:
    class Upload:
        def __init__(self) -> None:
            self.taken = io.BytesIO()

        def write(self, data: Any, /) -> None:
            self.taken.write(data)

    upload = Upload()
    write_index(upload, some_parts(50))
    write_index(path, some_parts(50))
    assert path.read_bytes() == upload.taken.getvalue()


def test_a_path_is_replaced_as_a_whole_or_not_at_all(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_index(path, some_parts(5))
    before, mapped = path.read_bytes(), KnownIndex.open(path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_index(path, some_parts(6))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o007 == 0

    write_index(path, some_parts(6, seed=1))
    assert KnownIndex.open(path).sizes["md5"] == 6
    values, ids = some_parts(5)["md5"]  # who mapped the old one keeps it whole
    assert mapped.exact("md5", values).ids.tolist() == ids.tolist()


def test_opening_a_million_takes_no_time(path: Path) -> None:
    rng = np.random.default_rng(6)
    values, ids = random_hashes(rng, 1_000_000, 32), np.arange(1_000_000)
    write_index(path, {"pdq": (values, ids), "md5": (values[:, :16], ids)})
    KnownIndex.open(path)  # into the page cache
    took = []
    for _ in range(5):
        begin = time.perf_counter()
        index = KnownIndex.open(path)
        took.append(time.perf_counter() - begin)
    assert min(took) < 0.1
    assert index.near("pdq", values[77:78], 31).ids.tolist() == [77]


LOOK_UP = """
import sys, numpy
from moderation.matching.index import KnownIndex
index = KnownIndex.open(sys.argv[1])
values = numpy.arange(4000 * 32, dtype=numpy.uint32).astype(numpy.uint8).reshape(4000, 32)
print(len(index.near("pdq", values, 31)), flush=True)
sys.stdin.readline()
area = [line for line in open("/proc/self/maps") if sys.argv[1] in line]
print(len(area), all(line.split()[1] == "r--s" for line in area))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_two_processes_map_one_file(path: Path) -> None:
    rng = np.random.default_rng(8)
    write_index(path, {"pdq": (random_hashes(rng, 50_000, 32), np.arange(50_000))})
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", LOOK_UP, str(path)],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    answers = [worker.stdout.readline() for worker in workers if worker.stdout]
    assert answers == ["0\n", "0\n"]
    # both are still there: each has the file itself, read-only and shared, not a copy
    assert [worker.communicate("\n", timeout=60)[0] for worker in workers] == ["1 True\n"] * 2


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


@pytest.fixture
def whole(path: Path) -> bytes:
    write_index(path, some_parts(200))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda data: b"", "is cut short"),
        (lambda data: data[:63], "is cut short"),
        (lambda data: data[:64], "is cut short"),
        (lambda data: data[:-1], "is cut short or has something added"),
        (lambda data: data[: len(data) // 2], "is cut short or has something added"),
        (lambda data: data + b"\n", "is cut short or has something added"),
        (lambda data: data[:5000] + data[6000:], "is cut short or has something added"),
        (lambda data: b"PAR1" * 5000, "is not an index of known hashes"),
        (lambda data: bytes(len(data)), "is not an index of known hashes"),
        (lambda data: HEADER.pack(MAGIC, 1) + data[64:], "has format version 1, this program"),
        (lambda data: damaged(data, len(data) - 100), "is damaged in its table of contents"),
        (lambda data: damaged(data, len(data) - 10), "is damaged in its table of contents"),
    ],
)
def test_a_file_that_is_no_whole_index_is_refused(
    path: Path, whole: bytes, spoil: Any, says: str
) -> None:
    path.write_bytes(spoil(whole))
    with pytest.raises(IndexCorrupt) as refused:
        KnownIndex.open(path)
    assert str(refused.value).startswith(f"known.index {says}")
    assert str(refused.value).endswith("; build the index again")
    assert "\n" not in str(refused.value)


def test_verify_finds_any_changed_byte_of_an_array(path: Path, whole: bytes) -> None:
    """Opening cannot see a changed hash; ``verify`` says where it lies."""
    values, _ = some_parts(200)["pdq"]
    at = whole.index(values[100].tobytes())
    path.write_bytes(damaged(whole, at))
    index = KnownIndex.open(path)
    with pytest.raises(IndexCorrupt, match=r"known\.index is damaged in pdq/words; build"):
        index.verify()


def test_damaged_offsets_never_lead_outside(path: Path, whole: bytes) -> None:
    """Bytes changed anywhere: an error or an answer, never a crash of the worker."""
    rng = np.random.default_rng(0)
    parts = some_parts(200)
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        at = int(rng.integers(64, len(data) - 4096)) & ~63
        data[at : at + 4096] = rng.bytes(4096)
        path.write_bytes(data)
        try:
            index = KnownIndex.open(path)
            for name, (values, _) in parts.items():
                index.exact(name, values)
            index.near("pdq", parts["pdq"][0], 47)
            index.near("phash", parts["phash"][0], 15)
        except IndexCorrupt:
            refused += 1
    assert refused


def test_a_missing_file_is_said_to_be_missing(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        KnownIndex.open(path)


@pytest.mark.parametrize(
    ("algorithm", "shape", "says"),
    [
        ("md5", (2, 20), "md5 values must be rows of 16 bytes"),
        ("pdq", (2, 31), "pdq values must be rows of 32 bytes"),
        ("pdq", (32,), "pdq values must be rows of 32 bytes"),
        ("photodna", (2, 144), "photodna is not an algorithm that is matched"),
        ("crc32", (2, 4), "crc32 is not an algorithm that is matched"),
    ],
)
def test_values_that_cannot_be_right_are_refused(
    path: Path, algorithm: str, shape: tuple[int, ...], says: str
) -> None:
    values = np.ones(shape, np.uint8)
    with pytest.raises(ValueError, match=says):
        write_index(path, {"sha1": some_parts(1)["sha1"], algorithm: (values, np.arange(2))})
    assert not path.exists()
    write_index(path, some_parts(2))
    with pytest.raises(ValueError, match=says):
        KnownIndex.open(path).exact(algorithm, values)


def test_ids_must_fit(path: Path) -> None:
    values, ids = some_parts(3)["md5"]
    with pytest.raises(ValueError, match="md5: 3 values need as many int64 ids"):
        write_index(path, {"md5": (values, ids[:2])})
    with pytest.raises(ValueError, match="md5: 3 values need as many int64 ids"):
        write_index(path, {"md5": (values, ids.astype(np.float64))})


@pytest.mark.parametrize("size", [0, 2])
def test_near_refuses_what_it_cannot_answer(path: Path, size: int) -> None:
    """Also where nothing is known, so that a wrong setting shows before the first list."""
    write_index(path, some_parts(size))
    index = KnownIndex.open(path)
    with pytest.raises(ValueError, match="threshold 48 is outside 0 to 47"):
        index.near("pdq", np.zeros((1, 32), np.uint8), 48)
    with pytest.raises(ValueError, match="threshold 16 is outside 0 to 15"):
        index.near("phash", np.zeros((1, 8), np.uint8), 16)
    with pytest.raises(ValueError, match="md5 is a digest"):
        index.near("md5", np.zeros((1, 16), np.uint8), 0)


def test_near_is_exact_on_both_sides_of_what_wide_bands_answer(path: Path) -> None:
    rng = np.random.default_rng(12)
    hashes = random_hashes(rng, 300, 32)
    write_index(path, {"pdq": (hashes, np.arange(300))})
    index = KnownIndex.open(path)
    queries = np.array([flipped(rng, hashes[n % 300], 28 + n % 20) for n in range(600)])
    for threshold in range(48):
        expected = brute_force(hashes, queries, threshold)
        assert triples(index.near("pdq", queries, threshold)) == expected
    assert len(expected) >= 600
