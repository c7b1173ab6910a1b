"""Small files that unpack to much: memory stays bounded, whatever is read of them."""

import gzip
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from moderation import files
from moderation.datasets.readers import DatasetError, detect, open_shard, pages

MIB = 1 << 20
READ = """
import resource, sys
from moderation.datasets.readers import open_shard
from moderation.datasets.rewriting import rewrite_shard
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
reader = open_shard(sys.argv[1], sys.argv[2], {sys.argv[3]: sys.argv[3]})
before = peak()
rows = reader.rows()
if sys.argv[4] == "read":
    assert sum(len(batch) for batch in reader.batches()) == rows
else:
    rewrite_shard(sys.argv[1], sys.argv[2], {sys.argv[3]: sys.argv[3]}, sys.argv[4], {0})
print(peak() - before)
"""


def peak_bytes(form: str, place: Path, column: str, out: str = "read") -> int:
    """Return by how much reading (or rewriting) a shard grows a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", READ, form, str(place), column, out],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout)


LINK = "http://pictures.test/" + "a" * 100_000
WRITTEN = {
    "dictionary": {"compression": "zstd"},
    "pages": {"compression": "zstd", "use_dictionary": False, "data_page_size": MIB},
    "differences": {"use_dictionary": False, "column_encoding": {"url": "DELTA_BYTE_ARRAY"}},
}


@pytest.mark.parametrize("way", WRITTEN)
@pytest.mark.parametrize("rewritten", [False, True])
def test_one_long_link_in_every_row_stays_small(way: str, rewritten: bool, tmp_path: Path) -> None:
    place = tmp_path / "x.parquet"
    pq.write_table(pa.table({"url": [LINK] * 6000}), place, **WRITTEN[way])
    assert place.stat().st_size < MIB
    out = str(tmp_path / "out") if rewritten else "read"
    assert peak_bytes("links_parquet", place, "url", out) < 600 * MIB


def test_one_picture_in_every_row_stays_small(tmp_path: Path) -> None:
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [{"bytes": b"\xff\xd8\xff" + b"a" * 400_000, "path": None}] * 3000
    place = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": pa.array(cells, struct)}), place, compression="zstd")
    assert place.stat().st_size < MIB
    assert peak_bytes("image_parquet", place, "image") < 500 * MIB


def test_few_long_values_among_many_short_ones_stay_small(tmp_path: Path) -> None:
    links = ["http://a.test/"] * 100_000 + ["http://a.test/" + "a" * 900_000] * 800
    place = tmp_path / "x.parquet"
    pq.write_table(
        pa.table({"url": links}),
        place,
        use_dictionary=False,
        compression="zstd",
        write_batch_size=50,
    )
    assert peak_bytes("links_parquet", place, "url") < 600 * MIB


@pytest.mark.parametrize("kind", [pa.string(), pa.large_binary(), pa.string_view()])
def test_text_longer_than_a_line_may_be_is_refused(kind: pa.DataType, tmp_path: Path) -> None:
    place = tmp_path / "x.parquet"
    cells = ["a", "b" * (MIB + 1)]
    column = pa.array([c.encode() for c in cells] if kind == pa.large_binary() else cells, kind)
    pq.write_table(pa.table({"url": column}), place)
    reader = open_shard("links_parquet", str(place), {"url": "url"})
    with pytest.raises(DatasetError, match="column url is longer than 1 MiB"):
        list(reader.batches())


def test_a_page_beyond_reason_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_BYTES", 1000)
    place = tmp_path / "x.parquet"
    pq.write_table(pa.table({"url": ["http://a.test/" + "a" * 5000]}), place, compression="zstd")
    with pytest.raises(DatasetError, match="smaller pages"):
        open_shard("links_parquet", str(place), {"url": "url"}).rows()


CODECS = ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_usual_files_are_read_in_large_steps(version: str, codec: str, tmp_path: Path) -> None:
    count = 30_000
    place = tmp_path / "x.parquet"
    columns = {"url": [f"http://a.test/{n}" for n in range(count)], "n": list(range(count))}
    pq.write_table(pa.table(columns), place, data_page_version=version, compression=codec)
    with files.open_input(str(place)) as stream:
        step = pages.rows_at_once(pq.ParquetFile(place), stream, "", 0, ["url"], 64 * MIB)
        assert step == count
        whole = pages.rows_at_once(pq.ParquetFile(place), stream, "", 0, ["n"], 64 * MIB)
        assert whole == count
    detected = detect([str(place)])
    batches = list(open_shard("links_parquet", str(place), detected.columns).batches())
    assert [len(batch) for batch in batches[:-1]] == [4096] * (len(batches) - 1)
    assert [url for batch in batches for url in batch.urls] == columns["url"]


@pytest.mark.parametrize("codec", CODECS)
def test_the_longest_value_of_a_dictionary_decides(codec: str, tmp_path: Path) -> None:
    place = tmp_path / "x.parquet"
    links = [f"http://a.test/{n}" for n in range(5000)]
    links[77] += "a" * 100_000
    pq.write_table(pa.table({"url": links}), place, compression=codec)
    with files.open_input(str(place)) as stream:
        step = pages.rows_at_once(pq.ParquetFile(place), stream, "", 0, ["url"], 64 * MIB)
    assert step == 512  # the largest power of two of 100 kB each below 64 MiB


def test_a_dictionary_of_values_of_one_width_is_known_by_it(tmp_path: Path) -> None:
    place = tmp_path / "x.parquet"
    column = pa.array([n.to_bytes(16, "big") for n in range(5000)], pa.binary(16))
    pq.write_table(pa.table({"md5": column}), place)
    with files.open_input(str(place)) as stream:
        step = pages.rows_at_once(pq.ParquetFile(place), stream, "", 0, ["md5"], MIB)
    assert step == 5000


@pytest.mark.parametrize("form", ["links_csv", "links_jsonl"])
def test_long_lines_packed_to_nothing_stay_small(form: str, tmp_path: Path) -> None:
    link = "http://a.test/" + "a" * 500_000
    place = tmp_path / ("x.csv.gz" if form == "links_csv" else "x.jsonl.gz")
    line = f"{link}\n" if form == "links_csv" else f'{{"url": "{link}"}}\n'
    with gzip.open(place, "wt") as out:
        out.write("url\n" if form == "links_csv" else "")
        for _ in range(500):
            out.write(line)
    assert place.stat().st_size < 2 * MIB
    assert peak_bytes(form, place, "url") < 220 * MIB
