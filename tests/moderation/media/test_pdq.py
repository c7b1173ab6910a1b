"""PDQ: bit for bit the reference on a full decode, a few bits away from it on a scaled one."""

import numpy as np
import pdqhash
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.media import pdq
from moderation.media.sampling import View
from tests.moderation.media.drawing import any_pixels, distance, patterns, scene

SIZES = [
    (5, 5),
    (5, 9),
    (7, 300),
    (63, 64),
    (64, 63),
    (64, 64),
    (65, 65),
    (127, 128),
    (129, 128),
    (130, 257),
    (500, 7),
    (256, 256),
    (511, 640),
    (513, 1023),
    (801, 600),
    (100, 2000),
]


def reference(pixels):
    bits, quality = pdqhash.compute(pixels)
    return np.packbits(bits.astype(np.uint8)).tobytes(), quality


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("kind", ["flat", "ramp", "checks", "waves", "colours", "noise"])
def test_equals_the_reference_bit_for_bit(height, width, kind):
    pixels = patterns(width, height)[kind]
    assert pdq.pdq(pdq.luma_of(pixels)) == reference(pixels)


def test_equals_the_reference_on_scenes():
    for seed in range(12):
        pixels = np.asarray(scene(301 + 40 * seed, 280 + 31 * seed, seed))
        value, quality = pdq.pdq(pdq.luma_of(pixels))
        assert (value, quality) == reference(pixels)
        assert quality > 50


@settings(max_examples=120, deadline=None)
@given(height=st.integers(5, 420), width=st.integers(5, 420), seed=st.integers(0, 2**32 - 1))
def test_equals_the_reference_whatever_size_and_content(height, width, seed):
    pixels = any_pixels(width, height, seed)
    assert pdq.pdq(pdq.luma_of(pixels)) == reference(pixels)


def test_every_colour_has_the_luma_of_the_reference():
    values = np.arange(256, dtype=np.uint8)
    green, blue = np.meshgrid(values, values, indexing="ij")
    for red in range(256):
        pixels = np.stack((np.full_like(green, red), green, blue), axis=-1)
        expected = (red * 0.299 + green * 0.587 + blue * 0.114).astype(np.float32)
        assert np.array_equal(pdq.luma_of(pixels), expected)


def turned(pixels):
    return {
        "plain": pixels,
        "rot90": np.rot90(pixels),
        "rot180": np.rot90(pixels, 2),
        "rot270": np.rot90(pixels, 3),
        "flip_h": pixels[:, ::-1],
        "flip_v": pixels[::-1],
        "transpose": pixels.swapaxes(0, 1),
        "transverse": np.rot90(pixels, 2).swapaxes(0, 1),
    }


@pytest.mark.parametrize("size", [(130, 257), (300, 200), (511, 640), (48, 90), (1024, 768)])
def test_each_orientation_is_the_reference_of_the_turned_pixels(size):
    pixels = np.asarray(scene(*size, 3))
    values, quality = pdq.dihedral(pdq.luma_of(pixels))
    for (name, seen), value in zip(turned(pixels).items(), values, strict=True):
        expected, _ = reference(np.ascontiguousarray(seen))
        assert distance(value, expected) <= (0 if name == "plain" else 2), name
    assert tuple(turned(pixels)) == pdq.ORIENTATIONS
    assert quality == reference(pixels)[1]


def test_grey_bytes_and_their_floats_hash_alike():
    grey = np.asarray(scene(333, 222, 5).convert("L"))
    assert pdq.pdq(grey) == pdq.pdq(grey.astype(np.float32))


def test_rows_that_are_not_contiguous_hash_like_their_copy():
    luma = np.asarray(scene(320, 240, 6).convert("L"))[::2, ::3]
    assert pdq.pdq(luma) == pdq.pdq(luma.copy())


@pytest.mark.parametrize("shape", [(1, 1), (4, 400), (400, 4)])
def test_below_five_pixels_there_is_no_hash(shape):
    value, quality = pdq.pdq(np.full(shape, 9, np.uint8))
    assert (value, quality) == (bytes(32), 0)
    assert pdq.dihedral(np.full(shape, 9, np.uint8)) == ([bytes(32)] * 8, 0)


def test_a_flat_picture_has_quality_nought():
    assert pdq.pdq(np.full((300, 300), 200, np.uint8))[1] == 0


def block_means(luma, eighths):
    """Shrink by the exact block means that scaled_grid takes a small pixel for."""
    fine = np.repeat(np.repeat(luma.astype(np.float32), eighths, 0), eighths, 1)
    height, width = (-(-side // 8) * 8 for side in fine.shape)
    padded = np.pad(fine, ((0, height - fine.shape[0]), (0, width - fine.shape[1])), mode="edge")
    means = padded.reshape(height // 8, 8, width // 8, 8).mean((1, 3))
    return np.round(means).astype(np.uint8)


@pytest.mark.parametrize("eighths", range(1, 9))
def test_a_small_copy_is_read_as_block_means_of_the_true_size(eighths):
    distances = []
    for seed in range(4):
        luma = np.asarray(scene(803 + seed, 701 + 3 * seed, seed).convert("L"))
        small = block_means(luma, eighths)
        height, width = luma.shape
        (value, *_), quality, _ = pdq.view_dihedral(View(small, height, width, eighths))
        expected, expected_quality = pdq.pdq(luma)
        distances.append(distance(value, expected))
        assert abs(quality - expected_quality) <= 3
    assert np.median(distances) <= 4
    assert max(distances) <= 12
