"""How much of a picture is in some bytes: its finest detail, and whether parts of an original lie
in them, as they are or written as text."""

import base64
import io
import re
from collections.abc import Iterator

import numpy as np
from PIL import Image

SIDES = (24, 64, 128, 256, 512)
ALIKE = 0.2  # of the contrast: more than enlarging smoothly leaves of a difference
RASTER = re.compile(rb"data:image/(?:png|jpe?g|gif|webp|avif|bmp)[^,\"']*;base64,([A-Za-z0-9+/=]+)")
CHUNK = 45  # bytes; a multiple of three, so that base64 writes a chunk alike wherever it stands
CHUNKS = 20  # of each original


def detail(picture: Image.Image) -> int:
    """The least of SIDES whose pixels hold the whole picture; more than all where none does.

    A picture made smaller to that side and enlarged again is the same picture if it held nothing
    finer; whoever sends many pixels of a small preview sends no more than the preview.
    """
    grey = picture.convert("L")
    pixels = np.asarray(grey, dtype=float)
    for side in SIDES:
        if max(grey.size) <= side:
            return side
        size = tuple(max(1, round(length * side / max(grey.size))) for length in grey.size)
        small = grey.resize((size[0], size[1]), Image.Resampling.BOX)
        again = np.asarray(small.resize(grey.size, Image.Resampling.BICUBIC), dtype=float)
        if np.abs(again - pixels).mean() <= ALIKE * max(pixels.std(), 1):
            return side
    return max(grey.size)


def pictures_in(body: bytes) -> Iterator[Image.Image]:
    """The pictures that a body is, or carries in its text; none where it is none."""
    for data in (body, *map(base64.b64decode, RASTER.findall(body))):
        try:
            picture = Image.open(io.BytesIO(data))
            picture.load()
        except (OSError, SyntaxError, ValueError):
            continue
        yield picture


class Traces:
    """Parts of originals, as they would lie in a file, a cache or a page."""

    def __init__(self, originals: list[bytes]) -> None:
        parts = [part for data in originals for part in _parts(data)]
        forms = [*parts, *(part.hex().encode() for part in parts)]
        for part in parts:  # base64 in each of its three places
            forms += [base64.b64encode(part[cut:])[: (CHUNK - 3) // 3 * 4] for cut in range(3)]
        self.forms = forms

    def in_(self, data: bytes) -> bool:
        return any(form in data for form in self.forms)


def _parts(data: bytes) -> Iterator[bytes]:
    """Some chunks of the middle of a file: its head is that of many files."""
    step = (len(data) - 2000) // CHUNKS
    for start in range(1000, len(data) - 1000, step):
        yield data[start : start + CHUNK]
