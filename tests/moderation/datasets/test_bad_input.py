"""Files that are no dataset, or a hostile one: one clear line each, never a traceback."""

import gzip
import io
import json
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from moderation.datasets.readers import DatasetError, detect, open_shard
from tests.moderation.datasets import shards

LONG = b"x" * 10_000_000


def read_all(root: Path, mapping: dict[str, str] | None = None) -> None:
    """Read whatever a folder holds to its end."""
    detected = detect([str(root)], mapping)
    for source in detected.shards:
        reader = open_shard(source.form, source.location, detected.columns)
        reader.rows()
        for _ in reader.batches():
            pass


def refused(root: Path, mapping: dict[str, str] | None = None) -> str:
    """Return the one line that reading all of a folder ends in."""
    with pytest.raises(DatasetError) as caught:
        read_all(root, mapping)
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 600
    assert "http" not in said
    return said


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("x.csv", b"", "the file is empty"),
        ("x.jsonl", b"", "the file is empty"),
        ("x.parquet", b"", "the file is empty"),
        ("x.tar", b"", "the file is empty"),
        ("x.csv.gz", gzip.compress(b"", mtime=0), "the file is empty"),
        ("x.csv", b"\n\n", "no header"),
        ("x.csv", b"address,text\nhttp://a.test,b\n", "no url column among address, text"),
        ("x.jsonl", b'{"address": "http://a.test"}\n', "no url column among address"),
        ("x.csv", b"url,URL\na,b\n", "more than one column could be url"),
        ("x.csv", b"url,md5,md5\na,b,c\n", "more than one column could be md5"),
        ("x.csv", b"url,text\nhttp://a.test\n", "row 0 has 1 fields where the header has 2"),
        ("x.csv", b"url,text\na,b\nhttp://a.test,b,c\n", "row 1 has 3 fields"),
        ("x.csv", b'url,text\na,"b\nc,d\n', "a quote is left open in row 0"),
        ("x.csv", b'url,text\na,"' + b"b\n" * 1_000_000, "row 0 is longer than 1 MiB"),
        ("x.csv", b"url\ra\rb\r", "the header is no CSV"),
        ("x.csv", b"url,text\n" + LONG, "line 2 is longer than 1 MiB"),
        ("x.csv", LONG, "line 1 is longer than 1 MiB"),
        ("x.jsonl", b'{"url": "' + LONG + b'"}\n', "line 1 is longer than 1 MiB"),
        ("x.csv.gz", gzip.compress(b"url\n" + LONG, mtime=0), "line 2 is longer than 1 MiB"),
        ("x.csv", "url\nhttp://ü.test\n".encode("latin-1"), "not UTF-8"),
        ("x.csv", "url\nhttp://a.test\n".encode("utf-16"), "UTF-16"),
        ("x.jsonl", '{"url": "ü"}'.encode("latin-1"), "not UTF-8"),
        ("x.jsonl", '{"url": "ü"}'.encode("utf-16"), "UTF-16"),
        ("x.csv", b"url\nhttp://a\0.test\n", "line 2 holds NUL bytes"),
        ("x.jsonl", b'{"url": "a\0"}\n', "line 1 holds NUL bytes"),
        ("x.jsonl", b'{"url": "a"}\n{"url": "htt', "row 1 is not JSON"),
        ("x.jsonl", b'{"url": "a"}\n["http://a.test"]\n', "row 1 is not a JSON object"),
        ("x.jsonl", b'{"url": ' + b"[" * 500_000 + b"}\n", "row 0 is not JSON"),
        ("x.jsonl", b'{"url": "a", "n": ' + b"9" * 10_000 + b"}\n", "row 0 is not JSON"),
        ("x.parquet", b"PAR1 this is none PAR1", "broken or cut short"),
        ("x.parquet", b"url\nhttp://a.test\n", "broken or cut short"),
        ("x.tar", b"url\nhttp://a.test\n" * 100, "is this a tar?"),
        ("x.tar", b"short", "broken or cut short"),
        ("x.tar", gzip.compress(b"x" * 2000, mtime=0), "unpack it to a plain .tar"),
        (
            "x.csv.gz",
            gzip.compress(b"url\n" + b"".join(b"http://%d.test\n" % n for n in range(999)))[:-900],
            "broken or cut short",
        ),
        ("x.csv.gz", b"url\nhttp://a.test\n", "broken or cut short"),
        ("x.tar.gz", b"", "files like this are not read"),
        ("x.tfrecord", b"", "files like this are not read"),
        ("x.jpg", b"", "pictures without the .parquet"),
        ("x.txt", b"", "no dataset files"),
    ],
)
def test_a_file_that_is_no_dataset(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert said in refused(tmp_path)


def test_a_long_line_is_never_held(tmp_path: Path) -> None:
    with open(tmp_path / "x.csv", "wb") as out:
        out.write(b"url\n")
        for _ in range(60):
            out.write(b"x" * 1_000_000)
    tracemalloc.start()
    refused(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def test_memory_does_not_grow_with_a_text(tmp_path: Path) -> None:
    peaks = []
    for rows in (5_000, 20_000):
        place = tmp_path / f"{rows}.csv"
        with open(place, "w") as out:
            out.write("url,md5\n")
            out.writelines(f"http://a.test/{n},{n:032x}\n" for n in range(rows))
        reader = open_shard("links_csv", str(place), {"url": "url", "md5": "md5"})
        tracemalloc.start()
        assert reader.rows() == rows
        assert sum(len(batch) for batch in reader.batches()) == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.3


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file"):
        detect([str(tmp_path / "none")])
    with pytest.raises(DatasetError, match="holds no files"):
        detect([str(tmp_path)])
    with pytest.raises(DatasetError, match="no dataset files"):
        detect([])


def test_forms_do_not_mix(tmp_path: Path) -> None:
    shards.links_parquet(tmp_path)
    shards.links_csv(tmp_path)
    shards.img2dataset_webdataset(tmp_path)
    said = refused(tmp_path)
    assert "1 of img2dataset_webdataset, 1 of links_csv, 1 of links_parquet" in said


def test_shards_with_other_columns_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("url,md5\na,\n")
    (tmp_path / "b.csv").write_text("url\nb\n")
    assert "b.csv: has no column md5, which the first file has" in refused(tmp_path)


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"adress": "url"}, "no such field"),
        ({"md5": "none"}, "no column none for md5"),
        ({"reencoded": "maybe"}, "yes or no"),
    ],
)
def test_a_mapping_that_cannot_be(tmp_path: Path, mapping: dict[str, str], said: str) -> None:
    shards.links_csv(tmp_path)
    assert said in refused(tmp_path, mapping)


