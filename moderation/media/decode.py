"""Untrusted bytes to pixels, within limits, or a PictureError that says why not.

What comes out is the picture as it is to be seen: EXIF orientation applied, transparency laid on
white, CMYK and palettes turned into RGB, 16 bits of grey or of a colour into their upper eight. Of
an animation or a multi-page file ``decode`` takes the first frame; ``later_frames`` gives more of
them within its own limits.
"""

import io
import itertools
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from moderation.media import containers, pdq
from moderation.media.compiled import compiled
from moderation.media.flattening import flattened
from moderation.media.sampling import View

MAX_PIXELS = 100_000_000  # about 800 MB at the peak of a full decode; a scaled decode needs less

# A progressive JPEG is decoded scan by scan over all its pixels, and a few bytes make a scan. The
# usual number is about ten.
_MAX_SCAN_PIXELS = 20 * MAX_PIXELS
_MAX_SCANS = 1000
_SCALED_SIDE = 240  # pixels: a scaled decode keeps both sides at least this long
# The decoder has vector code for these scales alone: at 3/8, 5/8, 6/8 it gives fewer pixels later.
_EIGHTHS = (1, 2, 4, 8)
_STRIP = 256  # rows

_WITH_FRAMES = frozenset({"gif", "png", "webp", "avif", "tiff"})
_LEAST_FRAME = 10_000  # pixels: passing the smallest frame costs about as much as decoding these
_FRAMES_SECONDS = 3.0  # for the later frames of one file

_PILLOW_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
_ORIENTATION_TAG = 274
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def mute_pillow() -> None:
    """Turn off Pillow's warnings and log, for the whole process; done when this module is loaded.

    It warns about sizes, which are checked here before any pixel is decoded, and about odd
    metadata, which is no reason to leave a picture unhashed. Its log prints metadata, which may be
    a caption. Filters and levels are the process's, not the thread's: set once, never per call.
    """
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)


mute_pillow()


class PictureError(Exception):
    """Bytes that give no picture; ``reason`` is one of outcomes.REASONS.

    Reasons: ``not_a_picture``, ``truncated``, ``too_many_pixels``, ``undecodable``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason.replace("_", " "))
        self.reason = reason


@dataclass(frozen=True)
class Picture:
    """A decoded picture: ``pixels`` are uint8, (height, width) of a grey one, else (height, width,
    3), as it is to be seen."""

    format: str
    pixels: NDArray[np.uint8]

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def image(self) -> Image.Image:
        """Return a copy in mode L or RGB."""
        return Image.fromarray(self.pixels)

    @property
    def luma(self) -> NDArray[Any]:
        """Return the luma (height, width): uint8 of a grey picture, else float32, 0 to 255."""
        return pdq.luma_of(self.pixels)


@dataclass(frozen=True)
class ScaledJpeg:
    """A JPEG decoded to grey at ``eighths``/8 of its size, as stored.

    ``stored_height`` and ``stored_width`` are the full size before ``turn``, the EXIF orientation,
    is applied.
    """

    small: NDArray[np.uint8]
    stored_height: int
    stored_width: int
    eighths: int
    turn: int

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height as the picture is to be seen."""
        if self.turn >= 5:
            return self.stored_height, self.stored_width
        return self.stored_width, self.stored_height

    @property
    def view(self) -> View:
        """Return the picture as it is seen in the small copy."""
        return View(self.small, self.stored_height, self.stored_width, self.eighths, self.turn)

    @property
    def grey(self) -> NDArray[np.uint8]:
        """Return the small copy (height, width) as it is to be seen."""
        if self.turn not in _TURNS:
            return self.small
        return np.asarray(_turned(Image.fromarray(self.small), self.turn))


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Return the picture in ``data``, fully decoded, or raise PictureError."""
    name = format_of(data)
    if name == "webp":
        _check_size(containers.webp_canvas(data) or (0, 0), max_pixels)
    quick = _quick_jpeg(data, max_pixels) if name == "jpeg" else None
    if quick is not None:
        return Picture(name, quick)
    try:
        with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as opened:
            _check_size(opened.size, max_pixels)
            if name == "jpeg":
                _check_scans(data, opened.width * opened.height)
            opened.load()
            turn = containers.jpeg_orientation(data) if name == "jpeg" else _orientation(opened)
            pixels = _pixels(_turned(flattened(opened), turn))
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError("too_many_pixels") from error
    except Exception as error:
        # Pillow's readers raise whatever a hostile file makes them trip over.
        raise PictureError(_why(name, data, error)) from error
    return Picture(name, pixels)


def later_frames(
    data: bytes, *, wanted: Callable[[int], bool], max_pixels: int = MAX_PIXELS
) -> Iterator[tuple[int, Picture]]:
    """Yield number, from 1, and picture of those frames after the first that are ``wanted``.

    Every frame counts, looked at or only passed: up to ``max_pixels`` in all, a small one as
    _LEAST_FRAME, and _FRAMES_SECONDS of ours, not of whoever takes them. What lies beyond, or
    behind a broken frame, is left out: the first one is the picture, and it was decoded.
    """
    name = format_of(data)
    if name not in _WITH_FRAMES:
        return
    passed, left = 0, _FRAMES_SECONDS
    try:
        with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as opened:
            for number in itertools.count(1):
                began = time.monotonic()
                opened.seek(number)
                passed += max(opened.width * opened.height, _LEAST_FRAME)
                if passed > max_pixels or left < 0:
                    return
                picture = None
                if wanted(number):
                    opened.load()
                    seen = _turned(flattened(opened), _orientation(opened))
                    picture = Picture(name, _pixels(seen))
                left -= time.monotonic() - began
                if picture is not None:
                    yield number, picture
    except EOFError:
        return
    except Exception:  # noqa: BLE001  whatever a hostile file makes Pillow's readers trip over
        return  # the file has an outcome already: its first frame's


def decode_scaled(data: bytes, *, max_pixels: int = MAX_PIXELS) -> ScaledJpeg | None:
    """Return the JPEG in ``data`` as a small grey copy, or None where only ``decode`` can tell.

    None for other formats, for CMYK and for whatever the strict decoder complains about. Raises
    PictureError for too many pixels.
    """
    if containers.sniff(data) != "jpeg":
        return None
    header = _jpeg_header(data, max_pixels)
    if header is None:
        return None
    height, width, _ = header
    eighths = _eighths(height, width)
    size = (-(-height * eighths // 8), -(-width * eighths // 8))
    try:
        pixels = simplejpeg.decode_jpeg(data, "GRAY", min_height=size[0], min_width=size[1])
    except ValueError:
        return None
    small = pixels[:, :, 0]
    if small.shape != size:
        return None
    return ScaledJpeg(small, height, width, eighths, containers.jpeg_orientation(data))


def _quick_jpeg(data: bytes, max_pixels: int) -> NDArray[np.uint8] | None:
    """Return the pixels that Pillow gives, in two thirds of the time, or None where only it can."""
    header = _jpeg_header(data, max_pixels)
    if header is None:
        return None
    grey = header[2] == "GRAY"
    try:
        pixels = simplejpeg.decode_jpeg(data, "GRAY" if grey else "RGB")
    except ValueError:
        return None
    stored = pixels[:, :, 0] if grey else pixels
    turn = containers.jpeg_orientation(data)
    if turn >= 5:
        stored = stored.swapaxes(0, 1)  # what is left are mirrored rows, or columns, or both
    return np.ascontiguousarray(
        stored[:: -1 if turn in (3, 4, 7, 8) else 1, :: -1 if turn in (2, 3, 6, 7) else 1]
    )


def _jpeg_header(data: bytes, max_pixels: int) -> tuple[int, int, str] | None:
    """Return height, width and colours, or None where the strict decoder cannot tell or decode."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    _check_size((width, height), max_pixels)
    _check_scans(data, width * height)
    colours = colours.upper()
    return (height, width, colours) if colours in ("GRAY", "YCBCR", "RGB") else None


