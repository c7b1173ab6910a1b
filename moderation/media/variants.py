"""A picture as it stood before somebody framed or cropped it: more hashes to compare it by.

Two edits move a PDQ far beyond any threshold although nobody would call the picture another one.
A flat margin is undone by leaving it out. Cut edges are undone by repeating the edge pixels
outwards, so that what is left stands where it stood in the larger original.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from moderation.media import pdq
from moderation.media.compiled import compiled
from moderation.media.sampling import Band, View

UNCROPPED = {"uncropped_5": 0.05, "uncropped_10": 0.10}  # share of each side that is gone
NO_DOUBTS = bytes(pdq.WIDTH)
Box = tuple[int, int, int, int]  # top, bottom, left, right

_FLAT = 2.5  # greys by which the pixels of a flat line lie beside its margin's, in the mean
_BLOCK = 10  # lines of the whole picture: a JPEG's block and a little
_LARGEST_MARGIN = 0.4  # of a side


@dataclass(frozen=True)
class Variant:
    """One more PDQ of a picture, with the name of what was compared, and its quality.

    ``doubts``, 32 bytes: the bits that the whole picture may turn over, if a small copy was read.
    """

    name: str
    quality: int
    pdq: bytes
    doubts: bytes = NO_DOUBTS


def undone(view: View) -> Iterator[Variant]:
    """Yield the variants of the picture that is seen in ``view``.

    ``trimmed`` where it has flat margins; ``trimmed_evenly`` where opposite ones differ: a frame is
    as wide on either side, so what goes beyond that may be the picture's own. Then those of
    UNCROPPED.
    """
    height, width = view.height, view.width
    if min(height, width) < pdq.SMALLEST_SIDE:
        return
    whole = (0, height, 0, width)
    box = inside_margins(view)
    even = _even(box, height, width)
    if box != whole:
        yield _inside("trimmed", view, box)
    if even not in (box, whole):
        yield _inside("trimmed_evenly", view, even)
    for name, share in UNCROPPED.items():
        rows = _uncropped(view.rows, height, share)
        yield _variant(name, view, rows, _uncropped(view.columns, width, share))


def differing(variants: Iterable[Variant], plain: bytes) -> tuple[Variant, ...]:
    """Return the variants without those whose hash is ``plain`` or that of one before."""
    found: dict[bytes, Variant] = {}
    for each in variants:
        if each.pdq != plain:
            found.setdefault(each.pdq, each)
    return tuple(found.values())


def inside_margins(view: View) -> Box:
    """Return what lies inside the flat margins, in pixels of the stored picture."""
    copied = view.eighths
    top, bottom, left, right = _inside_margins(view.pixels, -(-_BLOCK * copied // 8))
    return (
        int(top) * 8 // copied,
        min(int(bottom) * 8 // copied, view.height),
        int(left) * 8 // copied,
        min(int(right) * 8 // copied, view.width),
    )


def _even(box: Box, height: int, width: int) -> Box:
    top, bottom, left, right = box
    across, down = min(left, width - right), min(top, height - bottom)
    return down, height - down, across, width - across


def _inside(name: str, view: View, box: Box) -> Variant:
    top, bottom, left, right = box
    rows = view.rows(size=bottom - top, start=top)
    return _variant(name, view, rows, view.columns(size=right - left, start=left))


def _uncropped(side: Callable[..., Band], stored: int, share: float) -> Band:
    """Of the larger picture that is never made: half of what was cut off stood at either end."""
    larger = round(stored / (1 - share))
    return side(size=larger, start=-((larger - stored) // 2))


def _variant(name: str, view: View, rows: Band, columns: Band) -> Variant:
    value, quality, doubts = pdq.part_hash(view, rows, columns)
    return Variant(name, quality, value, doubts)


@compiled
def _inside_margins(luma: Any, block: int) -> Any:
    """Walk inwards from each side over flat lines, once: what is flat behind them is the picture's.

    Sides without a margin are tried again when the others are gone, whose corners may have hidden
    it.
    """
    height, width = luma.shape
    top, bottom, left, right = 0, height, 0, width
    rows, columns = int(height * _LARGEST_MARGIN), int(width * _LARGEST_MARGIN)
    for _ in range(2):
        inside = luma[top:bottom, left:right]
        if top == 0:
            top = _margin(inside, rows, block)
        if bottom == height:
            bottom -= _margin(inside[::-1], rows, block)
        inside = luma[top:bottom, left:right]
        if left == 0:
            left = _margin(inside.T, columns, block)
        if right == width:
            right -= _margin(inside.T[::-1], columns, block)
    return top, bottom, left, right


@compiled
def _margin(lines: Any, limit: int, block: int) -> int:
    """Return how many lines from the first on are flat and alike, at most ``limit``.

    A JPEG blurs the lines of the margin next to the picture, within its blocks. So the margin ends
    not at the first line that strays, but where the strays reach half of what they soon come to.
    """
    length = np.float32(lines.shape[1])
    level = np.float32(0)
    for x in range(lines.shape[1]):
        level += np.float32(lines[0, x])
    level /= length
    flat = 0
    while flat < limit and _stray(lines[flat], level) <= _FLAT:
        flat += 1
    if flat == 0 or flat >= limit:
        return flat
    window = min(block, lines.shape[0] - flat)
    peak = np.float32(0)
    for y in range(window):
        peak = max(peak, _stray(lines[flat + y], level))
    while flat < limit and _stray(lines[flat], level) <= peak / 2:
        flat += 1
    return flat


@compiled
def _stray(line: Any, level: Any) -> Any:
    """Return the mean distance of the pixels from ``level``."""
    total = np.float32(0)
    for x in range(line.size):
        total += abs(np.float32(line[x]) - level)
    return total / np.float32(line.size)
