"""The 64x64 samples of PDQ by summed weights: mirrored, shrunk, trimmed or continued pictures.

PDQ blurs a picture with two box filters per axis of 1/128 of the side and keeps 64 samples. All of
that is linear and the axes are independent, so each sample is a weighted sum of a band of rows and
a band of columns. Here the picture that is sampled need not exist: it may be the stored one
mirrored, a part of it, larger than it with its edge pixels repeated, or known from a copy that was
shrunk while decoding. The samples differ from the reference's by rounding alone.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moderation.media.compiled import compiled

Grid = NDArray[np.float32]


class Band(NamedTuple):
    """First stored pixel, number of pixels and weights of each of the 64 samples of an axis."""

    first: NDArray[np.int64]
    length: NDArray[np.int64]
    weights: Grid


@dataclass(frozen=True)
class View:
    """Pixels at hand, (height, width) uint8 or float32, and the picture that is seen in them.

    They may be the copy that a JPEG decoder makes at ``eighths``/8 of the size, as stored;
    ``height`` and ``width`` are those of the stored picture, ``turn`` is its EXIF orientation.
    """

    pixels: NDArray[Any]
    height: int
    width: int
    eighths: int = 8
    turn: int = 1

    @classmethod
    def of(cls, luma: NDArray[Any]) -> "View":
        """Return the view of a whole picture as it is to be seen."""
        return cls(luma, *luma.shape)

    @property
    def exchanged(self) -> bool:
        """Whether what is seen has the stored rows for columns (EXIF 2.3, 4.6.4)."""
        return self.turn >= 5

    def rows(self, *, size: int | None = None, start: int = 0, mirrored: bool = False) -> "Band":
        """Return the weights down the stored picture, or ``size`` rows from ``start``; those of
        what is seen, or of its mirror image."""
        return self._band(self.height, size, start, (self.turn in (3, 4, 6, 7)) != mirrored)

    def columns(self, *, size: int | None = None, start: int = 0, mirrored: bool = False) -> "Band":
        """Return the weights across, as ``rows`` returns those down."""
        return self._band(self.width, size, start, (self.turn in (2, 3, 7, 8)) != mirrored)

    def _band(self, stored: int, size: int | None, start: int, reverse: bool) -> "Band":
        return band(stored, size=size, start=start, reverse=reverse, eighths=self.eighths)


@lru_cache(maxsize=512)  # 4 to 35 KiB each
def band(
    stored: int,
    *,
    size: int | None = None,
    start: int = 0,
    reverse: bool = False,
    eighths: int = 8,
) -> Band:
    """Return the weights along an axis of ``stored`` pixels.

    The picture that is sampled has ``size`` pixels there (all by default) and begins at the stored
    pixel ``start``; what lies beyond the stored ones repeats the outermost. ``reverse`` then reads
    it backwards. ``eighths``: what is at hand is a copy at that many eighths of the stored size.
    """
    return Band(*_weights(stored, stored if size is None else size, start, reverse, eighths))


@compiled
def _weights(stored: int, size: int, start: int, reverse: bool, eighths: int) -> Any:
    """Stored pixel s covers [s, s + 1); pixel b of the copy stands for [8 b / k, 8 (b + 1) / k),
    k = ``eighths``. A stored pixel's weight is shared out by overlap, counted in 1/k pixels.

    Away from the ends two samples have the same weights if they begin at the same part of a block.
    They are worked out once: hardly two pictures of a crawl are of one size.
    """
    window = (size + 127) // 128
    lead = (window + 2) // 2 - 1
    lag = window - 1 - lead
    first = np.empty(64, np.int64)
    count = np.empty(64, np.int64)
    copied = (stored * eighths + 7) // 8
    weights = np.zeros((64, min(copied, (4 * window * eighths) // 8 + 3)), np.float32)
    alike = np.full(8, -1, np.int64)  # by where in a block it begins: a sample away from the ends
    for k in range(64):
        centre = ((2 * k + 1) * size) // 128
        outer_from, outer_to = max(0, centre - lag), min(size - 1, centre + lead)
        lowest = max(0, outer_from - lag)
        highest = min(size - 1, outer_to + lead)
        away = highest - lowest == 2 * (window - 1)
        if reverse:
            lowest, highest = size - 1 - highest, size - 1 - lowest
        away = away and lowest + start >= 0 and highest + start < stored
        lowest = min(max(lowest + start, 0), stored - 1)
        highest = min(max(highest + start, 0), stored - 1)
        first[k] = lowest * eighths // 8
        count[k] = ((highest + 1) * eighths - 1) // 8 - first[k] + 1
        phase = lowest * eighths % 8
        if away and alike[phase] >= 0:
            for i in range(count[k]):
                weights[k, i] = weights[alike[phase], i]
            continue
        if away:
            alike[phase] = k
        outer = 1.0 / (outer_to - outer_from + 1)
        for m in range(outer_from, outer_to + 1):
            inner_from, inner_to = max(0, m - lag), min(size - 1, m + lead)
            share = outer / ((inner_to - inner_from + 1) * eighths)
            for s in range(inner_from, inner_to + 1):
                pixel = (size - 1 - s if reverse else s) + start
                at = min(max(pixel, 0), stored - 1) * eighths
                block = at // 8
                inside = min(eighths, 8 * (block + 1) - at)
                weights[k, block - first[k]] += share * inside
                if inside < eighths:
                    weights[k, block + 1 - first[k]] += share * (eighths - inside)
    return first, count, weights


@compiled
def down(pixels: Any, rows: Any) -> Any:
    """Return the 64 rows of samples of ``pixels``, as wide as these, by a Band."""
    first, count, weights = rows
    width = pixels.shape[1]
    lines = np.zeros((64, width), np.float32)
    for y in range(64):
        line = lines[y]
        for i in range(count[y]):
            weight = weights[y, i]
            source = pixels[first[y] + i]
            for x in range(width):
                line[x] += weight * np.float32(source[x])
    return lines


@compiled
def across(lines: Any, columns: Any) -> Any:
    """Return the 64 columns of samples of what ``down`` returned, by a Band.

    Four rows at once: one alone waits for its own sum.
    """
    first, count, weights = columns
    grid = np.empty((64, 64), np.float32)
    for y in range(0, 64, 4):
        for k in range(64):
            a = b = c = d = np.float32(0)
            for i in range(count[k]):
                x, weight = first[k] + i, weights[k, i]
                a += weight * lines[y, x]
                b += weight * lines[y + 1, x]
                c += weight * lines[y + 2, x]
                d += weight * lines[y + 3, x]
            grid[y, k], grid[y + 1, k], grid[y + 2, k], grid[y + 3, k] = a, b, c, d
    return grid
