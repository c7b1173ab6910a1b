"""Small shards of every form, as the tools in the field write them; pictures drawn in code."""

import csv
import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from moderation.datasets import readers

FAILED = (3, 7)  # rows of img2dataset's shards that were not downloaded


def picture(seed: int, side: int = 24) -> bytes:
    """Return a JPEG of noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG")
    return out.getvalue()


@dataclass
class Made:
    """A shard on disk and what its rows are."""

    form: str
    root: Path
    location: Path
    rows: int
    urls: list[str | None]
    keys: list[str | None]
    pictures: list[bytes | None] | None = None
    sha256: list[bytes | None] | None = None
    mapping: dict[str, str] = field(default_factory=dict)


def links(count: int) -> dict[str, list[Any]]:
    """Return columns as LAION-5B names them."""
    return {
        "URL": [f"http://pictures.test/{n}.jpg?a=1,2" for n in range(count)],
        "TEXT": [f'picture "{n}",\nsecond line ü' if n % 3 else None for n in range(count)],
        "WIDTH": [640 + n for n in range(count)],
        "HEIGHT": [480] * count,
        "hash": [n - 5 for n in range(count)],
        "punsafe": [n / count for n in range(count)],
        "md5": [hashlib.md5(b"%d" % n).hexdigest() for n in range(count)],
    }


def _laion(form: str, location: Path, columns: dict[str, list[Any]]) -> Made:
    count = len(columns["URL"])
    keys = [str(n - 5) for n in range(count)]
    return Made(form, location.parent, location, count, columns["URL"], keys)


def links_parquet(root: Path, count: int = 20) -> Made:
    """Three row groups, two codecs, metadata of the file and of a column."""
    columns = links(count)
    types = [("URL", pa.string()), ("TEXT", pa.large_string()), ("WIDTH", pa.int32())]
    types += [("HEIGHT", pa.int32()), ("hash", pa.int64()), ("punsafe", pa.float32())]
    types += [("md5", pa.string())]
    fields = [pa.field(name, kind, metadata={"about": name}) for name, kind in types]
    schema = pa.schema(fields, metadata={"origin": "test"})
    location = root / "part-00000.snappy.parquet"
    pq.write_table(
        pa.table(columns, schema=schema),
        location,
        row_group_size=8,
        compression={"URL": "gzip", "TEXT": "zstd", "md5": "none"},
        use_dictionary=["TEXT"],
    )
    return _laion(readers.LINKS_PARQUET, location, columns)


def _csv_text(columns: dict[str, list[Any]], delimiter: str, end: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue()


def links_csv(root: Path, count: int = 20) -> Made:
    """Quoted fields with commas and line ends, CRLF, a byte order mark, a blank line at the end."""
    columns = links(count)
    location = root / "links.csv"
    location.write_bytes(b"\xef\xbb\xbf" + _csv_text(columns, ",", "\r\n").encode() + b"\r\n")
    return _laion(readers.LINKS_CSV, location, columns)


def links_tsv_gz(root: Path, count: int = 20) -> Made:
    """Tabs, gzipped in two members."""
    columns = links(count)
    data = _csv_text(columns, "\t", "\n").encode()
    location = root / "links.tsv.gz"
    location.write_bytes(gzip.compress(data[:300]) + gzip.compress(data[300:]))
    return _laion(readers.LINKS_CSV, location, columns)


def links_jsonl(root: Path, count: int = 20, name: str = "links.jsonl") -> Made:
    """Odd spacing, a blank line, no line end at the end of the file."""
    columns = links(count)
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    lines = [(" " if n % 2 else "") + json.dumps(row) for n, row in enumerate(rows)]
    lines.insert(4, "")
    data = "\n".join(lines).encode()
    location = root / name
    location.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return _laion(readers.LINKS_JSONL, location, columns)


def links_jsonl_gz(root: Path, count: int = 20) -> Made:
    """The same, gzipped."""
    return links_jsonl(root, count, "links.jsonl.gz")


def image_parquet(root: Path, count: int = 20) -> Made:
    """What Hugging Face's ``datasets`` writes: a struct of bytes and path, metadata, row groups."""
    pictures: list[bytes | None] = [picture(n) if n != 5 else None for n in range(count)]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema(
        [pa.field("image", struct), pa.field("label", pa.int64())],
        metadata={"huggingface": '{"info": {"features": {"image": {"_type": "Image"}}}}'},
    )
    rows = [None if p is None else {"bytes": p, "path": f"{n}.jpg"} for n, p in enumerate(pictures)]
    location = root / "train-00000-of-00001.parquet"
    table = pa.table({"image": rows, "label": list(range(count))}, schema=schema)
    pq.write_table(table, location, row_group_size=7)
    nothing: list[str | None] = [None] * count
    return Made(readers.IMAGE_PARQUET, root, location, count, nothing, nothing, pictures)