def format_of(data: bytes) -> str:
    """Return the format of ``data``, or raise PictureError if it is none that we decode."""
    name = containers.sniff(data)
    if name is None:
        raise PictureError("not_a_picture")
    if name not in containers.DECODED:
        raise PictureError("undecodable")
    return name


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise PictureError("too_many_pixels")


def _check_scans(data: bytes, pixels: int) -> None:
    """Refuse a JPEG whose scans would keep the decoder busy for minutes.

    Inside entropy-coded data 0xFF is never followed by 0xDA, so counting counts scans (and those
    of embedded thumbnails, which are few).
    """
    scans = _scans(np.frombuffer(data, np.uint8))
    if scans > _MAX_SCANS or scans * pixels > _MAX_SCAN_PIXELS:
        raise PictureError("undecodable")


@compiled
def _scans(data: Any) -> int:
    """Return how often 0xFF stands before 0xDA, in a tenth of the time of ``bytes.count``."""
    found = 0
    for i in range(data.size - 1):
        found += (data[i] == 0xFF) & (data[i + 1] == 0xDA)
    return found


def _eighths(height: int, width: int) -> int:
    """Return the smallest scale that keeps _SCALED_SIDE pixels a side, or 8 where none does."""
    shorter = min(height, width)
    return next((each for each in _EIGHTHS if shorter * each >= 8 * _SCALED_SIDE), 8)


def _orientation(opened: Image.Image) -> int:
    value = opened.getexif().get(_ORIENTATION_TAG, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turned(image: Image.Image, turn: int) -> Image.Image:
    return image.transpose(_TURNS[turn]) if turn in _TURNS else image


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of a picture in mode L or RGB, in strips: Pillow would copy them twice."""
    pixels = np.empty((image.height, image.width, len(image.getbands())), np.uint8)
    for top in range(0, image.height, _STRIP):
        bottom = min(top + _STRIP, image.height)
        strip = np.asarray(image.crop((0, top, image.width, bottom)))
        pixels[top:bottom] = strip.reshape(pixels[top:bottom].shape)
    return pixels[:, :, 0] if image.mode == "L" else pixels


def _why(name: str, data: bytes, error: Exception) -> str:
    if containers.cut_short(name, data) or "truncated" in str(error).lower():
        return "truncated"
    return "undecodable"
