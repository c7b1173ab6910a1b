"""A rewritten shard lacks exactly the rows it should; all else is as it was."""

import csv
import gzip
import hashlib
import io
import json
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from moderation import files
from moderation.datasets import readers, rewriting
from moderation.datasets.readers import DatasetError, detect, open_shard
from moderation.datasets.rewriting import Rewritten, rewrite_shard
from tests.moderation.datasets import shards
from tests.moderation.datasets.s3 import bucket  # noqa: F401  # a fixture
from tests.moderation.datasets.shards import Made

COUNT = 20
SELECTIONS = {
    "none": set(),
    "first": {0},
    "last": {COUNT - 1},
    "all": set(range(COUNT)),
    "a row group": set(range(7, 16)),
    "failed ones": {2, 6},
    "random": set(random.Random(5).sample(range(COUNT), 8)),
}


@pytest.fixture(params=shards.MAKERS, ids=lambda maker: maker.__name__)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    maker: Callable[[Path], Made] = request.param
    (tmp_path / "in").mkdir()
    return maker(tmp_path / "in")


@pytest.fixture(params=SELECTIONS.values(), ids=list(SELECTIONS))
def selection(request: pytest.FixtureRequest) -> set[int]:
    return set(request.param)


def rewrite(made: Made, out: Path, remove: set[int]) -> Rewritten:
    detected = detect([str(made.location)])
    return rewrite_shard(detected.form, str(made.location), detected.columns, str(out), remove)


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def content(made: Made, root: Path) -> list[tuple[Any, ...]]:
    """Return each row as the reader sees it."""
    columns = detect([str(made.location)]).columns
    reader = open_shard(made.form, str(root / made.location.name), columns)
    assert reader.rows() >= 0
    found: list[tuple[Any, ...]] = []
    for batch in reader.batches():
        pictures = batch.pictures or [None] * len(batch)
        columns_given = [column.to_pylist() for column in batch.given.values()]
        given = zip(*columns_given, strict=True) if columns_given else [()] * len(batch)
        found += zip(
            batch.row_keys,
            batch.urls,
            batch.captions,
            pictures,
            given,
            batch.bad_given,
            strict=True,
        )
    return found


def rows_left(made: Made, remove: set[int]) -> list[int]:
    return [row for row in range(made.rows) if row not in remove]


def test_exactly_the_listed_rows_go(made: Made, selection: set[int], tmp_path: Path) -> None:
    remove = {row for row in selection if row < made.rows}
    source = tree(made.root)
    before = content(made, made.root)
    done = rewrite(made, tmp_path / "out", remove)
    assert (done.rows_in, done.rows_out, done.removed) == (
        made.rows,
        made.rows - len(remove),
        len(remove),
    )
    assert tree(made.root) == source
    written = tree(tmp_path / "out")
    assert done.files == sorted(
        (name, hashlib.sha256(data).hexdigest()) for name, data in written.items()
    )
    if not remove:
        assert written == source
    assert content(made, tmp_path / "out") == [before[row] for row in rows_left(made, remove)]


def test_a_second_time_changes_nothing(made: Made, selection: set[int], tmp_path: Path) -> None:
    remove = {row for row in selection if row < made.rows}
    done = rewrite(made, tmp_path / "out", remove)
    written = tree(tmp_path / "out")
    assert rewrite(made, tmp_path / "out", remove) == done
    assert tree(tmp_path / "out") == written


def test_what_another_manifest_left_is_not_mixed_with(made: Made, tmp_path: Path) -> None:
    rewrite(made, tmp_path / "out", set())
    before = tree(tmp_path / "out")
    with pytest.raises(DatasetError, match="stands in its place"):
        rewrite(made, tmp_path / "out", {0, 4})
    assert tree(tmp_path / "out") == before
    assert not list((tmp_path / "out").glob(".*"))