def _img2dataset(count: int) -> tuple[list[dict[str, Any]], list[bytes | None]]:
    rows, pictures = [], []
    for n in range(count):
        number = n ^ 1 if n < count // 2 * 2 else n  # in the order they were finished
        failed = number in FAILED
        pictures.append(None if failed else picture(number))
        rows.append(
            {
                "caption": f"caption {number}",
                "url": f"http://pictures.test/{number}.jpg",
                "key": f"{number:09d}",
                "status": "failed_to_download" if failed else "success",
                "error_message": "HTTP Error 404: Not Found" if failed else None,
                "width": None if failed else 24,
                "original_width": None if failed else 640,
                "exif": None if failed else "{}",
                "sha256": None if failed else hashlib.sha256(b"original %d" % number).hexdigest(),
            }
        )
    return rows, pictures


def _stats(root: Path, rows: list[dict[str, Any]]) -> None:
    failed = sum(row["status"] != "success" for row in rows)
    stats = {
        "count": len(rows),
        "successes": len(rows) - failed,
        "failed_to_download": failed,
        "failed_to_resize": 0,
        "duration": 0.06378436088562012,
        "start_time": 1795489578.8804889,
        "end_time": 1795489578.9442732,
        "status_dict": {"success": len(rows) - failed, "HTTP Error 404: Not Found": failed},
    }
    (root / "00000_stats.json").write_text(json.dumps(stats, indent=4))


_SIDECAR = pa.schema(
    [(n, pa.string()) for n in ("caption", "url", "key", "status", "error_message")]
    + [("width", pa.int32()), ("original_width", pa.int32())]
    + [("exif", pa.string()), ("sha256", pa.string())]
)


def _from_img2dataset(
    form: str, location: Path, rows: list[dict[str, Any]], pictures: list[bytes | None]
) -> Made:
    _stats(location.parent, rows)
    return Made(
        form,
        location.parent,
        location,
        len(rows),
        [row["url"] for row in rows],
        [row["key"] for row in rows],
        pictures,
        [row["sha256"] and bytes.fromhex(row["sha256"]) for row in rows],
    )


def img2dataset_files(root: Path, count: int = 20) -> Made:
    """Picture, caption and JSON of each row in a folder beside the sidecar."""
    rows, pictures = _img2dataset(count)
    (root / "00000").mkdir()
    for row, data in zip(rows, pictures, strict=True):
        if data is not None:
            (root / "00000" / f"{row['key']}.jpg").write_bytes(data)
            (root / "00000" / f"{row['key']}.txt").write_text(row["caption"])
            (root / "00000" / f"{row['key']}.json").write_text(json.dumps(row, indent=4))
    pq.write_table(pa.Table.from_pylist(rows, _SIDECAR), root / "00000.parquet")
    return _from_img2dataset(readers.IMG2DATASET_FILES, root / "00000.parquet", rows, pictures)


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add one member as webdataset does: with a time in fractions, so with a pax header."""
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.uname = len(data), 1795489586.1252503, "bigdata"
    tar.addfile(member, io.BytesIO(data))


def img2dataset_webdataset(root: Path, count: int = 20, sidecar: bool = True) -> Made:
    """The same in a tar."""
    rows, pictures = _img2dataset(count)
    if not sidecar:
        rows = [row for row in rows if row["status"] == "success"]
        pictures = [data for data in pictures if data is not None]
    with tarfile.open(root / "00000.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for row, data in zip(rows, pictures, strict=True):
            if data is not None:
                add(tar, f"{row['key']}.jpg", data)
                add(tar, f"{row['key']}.json", json.dumps(row, indent=4).encode())
                add(tar, f"{row['key']}.txt", row["caption"].encode())
    if sidecar:
        pq.write_table(pa.Table.from_pylist(rows, _SIDECAR), root / "00000.parquet")
    form = readers.IMG2DATASET_WEBDATASET
    made = _from_img2dataset(form, root / "00000.tar", rows, pictures)
    if not sidecar:
        (root / "00000_stats.json").unlink()
    return made


def webdataset_alone(root: Path, count: int = 20) -> Made:
    """A tar that came without its sidecar."""
    return img2dataset_webdataset(root, count, sidecar=False)


def img2dataset_parquet(root: Path, count: int = 20) -> Made:
    """The same with the pictures in the Parquet file."""
    rows, pictures = _img2dataset(count)
    table = pa.Table.from_pylist(rows, _SIDECAR).append_column(
        pa.field("jpg", pa.binary()), pa.array(pictures, pa.binary())
    )
    pq.write_table(table, root / "00000.parquet", row_group_size=9)
    return _from_img2dataset(readers.IMG2DATASET_PARQUET, root / "00000.parquet", rows, pictures)


MAKERS = (
    links_parquet,
    links_csv,
    links_tsv_gz,
    links_jsonl,
    links_jsonl_gz,
    image_parquet,
    img2dataset_files,
    img2dataset_webdataset,
    webdataset_alone,
    img2dataset_parquet,
)
WITH_PICTURES = MAKERS[5:]
