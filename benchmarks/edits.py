"""What people do to a picture before they pass it on: each edit gives a JPEG file again."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from benchmarks.pictures import jpeg

Edit = Callable[[Image.Image], Image.Image]
GREY = (128, 128, 128)


def scaled(share: float) -> Edit:
    """Return the edit that shrinks both sides to ``share``."""
    return lambda image: image.resize(
        (round(image.width * share), round(image.height * share)), Image.Resampling.LANCZOS
    )


def cropped(share: float) -> Edit:
    """Return the edit that leaves 1 - ``share`` of the width and of the height, the middle."""

    def crop(image: Image.Image) -> Image.Image:
        x, y = round(image.width * share / 2), round(image.height * share / 2)
        return image.crop((x, y, image.width - x, image.height - y))

    return crop


def bordered(share: float) -> Edit:
    """Return the edit that puts a black margin around, ``share`` of the shorter side."""
    return lambda image: ImageOps.expand(image, round(min(image.size) * share), "black")


def brighter(factor: float) -> Edit:
    """Return the edit that multiplies brightness."""
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


def turned(how: Image.Transpose) -> Edit:
    """Return the edit that flips or turns the picture."""
    return lambda image: image.transpose(how)


def watermarked(image: Image.Image) -> Image.Image:
    """Write a half transparent word over the middle, a third of the width."""
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    font = ImageFont.load_default(size=image.width / 9)
    place = (image.width / 2, image.height / 2)
    ImageDraw.Draw(layer).text(place, "SAMPLE", (255, 255, 255, 128), font=font, anchor="mm")
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def rotated(image: Image.Image) -> Image.Image:
    """Turn by three degrees; the corners become grey."""
    return image.rotate(3, Image.Resampling.BICUBIC, fillcolor=GREY)


def unchanged(image: Image.Image) -> Image.Image:
    """Leave the picture as it is: only its encoding changes."""
    return image


EDITS: dict[str, Edit] = {
    "JPEG quality 30": unchanged,
    "50 % of the size": scaled(0.5),
    "25 % of the size": scaled(0.25),
    "crop 5 %": cropped(0.05),
    "crop 10 %": cropped(0.10),
    "watermark": watermarked,
    "brightness +20 %": brighter(1.2),
    "brightness -20 %": brighter(0.8),
    "grey": ImageOps.grayscale,
    "border 3 %": bordered(0.03),
    "border 10 %": bordered(0.10),
    "rotate 3 degrees": rotated,
    "flip left to right": turned(Image.Transpose.FLIP_LEFT_RIGHT),
    "flip top to bottom": turned(Image.Transpose.FLIP_TOP_BOTTOM),
    "turn 90 degrees": turned(Image.Transpose.ROTATE_90),
    "turn 180 degrees": turned(Image.Transpose.ROTATE_180),
    "turn 270 degrees": turned(Image.Transpose.ROTATE_270),
}


def edited(image: Image.Image, name: str) -> bytes:
    """Return the edited picture as a JPEG file: quality 30 where the edit is that, else 85."""
    return jpeg(EDITS[name](image), quality=30 if name == "JPEG quality 30" else 85)


def crops(image: Image.Image, side: int) -> list[Image.Image]:
    """Return the disjoint squares of ``side`` pixels of a picture."""
    return [
        image.crop((x, y, x + side, y + side))
        for y in range(0, image.height - side + 1, side)
        for x in range(0, image.width - side + 1, side)
    ]


def spread(values: list[int]) -> str:
    """Return the median and the 95th percentile of distances, for a cell."""
    return f"{np.median(values):.0f} / {np.percentile(values, 95):.0f}"
