"""A Hugging Face dataset of pictures: parquet whose rows carry the original bytes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sample.captions import caption
from sample.pictures import Picture
from sample.planting import Plant

SHARDS = 4
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
FEATURES = {
    "image": {"_type": "Image"},
    "text": {"dtype": "string", "_type": "Value"},
    "label": {"dtype": "int64", "_type": "Value"},
}
BROKEN = {
    "null": "no_picture",
    "no-bytes": "no_picture",
    "text": "not_a_picture",
    "truncated": "truncated",
}


@dataclass(frozen=True)
class Row:
    """One row; ``kind`` says what is wrong with its picture, of BROKEN."""

    bytes: bytes | None
    path: str | None
    text: str
    label: int
    picture: Picture | None = None
    plant: Plant | None = None
    kind: str | None = None


def rows(pictures: Sequence[Picture], plants: Sequence[Plant], *, seed: int) -> list[Row]:
    """Return a row for each picture and one for each of BROKEN, shuffled."""
    random = np.random.default_rng([seed, 5])
    planted = {plant.picture.name: plant for plant in plants}
    whole = next(p for p in pictures if p.format == "JPEG" and p.name not in planted)

    def row(data: bytes | None, path: str | None, picture: Picture | None, kind: str | None) -> Row:
        plant = planted.get(picture.name) if picture else None
        label = int(random.integers(0, 10))
        return Row(data, path, caption(random), label, picture, plant, kind)

    made = [row(picture.data, picture.name, picture, None) for picture in pictures]
    made += [
        row(None, None, None, "null"),
        row(None, "elsewhere.jpg", None, "no-bytes"),
        row(b"Only words here.\n" * 50, "words.jpg", None, "text"),
        row(whole.data[: len(whole.data) // 2], "half.jpg", None, "truncated"),
    ]
    return [made[i] for i in random.permutation(len(made))]


def write(rows: Sequence[Row], path: Path) -> None:
    """Write one shard, with the feature description in the schema's metadata."""
    images = [
        None if row.kind == "null" else {"bytes": row.bytes, "path": row.path} for row in rows
    ]
    table = pa.table(
        {
            "image": pa.array(images, IMAGE),
            "text": pa.array([row.text for row in rows], pa.string()),
            "label": pa.array([row.label for row in rows], pa.int64()),
        }
    )
    described = json.dumps({"info": {"features": FEATURES}})
    pq.write_table(
        table.replace_schema_metadata({"huggingface": described}), path, row_group_size=50
    )
