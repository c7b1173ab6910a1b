"""PDQ of the sample's pictures: by the reference where it is installed, else by the product.

The sample is also built where only the runtime requirements are, and those lack pdqhash.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

try:
    import pdqhash
except ModuleNotFoundError:
    pdqhash = None

SOURCE = "moderation" if pdqhash is None else "pdqhash"
Bytes = NDArray[np.uint8]
TURNS = ("plain", "rot90", "rot180", "rot270", "flip_h", "flip_v", "transpose", "transverse")


def pdq(image: Image.Image) -> tuple[bytes, int]:
    """Return the PDQ (32 bytes) of an RGB picture and its quality, 0 to 100."""
    return _pdq(np.asarray(image.convert("RGB")))


def turns(image: Image.Image) -> Bytes:
    """Return the PDQ of the picture's eight orientations, (8, 32), in the order of TURNS.

    Each orientation is hashed from its own pixels.
    """
    pixels = np.asarray(image.convert("RGB"))
    return np.stack([np.frombuffer(_pdq(turned)[0], np.uint8) for turned in _turned(pixels)])


def family(image: Image.Image) -> tuple[Bytes, int]:
    """Return the PDQ of the eight orientations, (8, 32), and the quality.

    The plain one comes first, the others in no set order. Quicker than ``turns`` where the
    reference is installed, and some bits off: good for telling pictures apart.
    """
    pixels = np.asarray(image.convert("RGB"))
    if pdqhash is None:
        return turns(image), _pdq(pixels)[1]
    values, quality = pdqhash.compute_dihedral(pixels)
    return np.packbits(np.asarray(values, dtype=np.uint8), axis=1), int(quality)


def distances(left: Bytes, right: Bytes) -> NDArray[np.int64]:
    """Return the Hamming distances between rows of 32 bytes; the shapes are broadcast."""
    bits: NDArray[np.int64] = np.bitwise_count(left ^ right).sum(axis=-1, dtype=np.int64)
    return bits


def nearest_turn(image: Image.Image, value: bytes) -> tuple[int, str]:
    """Return the smallest distance of ``value`` to an orientation of the picture, and which."""
    away = distances(turns(image), np.frombuffer(value, np.uint8))
    best = int(away.argmin())
    return int(away[best]), TURNS[best]


def _turned(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [
        pixels,
        *(np.rot90(pixels, k) for k in (1, 2, 3)),
        pixels[:, ::-1],
        pixels[::-1],
        pixels.swapaxes(0, 1),
        pixels[::-1, ::-1].swapaxes(0, 1),
    ]


def _pdq(pixels: NDArray[np.uint8]) -> tuple[bytes, int]:
    pixels = np.ascontiguousarray(pixels)
    if pdqhash is not None:
        bits, quality = pdqhash.compute(pixels)
        return np.packbits(np.asarray(bits, dtype=np.uint8)).tobytes(), int(quality)
    return _own_pdq(pixels)


def _own_pdq(pixels: NDArray[np.uint8]) -> tuple[bytes, int]:
    from moderation.media import pdq as product

    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    luma: Any = pixels.astype(np.float32) @ weights
    value, quality = product.pdq(luma)
    return bytes(value), int(quality)
