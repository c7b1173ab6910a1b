"""Every form is known for what it is, and its rows come back in order and whole."""

import hashlib
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from moderation.datasets import readers
from moderation.datasets.readers import Batch, DatasetError, detect, open_shard
from tests.moderation.datasets import shards
from tests.moderation.datasets.shards import Made

EMPTY_MD5 = hashlib.md5(b"").hexdigest()


@pytest.fixture(params=shards.MAKERS, ids=lambda maker: maker.__name__)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    maker: Callable[[Path], Made] = request.param
    return maker(tmp_path)


def opened(made: Made) -> readers.ShardReader:
    detected = detect([str(made.root)], made.mapping)
    return open_shard(detected.form, detected.shards[0].location, detected.columns)


def joined(batches: list[Batch], name: str) -> list[Any]:
    return [value for batch in batches for value in getattr(batch, name)]


def test_a_folder_is_known_for_its_form(made: Made) -> None:
    detected = detect([str(made.root)])
    assert detected.form == made.form
    assert detected.shards == [readers.ShardSource(str(made.location), made.form)]


def test_columns_once_found_may_be_given_back_as_a_mapping(made: Made) -> None:
    for mapping in ({}, {"reencoded": "no"}):
        detected = detect([str(made.root)], mapping)
        assert detect([str(made.root)], detected.columns) == detected


def test_rows_come_back_in_order_and_whole(made: Made) -> None:
    reader = opened(made)
    assert reader.rows() == made.rows
    for size in (1, 7, 4096):
        batches = list(reader.batches(size))
        starts = [batch.start for batch in batches]
        lengths = [len(batch) for batch in batches]
        assert starts == [sum(lengths[:n]) for n in range(len(lengths))]
        assert max(lengths) <= size
        assert joined(batches, "urls") == made.urls
        assert joined(batches, "row_keys") == made.keys
        if made.pictures is None:
            assert all(batch.pictures is None for batch in batches)
        else:
            assert joined(batches, "pictures") == made.pictures
        if made.sha256 is not None:
            assert [v for b in batches for v in b.given["sha256"].to_pylist()] == made.sha256


@pytest.mark.parametrize("start", [0, 1, 8, 13, 17, 100])
def test_reading_may_begin_in_the_middle(made: Made, start: int) -> None:
    reader = opened(made)
    batches = list(reader.batches(5, start=start))
    assert joined(batches, "urls") == made.urls[start:]
    if batches:
        assert batches[0].start == start
        if made.pictures is not None:
            assert joined(batches, "pictures") == made.pictures[start:]


def test_pictures_are_not_read_unless_asked_for(made: Made) -> None:
    batches = list(opened(made).batches(pictures=False))
    assert all(batch.pictures is None for batch in batches)
    assert sum(len(batch) for batch in batches) == made.rows


