"""Pictures drawn in code, and small datasets of them, for tests that need a few."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def picture(seed: int, *, side: int = 320) -> Image.Image:
    """A smooth field of colour with structure enough for PDQ; the same for the same seed."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    return small.resize((side, side), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """The picture's file bytes."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def links(
    path: Path, pictures: Sequence[bytes], *, md5: bool = True, base: str = "https://p.invalid"
) -> Path:
    """A LAION-style parquet of links; the md5 column is of these pictures."""
    numbers = range(len(pictures))
    table = pa.table(
        {
            "URL": [f"{base}/{path.stem}/{n}.jpg" for n in numbers],
            "TEXT": [f"A quiet harbour, view {n}" for n in numbers],
            "WIDTH": pa.array([320] * len(pictures), pa.int32()),
            "HEIGHT": pa.array([320] * len(pictures), pa.int32()),
            "hash": pa.array([10_000 + n for n in numbers], pa.int64()),
            "punsafe": pa.array([0.1] * len(pictures), pa.float32()),
            "md5": [hashlib.md5(data).hexdigest() if md5 else None for data in pictures],
        }
    )
    pq.write_table(table, path)
    return path


def embedded(path: Path, pictures: Sequence[bytes]) -> Path:
    """A Hugging Face image parquet."""
    image = pa.array(
        [{"bytes": data, "path": f"{n}.jpg"} for n, data in enumerate(pictures)],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    pq.write_table(pa.table({"image": image, "label": list(range(len(pictures)))}), path)
    return path
