"""The sample's PDQ: the reference and the product's agree; turns are told apart."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from sample import drawing, perceptual


def test_the_products_pdq_serves_where_the_reference_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures = [drawing.draw(seed) for seed in range(6)]
    reference = [perceptual.pdq(picture) for picture in pictures]
    monkeypatch.setattr(perceptual, "pdqhash", None)
    for picture, (value, quality) in zip(pictures, reference, strict=True):
        ours, our_quality = perceptual.pdq(picture)
        both = np.frombuffer(ours, np.uint8), np.frombuffer(value, np.uint8)
        assert perceptual.distances(*both) <= 2
        assert abs(our_quality - quality) <= 2


@pytest.mark.parametrize(
    ("edit", "turn"),
    [
        (lambda image: image, "plain"),
        (ImageOps.mirror, "flip_h"),
        (ImageOps.flip, "flip_v"),
        (lambda image: image.transpose(Image.Transpose.ROTATE_90), "rot90"),
        (lambda image: image.transpose(Image.Transpose.ROTATE_180), "rot180"),
        (lambda image: image.transpose(Image.Transpose.ROTATE_270), "rot270"),
        (lambda image: image.transpose(Image.Transpose.TRANSPOSE), "transpose"),
        (lambda image: image.transpose(Image.Transpose.TRANSVERSE), "transverse"),
    ],
)
def test_the_nearest_turn_is_named(edit: object, turn: str) -> None:
    assert callable(edit)
    picture = drawing.draw(3)
    value, _ = perceptual.pdq(edit(picture))
    assert perceptual.nearest_turn(picture, value) == (0, turn)


def test_the_family_begins_with_the_plain_hash() -> None:
    picture = drawing.draw(7)
    values, quality = perceptual.family(picture)
    assert values.shape == (8, 32)
    assert (values[0].tobytes(), quality) == perceptual.pdq(picture)
