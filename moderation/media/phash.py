"""pHash, the 64-bit perceptual hash, equal to ``imagehash.phash`` of the same decoded picture.

Steps: grey, 32x32, a DCT of which the 8x8 lowest frequencies are kept, one bit each where above the
median. imagehash shrinks with Pillow's Lanczos filter; ``_shrink`` gives the same bytes many
times as fast: the same weights in 22-bit fixed point, rounded to 8 bits after each pass.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from moderation.media.compiled import compiled
from moderation.media.vectors import LANES, dot

WIDTH = 8  # bytes of one hash
_SIDE = 32
_LOWEST = 8
_HALF = _LOWEST * _LOWEST // 2
_FRACTION_BITS = 22
# The eight lowest frequencies of an unscaled 32-point DCT, as scipy's.
_DCT = 2 * np.cos(np.pi / _SIDE * np.arange(_LOWEST)[:, None] * (np.arange(_SIDE)[None, :] + 0.5))
_CLEAR = 1e-3  # frequencies reach a million, so rounding moves them by far less than this


def phash(pixels: NDArray[np.uint8]) -> bytes:
    """Return the hash (8 bytes, the order of imagehash's hex form) of a grey picture (height,
    width) or of an RGB one (height, width, 3)."""
    small = shrink(pixels if pixels.ndim == 2 else grey_of(pixels))
    lowest = _DCT @ small @ _DCT.T
    below, above = np.partition(lowest, (_HALF - 1, _HALF), axis=None)[_HALF - 1 : _HALF + 1]
    if above - below < _CLEAR:
        # What rounding decides, in flat and symmetric pictures, only the same transform repeats.
        lowest = fft.dct(fft.dct(small, axis=0)[:_LOWEST], axis=1)[:, :_LOWEST]
        return np.packbits(lowest > np.median(lowest)).tobytes()
    return np.packbits(lowest > (below + above) / 2).tobytes()


def grey_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the grey (height, width) that Pillow makes of an RGB picture (height, width, 3)."""
    grey: NDArray[np.uint8] = _grey(np.ascontiguousarray(pixels).reshape(len(pixels), -1))
    return grey


def shrink(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return a grey picture (height, width) at 32x32, whole numbers, as Pillow's Lanczos does."""
    height, width = grey.shape
    # Pillow 13 goes down the columns first where the height shrinks by more than twice as much.
    tall = height > _SIDE and height - _SIDE > 2 * (width - _SIDE)
    if tall:
        grey, height, width = grey.T, width, height
    small: NDArray[np.float64] = _shrink(
        np.ascontiguousarray(grey), *_weights(height), *_weights(width)
    )
    return small.T if tall else small


@lru_cache(maxsize=512)
def _weights(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Return first source pixel, count and fixed-point weights of each of the 32 small pixels;
    zeros behind these weights, to a multiple of LANES."""
    if size == _SIDE:  # Pillow leaves such an axis alone
        alone = np.zeros((_SIDE, LANES), np.int32)
        alone[:, 0] = 1 << _FRACTION_BITS
        return np.arange(_SIDE), np.ones(_SIDE, np.int64), alone
    first, count, weights = _lanczos_weights(size)
    return first, count, weights


@compiled
def _grey(rows: Any) -> Any:
    """Return the grey of ``rows`` of red, green, blue, red ...: ITU-R 601 in 16-bit fixed point."""
    height, width = rows.shape[0], rows.shape[1] // 3
    grey = np.empty((height, width), np.uint8)
    for y in range(height):
        row, out = rows[y], grey[y]
        for x in range(width):
            total = np.uint32(row[3 * x]) * np.uint32(19595)
            total += np.uint32(row[3 * x + 1]) * np.uint32(38470)
            total += np.uint32(row[3 * x + 2]) * np.uint32(7471)
            out[x] = np.uint8((total + np.uint32(0x8000)) >> np.uint32(16))
    return grey


@compiled
def _lanczos_weights(size: int) -> Any:
    """Those of the second half are those of the first, the other way round.

    The filter is sin(x) sin(x / 3) / (x x / 3), x in half turns; three times an angle has the sine
    s (3 - 4 s s).
    """
    scale = size / 32
    stretch = max(scale, 1.0)
    reach = 3.0 * stretch
    first = np.zeros(32, np.int64)
    count = np.zeros(32, np.int64)
    most = 2 * math.ceil(reach) + 1
    weights = np.zeros((32, (most + LANES - 1) // LANES * LANES), np.int32)
    exact = np.zeros(most, np.float64)
    for k in range(32):
        centre = (k + 0.5) * scale
        first[k] = max(0, int(centre - reach + 0.5))
        count[k] = min(size, int(centre + reach + 0.5)) - first[k]
    for k in range(16):
        centre = (k + 0.5) * scale
        total = 0.0
        for i in range(count[k]):
            x = (i + first[k] - centre + 0.5) * (1.0 / stretch)
            exact[i] = 1.0 if x == 0.0 else 0.0
            if x != 0.0 and -3.0 <= x < 3.0:
                angle = x / 3.0 * math.pi
                square = math.sin(angle) ** 2
                exact[i] = square * (3.0 - 4.0 * square) / (3.0 * angle * angle)
            total += exact[i]
        for i in range(count[k]):
            fixed = exact[i] / total * (1 << 22)
            weights[k, i] = int(fixed - 0.5) if fixed < 0 else int(fixed + 0.5)
    for k in range(16, 32):
        other = 31 - k
        for i in range(count[k]):
            at = size - 1 - first[k] - i - first[other]
            if 0 <= at < count[other]:
                weights[k, i] = weights[other, at]
    return first, count, weights


@compiled
def _shrink(
    grey: Any,
    row_first: Any,
    row_count: Any,
    row_weights: Any,
    column_first: Any,
    column_count: Any,
    column_weights: Any,
) -> Any:
    """Return ``grey`` at 32x32 as whole numbers 0 to 255 in float64."""
    height, width = grey.shape
    narrow = np.empty((height, 32), np.int32)
    length = column_weights.shape[1]
    line = np.zeros(width + length, np.int32)
    half = np.int32(1 << 21)
    for y in range(height):
        for x in range(width):
            line[x] = grey[y, x]
        for k in range(32):
            blocks = (column_count[k] + LANES - 1) // LANES
            total = dot(line, column_first[k], column_weights, k * length, blocks) + half
            narrow[y, k] = min(max(total >> 22, 0), 255)
    small = np.empty((32, 32), np.float64)
    sums = np.empty(32, np.int32)
    for y in range(32):
        sums[:] = half
        for i in range(row_count[y]):
            weight = row_weights[y, i]
            source = narrow[row_first[y] + i]
            for k in range(32):
                sums[k] += source[k] * weight
        for k in range(32):
            small[y, k] = min(max(sums[k] >> 22, 0), 255)
    return small