@pytest.mark.parametrize("made", shards.WITH_PICTURES, indirect=True)
def test_a_batch_of_large_pictures_is_small(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("img2dataset", "parquet"):
        monkeypatch.setattr(f"moderation.datasets.readers.{module}.BATCH_BYTES", 4000)
    batches = list(opened(made).batches())
    assert joined(batches, "pictures") == made.pictures
    assert len(batches) > made.rows // 5
    assert all(sum(len(p or b"") for p in batch.pictures or []) <= 4000 for batch in batches)


def test_a_shard_knows_its_size_and_notices_a_change(made: Made) -> None:
    reader = opened(made)
    names = [f"{made.location.name}"]
    before = reader.checksum()
    assert reader.checksum() == before
    assert len(before) == 64
    for name, location in reader.members():
        assert str(made.root / name) == location
        names.append(name)
        path = Path(location)
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert reader.checksum() != before
        path.write_bytes(data)
    assert reader.checksum() == before
    assert reader.size() == sum(os.path.getsize(location) for _, location in reader.members())


def test_one_file_has_the_checksum_of_its_bytes(tmp_path: Path) -> None:
    made = shards.links_csv(tmp_path)
    expected = hashlib.sha256(made.location.read_bytes()).hexdigest()
    assert opened(made).checksum() == expected


def test_img2dataset_says_what_happened_and_that_pictures_are_encoded_anew(made: Made) -> None:
    batch = next(opened(made).batches())
    if made.form not in readers.IMG2DATASET:
        assert batch.statuses is None
        assert not batch.reencoded
        return
    assert batch.reencoded
    assert batch.statuses is not None
    expected = [p is not None for p in made.pictures or []]
    assert [status == "success" for status in batch.statuses] == expected
    detected = detect([str(made.root)], {"reencoded": "no"})
    reader = open_shard(detected.form, detected.shards[0].location, detected.columns)
    assert not next(reader.batches()).reencoded


def test_laion_columns_serve_their_fields(tmp_path: Path) -> None:
    made = shards.links_parquet(tmp_path)
    assert detect([str(made.location)]).columns == {
        "url": "URL",
        "caption": "TEXT",
        "key": "hash",
        "md5": "md5",
        "width": "WIDTH",
        "height": "HEIGHT",
        "punsafe": "punsafe",
    }
    batch = next(opened(made).batches())
    assert given_by(batch) == {"md5": [hashlib.md5(b"%d" % n).digest() for n in range(20)]}
    assert batch.captions[:2] == [None, 'picture "1",\nsecond line ü']
    assert batch.tie_break is not None
    assert batch.tie_break[10] == 0.5


def given_by(batch: Batch) -> dict[str, list[bytes | None]]:
    return {algorithm: column.to_pylist() for algorithm, column in batch.given.items()}


def table(root: Path, columns: dict[str, Any], name: str = "x.parquet") -> str:
    pq.write_table(pa.table(columns), root / name)
    return str(root / name)


def first_batch(path: str, mapping: dict[str, str] | None = None) -> Batch:
    detected = detect([path], mapping)
    reader = open_shard(detected.form, path, detected.columns)
    reader.rows()
    return next(reader.batches())


def test_laion_400m_keys_are_whole_numbers(tmp_path: Path) -> None:
    columns = {
        "SAMPLE_ID": [1581282014547.0, 0.5],
        "URL": ["http://a.test", "b"],
        "LICENSE": ["?"] * 2,
    }
    assert first_batch(table(tmp_path, columns)).row_keys == ["1581282014547", None]


def test_a_mapping_comes_first_and_may_drop_a_field(tmp_path: Path) -> None:
    columns = {"url": ["http://a.test"], "Link": ["http://b.test"], "md5": [5], "hash": [1]}
    place = table(tmp_path, columns)
    with pytest.raises(DatasetError, match="holds int64, not what md5 needs"):
        detect([place])
    batch = first_batch(place, {"url": "link", "md5": "", "key": ""})
    assert batch.urls == ["http://b.test"]
    assert batch.given == {}
    assert batch.row_keys == [None]


@pytest.mark.parametrize("kind", ["text", "upper", "binary", "hex in bytes", "fixed", "dictionary"])
def test_digests_are_taken_from_text_and_from_bytes(tmp_path: Path, kind: str) -> None:
    digests = [hashlib.sha1(b"%d" % n).digest() for n in range(5)]
    hexes = [d.hex() for d in digests]
    column = {
        "text": pa.array(hexes),
        "upper": pa.array([h.upper() for h in hexes]),
        "binary": pa.array(digests, pa.binary()),
        "hex in bytes": pa.array([h.encode() for h in hexes], pa.binary()),
        "fixed": pa.array(digests, pa.binary(20)),
        "dictionary": pa.array(hexes).dictionary_encode(),
    }[kind]
    batch = first_batch(table(tmp_path, {"url": ["u"] * 5, "SHA1": column}))
    assert given_by(batch) == {"sha1": digests}
    assert not any(batch.bad_given)


def test_what_is_no_digest_is_marked_and_what_is_missing_is_not(tmp_path: Path) -> None:
    good = hashlib.md5(b"x").hexdigest()
    md5 = [good, None, "", "  ", "zz" * 16, good[:-1], EMPTY_MD5, "0" * 32, f"{good} ", "ü" * 32]
    batch = first_batch(table(tmp_path, {"url": ["u"] * 10, "md5": md5}))
    known = bytes.fromhex(good)
    assert given_by(batch)["md5"] == [known, *[None] * 7, known, None]
    assert batch.bad_given == [False] * 4 + [True] * 4 + [False, True]


def test_sha512_is_left_aside_with_a_note(tmp_path: Path) -> None:
    place = table(tmp_path, {"url": ["u"], "sha512": ["ab" * 64]})
    detected = detect([place])
    reader = open_shard(detected.form, place, detected.columns)
    reader.rows()
    assert "sha512" not in detected.columns
    assert reader.notes == ["column sha512 is left aside: no hash list has SHA-512"]


def test_jsonl_values_of_other_kinds_are_no_text(tmp_path: Path) -> None:
    place = tmp_path / "x.jsonl"
    lines = ['{"url": "http://a.test", "md5": 5}', '{"url": {"a": [1]}}', '{"url": 7}', "{}"]
    place.write_text("\n".join([*lines, '{"url": "\\ud800", "key": true, "punsafe": NaN}']))
    batch = first_batch(str(place))
    assert batch.urls == ["http://a.test", None, None, None, None]
    assert batch.bad_given == [True, False, False, False, False]
    assert batch.row_keys == [None] * 5


def test_text_in_parquet_that_is_no_utf8_is_no_url(tmp_path: Path) -> None:
    column = pa.array([b"http://a.test", b"\xff\xfe"], pa.binary())
    assert first_batch(table(tmp_path, {"url": column})).urls == ["http://a.test", None]
    wrong = pa.Array.from_buffers(pa.string(), 2, column.buffers())
    assert first_batch(table(tmp_path, {"url": wrong})).urls == ["http://a.test", None]


def test_the_image_column_may_have_another_name(tmp_path: Path) -> None:
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cell = [{"bytes": shards.picture(1), "path": None}]
    place = table(tmp_path, {"photo": pa.array(cell, struct), "url": ["http://a.test"]})
    batch = first_batch(place)
    assert batch.pictures == [shards.picture(1)]
    assert batch.urls == ["http://a.test"]
    place = table(tmp_path, {n: pa.array(cell, struct) for n in ("left", "right")})
    with pytest.raises(DatasetError, match="--map image=COLUMN"):
        detect([place])
    assert first_batch(place, {"image": "right"}).pictures == [shards.picture(1)]


def test_a_shard_may_be_named_by_any_of_its_parts(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "w").mkdir()
    shards.img2dataset_files(tmp_path / "f")
    shards.img2dataset_webdataset(tmp_path / "w")
    for path in ("f", "f/00000", "f/00000/", "f/00000.parquet", "f/*", "f/*.parquet"):
        detected = detect([str(tmp_path / path)])
        assert detected.form == readers.IMG2DATASET_FILES
        assert [s.location for s in detected.shards] == [str(tmp_path / "f" / "00000.parquet")]
    for path in ("w", "w/00000.tar", "w/00000.parquet", "w/*", "w/*.parquet"):
        detected = detect([str(tmp_path / path)])
        assert detected.form == readers.IMG2DATASET_WEBDATASET
        assert [s.location for s in detected.shards] == [str(tmp_path / "w" / "00000.tar")]


def test_shards_come_sorted_and_other_files_in_a_folder_are_passed_over(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.parquet"):
        table(tmp_path, {"url": ["u"]}, name)
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "_SUCCESS").write_text("")
    found = [Path(s.location).name for s in detect([str(tmp_path)]).shards]
    assert found == ["a.parquet", "b.parquet"]


def test_memory_does_not_grow_with_a_row_group_of_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moderation.datasets.readers.parquet.BATCH_BYTES", 2_000_000)
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [{"bytes": os.urandom(200_000), "path": None} for _ in range(300)]
    place = tmp_path / "x.parquet"
    table = pa.table({"image": pa.array(cells, struct)})
    pq.write_table(table, place, compression="none", write_batch_size=5)  # small pages
    del cells, table
    reader = open_shard("image_parquet", str(place), {"image": "image"})
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in reader.batches()]
    assert len(held) >= 30
    assert max(held) < 20_000_000