def test_a_file_that_changed_its_columns_since(tmp_path: Path) -> None:
    for maker in (shards.links_parquet, shards.links_csv):
        made = maker(tmp_path)
        reader = open_shard(made.form, str(made.location), {"url": "URL", "md5": "gone"})
        with pytest.raises(DatasetError, match="not those registered"):
            reader.rows()


@pytest.mark.parametrize(
    "kind", [pa.int64(), pa.list_(pa.string()), pa.struct([("a", pa.string())]), pa.float64()]
)
def test_a_url_column_without_text(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.table({"url": pa.nulls(3, kind)})
    pq.write_table(table, tmp_path / "x.parquet")
    assert "not what url needs" in refused(tmp_path)


@pytest.mark.parametrize("maker", shards.MAKERS, ids=lambda maker: maker.__name__)
@pytest.mark.parametrize("keep", [0, 1, 70, 0.3, 0.7, -1, -600])
def test_a_file_cut_short(
    tmp_path: Path, maker: Callable[[Path], shards.Made], keep: float
) -> None:
    made = maker(tmp_path)
    data = made.location.read_bytes()
    length = int(len(data) * keep) if isinstance(keep, float) else keep % len(data)
    if made.location.suffix in (".csv", ".jsonl") and length not in (0, 1, 70):
        length = data.rindex(b'"') - 3  # within a quoted field: elsewhere it may be a shorter file
    made.location.write_bytes(data[:length])
    refused(tmp_path)


@pytest.mark.parametrize("maker", shards.MAKERS, ids=lambda maker: maker.__name__)
def test_a_damaged_file_never_ends_in_a_traceback(
    tmp_path: Path, maker: Callable[[Path], shards.Made]
) -> None:
    made = maker(tmp_path)
    data = made.location.read_bytes()
    said = []
    for n in range(60):
        damaged = bytearray(data)
        at = n * 7919 % len(data)
        damaged[at] ^= 1 + n * 31 % 255
        damaged[-1 - at % 200] ^= n % 256
        made.location.write_bytes(damaged)
        try:
            read_all(tmp_path)
        except DatasetError as error:
            said.append(str(error))
    assert said
    assert all(line.isprintable() for line in said)


def tar_of(root: Path, *members: tarfile.TarInfo, format: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(root / "00000.tar", "w", format=format) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return root / "00000.tar"


def member(
    name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 3
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    info.size = size if kind == tarfile.REGTYPE else 0
    return info


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (member("../../etc/x.jpg"), "member 1 has a name that leads out"),
        (member("a/../../x.jpg"), "member 1 has a name that leads out"),
        (member("/etc/x.jpg"), "member 1 has a name that leads out"),
        (member("a\nb.jpg"), "member 1 has control characters"),
        (member("a\x1b[31m.jpg"), "member 1 has control characters"),
        (member("x.jpg", tarfile.SYMTYPE, "/etc/passwd"), "member 1 is a link or a device"),
        (member("x.jpg", tarfile.LNKTYPE, "a.jpg"), "member 1 is a link or a device"),
        (member("x.jpg", tarfile.CHRTYPE), "member 1 is a link or a device"),
        (member("x.jpg", tarfile.FIFOTYPE), "member 1 is a link or a device"),
        (member("a.png"), "member 1 is a second picture for its key"),
    ],
)
def test_a_hostile_tar(tmp_path: Path, hostile: tarfile.TarInfo, said: str, format: int) -> None:
    tar_of(tmp_path, member("a.jpg"), hostile, format=format)
    assert said in refused(tmp_path)


def header(size: bytes, name: bytes = b"x.jpg", kind: bytes = b"0") -> bytes:
    block = bytearray(512)
    block[: len(name)], block[124:136], block[156:157] = name, size, kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (header(b"77777777777\0"), "cut short"),
        (header(b"\x80" + b"\x7f" * 11), "cut short"),
        (header(b"\xff" * 12), "is this a tar?"),
        (header(b"00000000-12\0"), "is this a tar?"),
        (header(b"00000001000\0", name=b"\xff.jpg"), "not UTF-8"),
        (header(b"00010000000\0", kind=b"x") + b"x" * (1 << 21), "header of more than 1 MiB"),
        (header(b"00000000010\0", kind=b"x") + b"9999999 ".ljust(512), "is this a tar?"),
        (header(b"00000000030\0", kind=b"x") + b"24 GNU.sparse.map=123456\n".ljust(512), "sparse"),
        (header(b"00000000020\0", kind=b"g") + b"16 path=../../x\n".ljust(512), "renames all"),
        (header(b"00000000020\0", kind=b"x") + b"16 size=-999999\n".ljust(512), "is this a tar?"),
        (header(b"00000000000\0", kind=b"S"), "a link or a device"),
        (header(b"00000000000\0", name=b""), "leads out"),
    ],
)
def test_a_hostile_header(tmp_path: Path, block: bytes, said: str) -> None:
    (tmp_path / "x.tar").write_bytes(block + b"\0" * 4096)
    assert said in refused(tmp_path)


