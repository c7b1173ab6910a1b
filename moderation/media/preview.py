"""Previews: small, grey, without metadata, made in memory. They are all a browser ever gets.

Four copies of a picture are made: 24 pixels on the longest side (L1), 64 (L2), a drawing of its
lines at 128 (L2 too), and 256, then blurred (L3).
"""

import io
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from moderation.media.decode import decode


class Copy(NamedTuple):
    """Which copy of a picture: its level, and whether it is a drawing of its lines alone."""

    level: int
    drawing: bool = False


SIDES = {Copy(1): 24, Copy(2): 64, Copy(2, drawing=True): 128, Copy(3): 256}  # px, the longest
BLUR = 200  # L3: the standard deviation of its blur is the longest side divided by this
LARGEST_ENLARGED = 1024
_LARGEST_BYTES = 131_072  # of a copy; 256 x 256 grey pixels cannot need more
_LINE_FROM, _LINE_FULL = 1.5, 7.0  # steps of grey: where a line begins to show, where it is black


def copies(data: bytes) -> dict[Copy, bytes]:
    """Return every copy of the picture in ``data`` as a grey PNG; of an animation, of one still.

    A picture that is already smaller than a copy keeps its size. Raises PictureError.
    """
    grey = decode(data).image.convert("L")
    return {copy: _png(_made(_reduced(grey, side), copy)) for copy, side in SIDES.items()}


def enlarge(small_png: bytes, copy: Copy, *, side: int) -> bytes:
    """Return a copy enlarged smoothly, as a grey PNG with its longest side ``side`` pixels.

    Takes what ``copies`` makes as this very copy and nothing else: ValueError for anything larger,
    coloured or not a PNG, so that no original can be shown by this way, nor L3 as a lower level.
    """
    if not 1 <= side <= LARGEST_ENLARGED:
        raise ValueError(f"side must lie between 1 and {LARGEST_ENLARGED} pixels")
    if len(small_png) > _LARGEST_BYTES:
        raise ValueError("not a preview: too many bytes")
    try:
        with Image.open(io.BytesIO(small_png), formats=("PNG",)) as small:
            if small.mode != "L" or max(small.size) > SIDES[copy]:
                raise ValueError("not a preview: too large or not grey")
            longest = max(small.size)
            width, height = (max(1, round(length * side / longest)) for length in small.size)
            return _png(small.resize((width, height), Image.Resampling.BICUBIC))
    except (OSError, SyntaxError) as error:
        raise ValueError("not a preview: not a PNG") from error


def _reduced(grey: Image.Image, side: int) -> Image.Image:
    """Each pixel becomes the mean of the block it stands for: nothing finer than ``side`` blocks a
    side is left."""
    longest = max(grey.size)
    if longest <= side:
        return grey
    width, height = (max(1, round(length * side / longest)) for length in grey.size)
    return grey.resize((width, height), Image.Resampling.BOX)


def _made(small: Image.Image, copy: Copy) -> Image.Image:
    if copy.drawing:
        return _as_grey(_lines(np.asarray(small, np.float32)))
    if copy.level == 3:
        return _as_grey(_blurred(np.asarray(small, np.float32), max(small.size) / BLUR))
    return small


def _lines(values: NDArray[Any]) -> NDArray[Any]:
    """Dark lines on white where the picture gets darker within a pixel or two, and no tones."""
    step: NDArray[Any] = _blurred(values, 1.6) - _blurred(values, 0.8)
    lines: NDArray[Any] = 255 * (1 - (step - _LINE_FROM) / (_LINE_FULL - _LINE_FROM))
    return lines


def _blurred(values: NDArray[Any], deviation: float) -> NDArray[Any]:
    """Blur by a Gaussian, the edge going on as it is; not Pillow's, which is a near one."""
    reach = max(1, math.ceil(4 * deviation))
    weights = np.exp(-((np.arange(-reach, reach + 1) / deviation) ** 2) / 2)
    weights /= weights.sum()
    for axis in (0, 1):
        around = [(reach, reach) if each == axis else (0, 0) for each in (0, 1)]
        padded = np.pad(values, around, mode="edge")
        values = sliding_window_view(padded, weights.size, axis) @ weights
    return values


def _as_grey(values: NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _png(grey: Image.Image) -> bytes:
    bare = Image.new("L", grey.size)  # a new picture has no info, so nothing rides along
    bare.paste(grey)
    file = io.BytesIO()
    bare.save(file, "PNG")
    return file.getvalue()