@pytest.mark.parametrize("maker", [shards.img2dataset_webdataset, shards.webdataset_alone])
def test_memory_does_not_grow_with_a_tar(
    maker: Callable[..., Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moderation.datasets.readers.img2dataset.BATCH_BYTES", 2_000_000)
    monkeypatch.setattr(shards, "picture", lambda number: bytes([number]) * 1_000_000)
    made = maker(tmp_path, 60)
    reader = opened(made)
    made.pictures = None
    tracemalloc.start()
    assert sum(len(batch) for batch in reader.batches()) == made.rows
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize("name", ["000000099.jfif", "000000099.jpe", "000000099.heif"])
def test_more_endings_are_pictures(name: str, tmp_path: Path) -> None:
    shards.img2dataset_files(tmp_path)
    (tmp_path / "00000" / name).write_bytes(shards.picture(1))
    detected = detect([str(tmp_path)])
    reader = open_shard(detected.form, detected.shards[0].location, detected.columns)
    with pytest.raises(DatasetError, match="1 of its pictures are in no row"):
        reader.rows()


@pytest.mark.parametrize(
    "name", [".hidden.jpg", ".jpg", "000000099.xyz", "000000099", ".DS_Store", "000000099.jpg.bak"]
)
def test_nothing_in_a_folder_of_pictures_is_passed_over(name: str, tmp_path: Path) -> None:
    shards.img2dataset_files(tmp_path)
    (tmp_path / "00000" / name).write_bytes(shards.picture(1))
    detected = detect([str(tmp_path)])
    reader = open_shard(detected.form, detected.shards[0].location, detected.columns)
    with pytest.raises(DatasetError, match=r"is no picture by its name|are in no row"):
        reader.rows()


@pytest.mark.parametrize("maker", [shards.img2dataset_webdataset, shards.webdataset_alone])
@pytest.mark.parametrize("name", ["000000099.xyz", "000000099", "000000099.txt", ".a.bin"])
def test_a_picture_in_a_tar_under_another_name_is_refused(
    maker: Callable[..., Made], name: str, tmp_path: Path
) -> None:
    made = maker(tmp_path)
    with tarfile.open(made.location, "a") as tar:
        shards.add(tar, name, shards.picture(1))
    with pytest.raises(DatasetError, match="is a picture but not by its name"):
        opened(made).rows()


def test_what_is_no_picture_may_lie_in_a_tar(tmp_path: Path) -> None:
    made = shards.webdataset_alone(tmp_path)
    with tarfile.open(made.location, "a") as tar:
        shards.add(tar, "000000099.cls", b"7")
    assert opened(made).rows() == made.rows + 1