def test_what_hides_behind_the_end_of_a_tar(tmp_path: Path) -> None:
    place = tar_of(tmp_path, member("a.jpg"))
    place.write_bytes(place.read_bytes() * 2)
    assert "more after the tar's end mark" in refused(tmp_path)


def test_names_of_every_format_and_length_are_read(tmp_path: Path) -> None:
    name = "long/" + "n" * 60 + "/" + "ü" * 40
    names = ["-rf.jpg", "./b.jpg", f"{name}.jpg"]
    for layout in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        tar_of(tmp_path, *(member(each) for each in names), format=layout)
        detected = detect([str(tmp_path)])
        reader = open_shard(detected.form, str(tmp_path / "00000.tar"), detected.columns)
        batch = next(reader.batches())
        assert batch.row_keys == ["-rf", "b", name]
        assert batch.pictures == [b"xxx"] * 3


def sidecar(root: Path, keys: list[str | None]) -> None:
    count = len(keys)
    columns = {n: ["x"] * count for n in ("url", "error_message")} | {"status": ["success"] * count}
    pq.write_table(pa.table(columns | {"key": pa.array(keys, pa.string())}), root / "00000.parquet")


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", "/etc/passwd", "a\nb", "", None, "a.b", "x" * 999]
)
@pytest.mark.parametrize("form", ["files", "webdataset"])
def test_a_key_that_cannot_be_a_name(tmp_path: Path, key: str | None, form: str) -> None:
    sidecar(tmp_path, ["a", key])
    if form == "files":
        (tmp_path / "00000").mkdir()
    else:
        tar_of(tmp_path, member("a.jpg"))
    assert "row 1 of its parquet has a key that cannot be a name" in refused(tmp_path)


def test_keys_and_pictures_that_do_not_go_together(tmp_path: Path) -> None:
    tar_of(tmp_path, member("a.jpg"), member("b.jpg"))
    sidecar(tmp_path, ["a", "a"])
    assert "row 1 of its parquet has a key of an earlier row" in refused(tmp_path)
    sidecar(tmp_path, ["a", "c"])
    assert "1 of its pictures are in no row" in refused(tmp_path)


def test_links_in_a_folder_of_pictures(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    root = tmp_path / "data"
    (root / "00000").mkdir(parents=True)
    sidecar(root, ["a"])
    (root / "00000" / "a.jpg").symlink_to(secret)
    assert "file 0 of its folder is a link" in refused(root)


@pytest.mark.parametrize("name", ["-rf.csv", "a\nb.csv", "$(x).csv", "ü \x1b[31m.csv", "[x].csv"])
def test_files_with_odd_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("url\nhttp://a.test\n")
    detected = detect([str(tmp_path / name)])
    assert open_shard(detected.form, detected.shards[0].location, detected.columns).rows() == 1
    (tmp_path / name).write_text("text\na\n")
    refused(tmp_path)


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff.csv", "wb") as out:
        out.write(b"url\n")
    assert "not UTF-8" in refused(tmp_path)


def test_a_tar_whose_json_is_broken(tmp_path: Path) -> None:
    tar_of(tmp_path, member("a.jpg"), member("a.json"))
    assert "the json of a sample cannot be read" in refused(tmp_path)


def test_json_of_a_sample_that_is_deep(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        shards.add(tar, "a.json", b"[" * 100_000)
        shards.add(tar, "b.json", json.dumps({"url": "http://a.test"}).encode())
    assert "the json of a sample cannot be read" in refused(tmp_path)
