"""PDQ: bit for bit the reference on a full decode, a few bits away from it on a scaled one."""

import numpy as np
import pdqhash
import pytest

from moderation.media import pdq
from tests.moderation.media.drawing import distance, patterns, scene

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


@pytest.mark.parametrize("size", [(130, 257), (300, 200), (511, 640), (48, 90)])
def test_the_eight_orientations_equal_the_reference(size):
    pixels = patterns(*size)["colours"]
    expected, expected_quality = pdqhash.compute_dihedral(pixels)
    # The reference calls a picture flipped about its horizontal axis "flip x".
    ours_in_its_order = ("plain", "rot90", "rot180", "rot270", "flip_v", "flip_h")
    ours_in_its_order += ("transpose", "transverse")
    values, quality = pdq.dihedral(pdq.luma_of(pixels))
    named = dict(zip(pdq.ORIENTATIONS, values, strict=True))
    for name, bits in zip(ours_in_its_order, expected, strict=True):
        assert named[name] == np.packbits(bits.astype(np.uint8)).tobytes(), name
    assert quality == expected_quality


def test_orientations_are_what_they_are_called():
    luma = np.asarray(scene(512, 512, 3).convert("L"))
    turned = {
        "plain": luma,
        "rot90": np.rot90(luma),
        "rot180": np.rot90(luma, 2),
        "rot270": np.rot90(luma, 3),
        "flip_h": luma[:, ::-1],
        "flip_v": luma[::-1],
        "transpose": luma.T,
        "transverse": np.rot90(luma, 2).T,
    }
    values, _ = pdq.dihedral(luma)
    for name, value in zip(pdq.ORIENTATIONS, values, strict=True):
        distances = {other: distance(value, pdq.pdq(seen)[0]) for other, seen in turned.items()}
        # Not 0: the filters of the reference lean to one side by half a pixel.
        assert distances.pop(name) <= 31
        assert min(distances.values()) > 64


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
        grid = pdq.scaled_grid(small, height=height, width=width, eighths=eighths)
        (value, *_), quality = pdq.grid_hashes(grid)
        expected, expected_quality = pdq.pdq(luma)
        distances.append(distance(value, expected))
        assert abs(quality - expected_quality) <= 3
    assert np.median(distances) <= 4
    assert max(distances) <= 12


def test_weights_of_each_sample_sum_to_one():
    for size in (5, 63, 64, 100, 257, 1000, 4001):
        for eighths in range(1, 9):
            for reverse in (False, True):
                first, count, weights = pdq._band(size, eighths, reverse)
                assert np.allclose(weights.sum(1), 1, atol=1e-5)
                assert first.min() >= 0
                assert (first + count).max() <= -(-size * eighths // 8)
