"""Debian's wallpapers cut into disjoint tiles; those with too little texture are left out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from sample import debian
from sample.common import data_folder

PACKAGES = ("mate-backgrounds", "lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04")
SIDE = 512  # pixels
LEAST_SPREAD = 12.0  # standard deviation of the luma of a tile at 64 by 64
LEAST_SLOPE = 2.5  # mean step between neighbours there


def wallpapers(*, data: Path | None = None) -> list[Path]:
    """Return the wallpapers' files, sorted; fetched on first use and kept in the data folder.

    Raises SampleError when they are not there yet and cannot be fetched.
    """
    root = debian.unpack(PACKAGES, into=(data or data_folder()) / "wallpapers")
    found = (path for path in root.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def tiles(wallpaper: Path) -> Iterator[Image.Image]:
    """Yield the RGB tiles of SIDE by SIDE pixels that have texture, row by row."""
    with Image.open(wallpaper) as opened:
        picture = opened.convert("RGB")
    for top in range(0, picture.height - SIDE + 1, SIDE):
        for left in range(0, picture.width - SIDE + 1, SIDE):
            tile = picture.crop((left, top, left + SIDE, top + SIDE))
            if textured(tile):
                yield tile


def textured(tile: Image.Image) -> bool:
    """Return whether a perceptual hash of the tile says something about it."""
    luma = np.asarray(tile.convert("L").resize((64, 64), Image.Resampling.BOX), dtype=np.float64)
    slope = (np.abs(np.diff(luma, axis=0)).mean() + np.abs(np.diff(luma, axis=1)).mean()) / 2
    return bool(luma.std() >= LEAST_SPREAD and slope >= LEAST_SLOPE)
