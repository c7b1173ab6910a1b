"""The edits of the recall table change what they say they change."""

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.edits import EDITS, crops, edited
from sample import drawing

PICTURE = drawing.draw(3, size=(400, 200))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("JPEG quality 30", (400, 200)),
        ("50 % of the size", (200, 100)),
        ("25 % of the size", (100, 50)),
        ("crop 5 %", (380, 190)),
        ("crop 10 %", (360, 180)),
        ("border 3 %", (412, 212)),
        ("border 10 %", (440, 240)),
        ("rotate 3 degrees", (400, 200)),
        ("turn 90 degrees", (200, 400)),
        ("turn 180 degrees", (400, 200)),
    ],
)
def test_size_after_an_edit(name: str, size: tuple[int, int]) -> None:
    assert _opened(edited(PICTURE, name)).size == size


@pytest.mark.parametrize("name", sorted(EDITS.keys() - {"JPEG quality 30"}))
def test_every_edit_shows(name: str) -> None:
    image = EDITS[name](PICTURE)

    assert image.size != PICTURE.size or not np.array_equal(
        np.asarray(image.convert("RGB")), np.asarray(PICTURE)
    )


def test_crops_cover_no_pixel_twice() -> None:
    numbered = Image.fromarray(np.arange(200 * 400, dtype=np.int32).reshape(200, 400))

    squares = crops(numbered, 64)

    pixels = np.concatenate([np.asarray(square).ravel() for square in squares])
    assert len(squares) == 3 * 6
    assert len(np.unique(pixels)) == len(pixels)


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))
