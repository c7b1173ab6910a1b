"""Pictures of any mode to eight bits of grey or RGB, as they are to be seen."""

import numpy as np
from PIL import Image


def flattened(image: Image.Image) -> Image.Image:
    """Return ``image`` in mode L or RGB, 8 bits, transparency laid on white."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image)
    if image.mode == "1":
        return image.convert("L")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return a 16-bit, 32-bit or floating grey picture in mode L.

    16 bits keep their upper eight. Wider ones have no fixed range: up to 255 is taken as it is,
    more is scaled so that the largest value becomes 255; floats up to 1 are fractions of white.
    """
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    top = float(values.max())
    if image.mode.startswith("I;16") or (image.mode == "I" and 255 < top <= 65535):
        values = values // 256
    elif image.mode == "F" and top <= 1:
        values = values * 255
    elif top > 255:
        values = values * (255 / top)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
