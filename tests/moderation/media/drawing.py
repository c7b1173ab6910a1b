"""Pictures drawn in code for the tests of moderation/media, and their bytes."""

import io
from typing import Any

import numpy as np
from PIL import Image, ImageDraw


def scene(width: int, height: int, seed: int = 0) -> Image.Image:
    """Return an RGB picture of overlapping shapes with a little noise: much to see, all drawn."""
    random = np.random.default_rng(seed)
    shapes = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(shapes)
    for i in range(24):
        x, y = random.uniform(0, 1, 2) * (width, height)
        radius = random.uniform(0.03, 0.3) * min(width, height)
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        if i % 2:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        else:
            draw.rectangle((x - radius, y - radius / 2, x + radius, y + radius / 2), fill=colour)
    shade = 25 * np.sin(np.arange(height)[:, None] / 47 + np.arange(width)[None, :] / 31)
    shade += random.standard_normal((height, width), np.float32) * 6
    pixels = np.asarray(shapes) + shade[..., None].astype(np.int16)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def patterns(width: int, height: int) -> dict[str, np.ndarray[Any, np.dtype[np.uint8]]]:
    """Return RGB pixels that are hard on a hash: flat, symmetric, periodic, noisy."""
    y, x = np.mgrid[0:height, 0:width]
    grey = {
        "flat": np.full((height, width), 77),
        "ramp": x * 255 // max(1, width - 1),
        "checks": (x // 3 + y // 5) % 2 * 255,
        "waves": 128 + 100 * np.sin(6 * x / width) * np.cos(4 * y / height),
    }
    found = {name: np.dstack([value] * 3).astype(np.uint8) for name, value in grey.items()}
    found["colours"] = np.dstack([y * 255 // max(1, height - 1), x * 7 % 256, x * y % 256]).astype(
        np.uint8
    )
    found["noise"] = np.random.default_rng(width * 7919 + height).integers(
        0, 256, (height, width, 3), dtype=np.uint8
    )
    return found


def any_pixels(width: int, height: int, seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return RGB pixels of one of many kinds, drawn, patterned, smooth, coarse or nearly flat."""
    random = np.random.default_rng(seed)
    kind = int(random.integers(0, 10))
    if kind < 6:
        return list(patterns(width, height).values())[kind]
    if kind < 8:
        pixels = np.asarray(scene(width, height, seed))
        return pixels if kind == 6 else pixels // 32 + np.uint8(random.integers(0, 240))
    side = int(random.integers(1, 40))
    small = Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8))
    how = Image.Resampling.BICUBIC if kind == 8 else Image.Resampling.NEAREST
    return np.asarray(small.resize((width, height), how))


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """Return the file of ``image`` in Pillow's format ``form``."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def with_orientation(turn: int) -> Image.Exif:
    """Return EXIF metadata with that orientation."""
    exif = Image.Exif()
    exif[274] = turn
    return exif


def distance(one: bytes, other: bytes) -> int:
    """Return the Hamming distance of two hashes."""
    assert len(one) == len(other)
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()
