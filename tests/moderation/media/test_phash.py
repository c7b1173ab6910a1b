"""pHash: equal to imagehash on the same decoded picture."""

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from moderation.media.phash import grey_of, phash, shrink
from tests.moderation.media.drawing import any_pixels, patterns, scene


def same_as_imagehash(image):
    return phash(np.asarray(image)).hex() == str(imagehash.phash(image))


@pytest.mark.parametrize("kind", ["flat", "ramp", "checks", "waves", "colours", "noise"])
@pytest.mark.parametrize(
    "size", [(1, 1), (3, 2), (8, 17), (32, 32), (32, 100), (100, 32), (90, 400), (700, 301)]
)
def test_equals_imagehash_on_patterns(size, kind):
    assert same_as_imagehash(Image.fromarray(patterns(*size)[kind]))


def test_equals_imagehash_on_many_shapes():
    random = np.random.default_rng(4)
    for _ in range(400):
        width, height = (int(side) for side in random.integers(1, 500, 2))
        grey = Image.fromarray(random.integers(0, 256, (7, 7), dtype=np.uint8))
        assert same_as_imagehash(grey.resize((width, height), Image.Resampling.BICUBIC))


def test_equals_imagehash_on_scenes_in_colour_and_grey():
    for seed, mode in enumerate(("RGB", "L", "RGB", "L")):
        assert same_as_imagehash(scene(411, 305, seed).convert(mode))


@settings(max_examples=200, deadline=None)
@given(
    height=st.integers(1, 420),
    width=st.integers(1, 420),
    seed=st.integers(0, 2**32 - 1),
    grey=st.booleans(),
)
def test_equals_imagehash_whatever_size_and_content(height, width, seed, grey):
    image = Image.fromarray(any_pixels(width, height, seed))
    assert same_as_imagehash(image.convert("L") if grey else image)


def test_every_colour_becomes_the_grey_that_pillow_makes_of_it():
    values = np.arange(256, dtype=np.uint8)
    for red in range(0, 256, 5):
        pixels = np.stack(
            np.meshgrid(values[red : red + 1], values, values, indexing="ij"), axis=-1
        )[0]
        expected = Image.fromarray(np.ascontiguousarray(pixels)).convert("L")
        assert np.array_equal(grey_of(pixels), np.asarray(expected))


def test_shrinks_to_the_bytes_that_pillow_gives():
    random = np.random.default_rng(5)
    for height, width in [(33, 34), (500, 40), (40, 500), (97, 64), (96, 64), (800, 600)]:
        grey = random.integers(0, 256, (height, width), dtype=np.uint8)
        expected = Image.fromarray(grey).resize((32, 32), Image.Resampling.LANCZOS)
        assert np.array_equal(shrink(grey), np.asarray(expected))


def test_shrinks_every_width_to_the_bytes_that_pillow_gives():
    random = np.random.default_rng(6)
    for width in [*range(1, 300), *range(300, 3000, 37)]:
        grey = random.integers(0, 256, (33, width), dtype=np.uint8)
        expected = Image.fromarray(grey).resize((32, 32), Image.Resampling.LANCZOS)
        assert np.array_equal(shrink(grey), np.asarray(expected)), width
