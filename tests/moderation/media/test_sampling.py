"""The 64x64 samples by weights: those of the reference, of whatever picture they speak of."""

import numpy as np
import pytest

from moderation.media import pdq, sampling
from moderation.media.sampling import View
from tests.moderation.media.drawing import distance, scene

SIZES = (5, 63, 64, 100, 257, 1000, 4001)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("eighths", range(1, 9))
def test_weights_of_each_sample_sum_to_one_within_the_copy(eighths, reverse):
    for size in SIZES:
        for whole, start in ((size, 0), (size + size // 9, -(size // 18)), (size - size // 9, 1)):
            first, count, weights = sampling.band(
                size, size=whole, start=start, reverse=reverse, eighths=eighths
            )
            assert np.allclose(weights.sum(1), 1, atol=1e-5)
            assert (first.min() >= 0, count.min() >= 1) == (True, True)
            assert (first + count).max() <= -(-size * eighths // 8)


def blurred(size: int) -> np.ndarray:
    """Two box filters along an axis of so many pixels, as a matrix: windows are cut at the ends."""
    window = (size + 127) // 128
    lead = (window + 2) // 2 - 1
    box = np.zeros((size, size))
    for at in range(size):
        inside = slice(max(0, at - (window - 1 - lead)), min(size, at + lead + 1))
        box[at, inside] = 1 / (inside.stop - inside.start)
    return box @ box


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("eighths", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("stored", [90, 257, 640, 1001])
def test_the_weights_are_those_of_two_box_filters(stored, eighths, reverse):
    for size, start in ((stored, 0), (stored + 70, -35), (stored - 20, 11)):
        whole = blurred(size)[[((2 * k + 1) * size) // 128 for k in range(64)]]
        expected = np.zeros((64, -(-stored * eighths // 8)))
        for pixel in range(size):
            at = min(max((size - 1 - pixel if reverse else pixel) + start, 0), stored - 1) * eighths
            inside = min(eighths, 8 - at % 8)
            expected[:, at // 8] += whole[:, pixel] * inside / eighths
            if inside < eighths:
                expected[:, at // 8 + 1] += whole[:, pixel] * (eighths - inside) / eighths
        first, count, weights = sampling.band(
            stored, size=size, start=start, reverse=reverse, eighths=eighths
        )
        found = np.zeros_like(expected)
        for k in range(64):
            found[k, first[k] : first[k] + count[k]] = weights[k, : count[k]]
        assert np.allclose(found, expected, atol=1e-6)


def hash_of(luma, rows, columns):
    return pdq.part_hash(View.of(luma), rows, columns)[0]


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (300, 411), (777, 512), (1200, 90)])
def test_the_hash_by_weights_is_that_of_the_pixels(height, width, kind):
    luma = np.asarray(scene(width, height, 8).convert("L")).astype(kind)
    rows, columns = sampling.band(height), sampling.band(width)
    assert distance(hash_of(luma, rows, columns), pdq.pdq(luma)[0]) <= 2


def test_a_part_and_a_continued_picture_are_never_made_and_hash_as_if_they_were():
    luma = np.asarray(scene(500, 400, 9).convert("L"))
    part = luma[30:380, 20:490]
    rows, columns = sampling.band(400, size=350, start=30), sampling.band(500, size=470, start=20)
    assert distance(hash_of(luma, rows, columns), pdq.pdq(part)[0]) <= 2
    larger = np.pad(luma, ((20, 22), (31, 29)), mode="edge")
    rows = sampling.band(400, size=442, start=-20)
    columns = sampling.band(500, size=560, start=-31)
    assert distance(hash_of(luma, rows, columns), pdq.pdq(larger)[0]) <= 2