def test_files_of_others_are_never_touched(made: Made, tmp_path: Path) -> None:
    rewrite(made, tmp_path / "model", {0})
    for name in {path.partition("/")[0] for path in tree(tmp_path / "model")}:
        for kind in ("file", "folder", "link to a folder", "link to a file", "link to nowhere"):
            out, other = tmp_path / f"{kind} {name}", tmp_path / f"other {kind} {name}"
            out.mkdir()
            other.mkdir()
            (other / "kept.jpg").write_bytes(b"kept")
            place = out / name
            if kind == "file":
                place.write_bytes(b"kept")
            elif kind == "folder":
                place.mkdir()
                (place / "kept.jpg").write_bytes(b"kept")
            else:
                ends = {"link to a folder": "", "link to a file": "kept.jpg"}
                place.symlink_to(other / ends.get(kind, "nowhere"))
            before = tree(out), tree(other)
            with pytest.raises(DatasetError, match="stands in its place"):
                rewrite(made, out, {0})
            assert (tree(out), tree(other)) == before
            assert [path.name for path in out.iterdir()] == [name]


def test_a_hidden_file_among_written_pictures_is_seen(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    made = shards.img2dataset_files(tmp_path / "in")
    rewrite(made, tmp_path / "out", {0})
    (tmp_path / "out" / "00000" / ".other.jpg").write_bytes(b"kept")
    with pytest.raises(DatasetError, match="stands in its place"):
        rewrite(made, tmp_path / "out", {0})
    assert (tmp_path / "out" / "00000" / ".other.jpg").read_bytes() == b"kept"


@pytest.mark.parametrize("maker", [shards.links_csv, shards.links_tsv_gz], ids=["csv", "tsv.gz"])
def test_lines_of_csv_stay_byte_for_byte(
    maker: Callable[[Path], Made], selection: set[int], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    made = maker(tmp_path / "in")
    rewrite(made, tmp_path / "out", selection)
    before, after = (
        gzip.decompress(data) if made.location.suffix == ".gz" else data
        for data in (
            made.location.read_bytes(),
            (tmp_path / "out" / made.location.name).read_bytes(),
        )
    )
    end = "\r\n" if b"\r\n" in before else "\n"
    delimiter = "," if end == "\r\n" else "\t"
    text = io.StringIO(before.decode(), newline="")
    records = [row for row in csv.reader(text, delimiter=delimiter) if row]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(records[0])
    writer.writerows(records[1 + row] for row in rows_left(made, selection))
    expected = out.getvalue().encode() + (b"\r\n" if end == "\r\n" else b"")
    assert after == expected


def test_lines_of_json_stay_byte_for_byte(selection: set[int], tmp_path: Path) -> None:
    for name in ("links.jsonl", "links.jsonl.gz"):
        (tmp_path / name).mkdir()
        made = shards.links_jsonl(tmp_path / name, COUNT, name)
        rewrite(made, tmp_path / "out", selection)
        before, after = (
            gzip.decompress(data) if name.endswith(".gz") else data
            for data in (made.location.read_bytes(), (tmp_path / "out" / name).read_bytes())
        )
        lines = before.splitlines(keepends=True)
        gone = {row if row < 4 else row + 1 for row in selection}  # line 4 is blank
        assert after == b"".join(line for n, line in enumerate(lines) if n not in gone)


def test_the_mark_at_the_start_of_json_lines_stays(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"url": "a"}\n{"url": "b"}\n')
    place = str(tmp_path / "a.jsonl")
    rewrite_shard("links_jsonl", place, {"url": "url"}, str(tmp_path / "out"), {0})
    assert (tmp_path / "out" / "a.jsonl").read_bytes() == b'\xef\xbb\xbf{"url": "b"}\n'


@pytest.mark.parametrize(
    "maker", [shards.links_parquet, shards.image_parquet, shards.img2dataset_parquet]
)
def test_parquet_keeps_schema_metadata_compression_and_row_groups(
    maker: Callable[[Path], Made], selection: set[int], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    made = maker(tmp_path / "in")
    rewrite(made, tmp_path / "out", selection)
    source, result = (
        pq.ParquetFile(place) for place in (made.location, tmp_path / "out" / made.location.name)
    )
    assert result.schema_arrow.equals(source.schema_arrow, check_metadata=True)
    assert result.metadata.metadata == source.metadata.metadata
    assert result.schema.equals(source.schema)
    assert result.metadata.format_version == source.metadata.format_version
    stays = pa.array(rows_left(made, selection), pa.int64())
    assert result.read().equals(source.read().take(stays))
    sizes, first = [], 0
    for n in range(source.num_row_groups):
        count = source.metadata.row_group(n).num_rows
        sizes.append(len(set(range(first, first + count)) - selection))
        first += count
    groups = range(result.num_row_groups)
    assert [result.metadata.row_group(n).num_rows for n in groups] == [s for s in sizes if s]
    for n in groups:
        for column in range(source.metadata.num_columns):
            was = source.metadata.row_group(0).column(column)
            now = result.metadata.row_group(n).column(column)
            assert now.compression == was.compression
            assert any("DICT" in e for e in now.encodings) == any(
                "DICT" in e for e in was.encodings
            )


def test_parquet_of_other_writers_keeps_its_types(tmp_path: Path) -> None:
    times = pa.array([0, 10**9, None, 3 * 10**9], pa.timestamp("ns"))
    lists = pa.array([["a", "b"], [], None, ["c"]])
    table = pa.table({"url": ["a", "b", "c", "d"], "seen": times, "tags": lists})
    place = tmp_path / "spark.parquet"
    pq.write_table(
        table,
        place,
        version="1.0",
        use_deprecated_int96_timestamps=True,
        use_compliant_nested_type=False,
        store_schema=False,
        compression="snappy",
        write_statistics=False,
    )
    rewrite_shard("links_parquet", str(place), {"url": "url"}, str(tmp_path / "out"), {1})
    source, result = pq.ParquetFile(place), pq.ParquetFile(tmp_path / "out" / "spark.parquet")
    assert result.schema.equals(source.schema)
    assert result.metadata.metadata == source.metadata.metadata
    assert result.read().equals(source.read().take(pa.array([0, 2, 3])))
    assert result.metadata.row_group(0).column(1).physical_type == "INT96"
    assert not result.metadata.row_group(0).column(0).is_stats_set


def test_a_row_group_too_large_to_hold_is_written_in_parts(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    made = shards.img2dataset_parquet(tmp_path / "in")
    with (
        mock.patch.object(rewriting.parquet, "GROUP_BYTES", 5000),
        mock.patch.object(rewriting.parquet, "BATCH_BYTES", 2000),
    ):
        rewrite(made, tmp_path / "out", {0, 9})
    source, result = pq.read_table(made.location), pq.ParquetFile(tmp_path / "out/00000.parquet")
    assert result.read().equals(source.take(pa.array(rows_left(made, {0, 9}))))
    assert result.num_row_groups > pq.ParquetFile(made.location).num_row_groups


def test_every_place_of_a_row_goes_and_the_others_stay(selection: set[int], tmp_path: Path) -> None:
    for maker in (shards.img2dataset_files, shards.img2dataset_webdataset):
        root = tmp_path / maker.__name__
        root.mkdir()
        made = maker(root)
        out = tmp_path / f"out {maker.__name__}"
        rewrite(made, out, selection)
        gone = {made.keys[row] for row in selection}
        sidecar = pq.read_table(root / "00000.parquet")
        kept = sidecar.take(pa.array(rows_left(made, selection), pa.int64()))
        assert pq.read_table(out / "00000.parquet").equals(kept)
        if made.form == readers.IMG2DATASET_FILES:
            before, after = tree(root / "00000"), tree(out / "00000")
            assert after == {n: d for n, d in before.items() if n[:9] not in gone}
            continue
        with tarfile.open(root / "00000.tar") as was:
            names = [m.name for m in was if m.name[:9] not in gone]
            blocks = {m.name: (m.offset, m.offset_data, m.size) for m in was.getmembers()}
        with tarfile.open(out / "00000.tar") as now:
            assert now.getnames() == names
            places = {m.name: (m.offset, m.offset_data, m.size) for m in now.getmembers()}
        old, new = (root / "00000.tar").read_bytes(), (out / "00000.tar").read_bytes()
        for name in names:
            (begin, data, size), (at, _, _) = blocks[name], places[name]
            assert new[at : at + data + size - begin] == old[begin : data + size]
        assert len(new) % 10_240 == 0


def test_statistics_count_what_is_left(made: Made, selection: set[int], tmp_path: Path) -> None:
    remove = {row for row in selection if row < made.rows}
    rewrite(made, tmp_path / "out", remove)
    place = tmp_path / "out" / "00000_stats.json"
    assert place.exists() == (made.root / "00000_stats.json").exists()
    if not place.exists():
        return
    before = json.loads((made.root / "00000_stats.json").read_text())
    left = [made.pictures[row] is None for row in rows_left(made, remove)] if made.pictures else []
    counted = {"success": left.count(False), "HTTP Error 404: Not Found": left.count(True)}
    expected = before | {
        "count": len(left),
        "successes": left.count(False),
        "failed_to_download": left.count(True),
        "status_dict": {name: count for name, count in counted.items() if count},
    }
    assert json.loads(place.read_text()) == expected
    assert list(json.loads(place.read_text())) == list(before)


@pytest.mark.parametrize("remove", [{-1}, {COUNT}, {0, 10**12}])
def test_a_row_that_is_not_there_is_refused(made: Made, remove: set[int], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="a row that it does not have"):
        rewrite(made, tmp_path / "out", remove)
    assert not (tmp_path / "out").exists()


def test_a_shard_is_never_written_over_itself(made: Made, tmp_path: Path) -> None:
    before = tree(made.root)
    (tmp_path / "link").symlink_to(made.root)
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    (hostile / made.location.name).symlink_to(made.location)
    places = [made.root, tmp_path / "link", hostile, tmp_path / "x" / ".." / "in"]
    if made.form == readers.IMG2DATASET_FILES:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "00000").symlink_to(made.root / "00000")
        places += [tmp_path / "other", made.root / "00000", made.root / "00000" / "deep"]
    for place in places:
        with pytest.raises(DatasetError, match="over itself"):
            rewrite(made, place, {0})
    assert tree(made.root) == before


def test_nothing_half_written_stays_when_the_disk_is_full(made: Made, tmp_path: Path) -> None:
    with (
        mock.patch("os.replace", side_effect=OSError(28, "full")),
        pytest.raises(DatasetError, match="No space left"),
    ):
        rewrite(made, tmp_path / "out", {0})
    assert tree(tmp_path / "out") == {}


def test_statistics_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    made = shards.img2dataset_parquet(tmp_path / "in")
    for text in ("", "[]", '{"count": "many"}', '{"count": 20}', "{" * 10_000):
        (made.root / "00000_stats.json").write_text(text)
        with pytest.raises(DatasetError, match="not the statistics"):
            rewrite(made, tmp_path / "out", {0})


def test_a_damaged_shard_is_not_written_at_all(made: Made, tmp_path: Path) -> None:
    detected = detect([str(made.location)])
    data = made.location.read_bytes()
    made.location.write_bytes(data[: len(data) // 3])
    if made.location.suffix in (".csv", ".jsonl"):
        made.location.write_bytes(data[: data.rindex(b'"') - 3])
    with pytest.raises(DatasetError):
        rewrite_shard(made.form, str(made.location), detected.columns, str(tmp_path / "out"), {0})
    assert not (tmp_path / "out").exists() or os.listdir(tmp_path / "out") == []


def test_a_tar_keeps_global_headers_and_folders(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    place = tmp_path / "in" / "x.tar"
    headers = {"comment": "about all"}
    with tarfile.open(place, "w", format=tarfile.PAX_FORMAT, pax_headers=headers) as tar:
        folder = tarfile.TarInfo("a/")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name in ("a/1.jpg", "a/2.jpg"):
            shards.add(tar, name, b"x" * 700)
    rewrite_shard("img2dataset_webdataset", str(place), {}, str(tmp_path / "out"), {0})
    with tarfile.open(tmp_path / "out" / "x.tar") as tar:
        assert tar.getnames() == ["a", "a/2.jpg"]
        assert tar.pax_headers == headers


@pytest.mark.parametrize("maker", shards.MAKERS, ids=lambda maker: maker.__name__)
def test_a_dataset_with_a_shard_of_which_nothing_is_left_is_read(
    maker: Callable[[Path], Made], tmp_path: Path
) -> None:
    shards_made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shards_made.append(maker(tmp_path / name))
    first, second = shards_made
    rewrite(first, tmp_path / "out" / "a", set(range(first.rows)))
    rewrite(second, tmp_path / "out" / "b", {0})
    detected = detect([str(tmp_path / "out")])
    assert detected.form == first.form
    assert detected.columns == detect([str(first.location)]).columns
    counts = [open_shard(s.form, s.location, detected.columns).rows() for s in detected.shards]
    assert counts == [0, second.rows - 1]


def test_lines_of_json_all_gone_are_a_blank_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"url": "a"}\n')
    place = str(tmp_path / "a.jsonl")
    rewrite_shard("links_jsonl", place, {"url": "url"}, str(tmp_path / "out"), {0})
    assert (tmp_path / "out" / "a.jsonl").read_bytes() == b"\n"


def test_source_and_output_may_be_urls(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    made = shards.links_csv(tmp_path / "a b")
    place = f"file://{tmp_path}/a%20b/links.csv"
    rewrite_shard("links_csv", place, {"url": "URL"}, f"file://{tmp_path}/out%20put", {0})
    rewrite(made, tmp_path / "other", {0})
    assert tree(tmp_path / "out put") == tree(tmp_path / "other")
    assert files.exists(f"file://{tmp_path}/out%20put/links.csv")


def test_shards_in_a_bucket_are_read_and_written_there(
    made: Made,
    bucket: str,  # noqa: F811
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    home = files.join(bucket, request.node.name)
    for name in tree(made.root):
        files.copy(str(made.root / name), files.join(home, "in", name))
    detected = detect([files.join(home, "in")])
    assert [(s.form, files.name_of(s.location)) for s in detected.shards] == [
        (made.form, made.location.name)
    ]
    place = detected.shards[0].location
    reader = open_shard(detected.form, place, detected.columns)
    assert [url for batch in reader.batches(7) for url in batch.urls] == made.urls
    local = open_shard(made.form, str(made.location), detected.columns)
    assert (reader.rows(), reader.checksum(), reader.size()) == (
        local.rows(),
        local.checksum(),
        local.size(),
    )
    out = files.join(home, "out")
    done = rewrite_shard(made.form, place, detected.columns, out, {0, 4})
    assert done == rewrite(made, tmp_path / "out", {0, 4})
    assert rewrite_shard(made.form, place, detected.columns, out, {0, 4}) == done
    with pytest.raises(DatasetError, match="stands in its place"):
        rewrite_shard(made.form, place, detected.columns, out, set())
    found = files.expand([out])
    assert [files.sha256(each) for each in found] == [digest for _, digest in done.files]
    with pytest.raises(DatasetError, match="over itself"):
        rewrite_shard(made.form, place, detected.columns, files.join(home, "in"), {0})
