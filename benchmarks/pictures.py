"""Benign pictures to measure with: cut from the sample's wallpapers, the rest drawn in code."""

import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from sample import drawing, tiles
from sample.common import SampleError

# As links of a crawl are: 0.52 megapixels on average, upright and wide. Hardly two pictures are
# of one size: each side is longer or shorter by up to VARIED of it, so that whoever keeps something
# for each size finds as much of it again as in a crawl, or less.
SIZES = (
    *((640, 480), (800, 600), (1024, 768), (1024, 683), (512, 512), (600, 800), (900, 600)),
    *((768, 768), (683, 1024), (500, 375)),
)
LARGE = (2600, 1950)  # ten times as many pixels
VARIED = 0.2
DRAWN = 4  # one in so many is drawn
CUTS = 12  # views of one wallpaper at most


def jpegs(count: int, *, large: bool = False, seed: int = 3) -> list[bytes]:
    """Return ``count`` JPEG files of different views, about SIZES or LARGE large."""
    return [jpeg(image) for image in islice(images(large=large, seed=seed), count)]


def images(*, large: bool = False, seed: int = 3) -> Iterator[Image.Image]:
    """Yield RGB pictures, wallpaper after wallpaper, drawn ones among them.

    Views of one wallpaper may overlap: these serve for measuring, not for counting false pairs.
    """
    random = np.random.default_rng(seed)
    number = 0
    views = _views(random, large=large)
    while True:
        size = varied(random, LARGE if large else SIZES[number % len(SIZES)])
        view = None if number % DRAWN == 0 else next(views, None)
        yield drawing.draw(number, size=size) if view is None else view.resize(size)
        number += 1


def varied(random: np.random.Generator, size: tuple[int, int]) -> tuple[int, int]:
    """Return a size near ``size``; the mean of the areas stays."""
    width, height = (round(side * random.uniform(1 - VARIED, 1 + VARIED)) for side in size)
    return width, height


def jpeg(image: Image.Image, *, quality: int = 82) -> bytes:
    """Return the picture as a JPEG file."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def wallpapers() -> list[Path]:
    """Return the files of the wallpapers that were fetched for the sample."""
    try:
        return tiles.wallpapers()
    except SampleError as error:
        raise SystemExit(f"The figures need the sample's wallpapers: {error}") from None


def _views(random: np.random.Generator, *, large: bool) -> Iterator[Image.Image]:
    """Yield parts of wallpapers that have texture.

    Of a flat one PDQ's quality is 0 and its bits are noise of rounding, in every implementation.
    """
    files = wallpapers()
    for place in random.permutation(len(files)):
        with Image.open(files[place]) as opened:
            if large and opened.width * opened.height < LARGE[0] * LARGE[1]:
                continue
            picture = opened.convert("RGB")
        for _ in range(2 if large else CUTS):
            share = random.uniform(0.85, 1.0) if large else random.uniform(0.35, 0.9)
            width, height = int(picture.width * share), int(picture.height * share)
            left = int(random.integers(0, picture.width - width + 1))
            top = int(random.integers(0, picture.height - height + 1))
            view = picture.crop((left, top, left + width, top + height))
            if tiles.textured(view):
                yield view
