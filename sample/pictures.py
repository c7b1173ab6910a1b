"""The pictures of a sample: half cut from wallpapers, half drawn, each far from all others."""

import hashlib
import io
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from sample import drawing, perceptual, tiles
from sample.common import SampleError

APART = 80  # least Hamming distance between two pictures, whichever way they are turned
TILES_SHARE = 0.6  # at most, the rest is drawn
GOOD_QUALITY = 50  # of PDQ; below it a picture is not hashable (domain.md 4)
SIZES = ((512, 512), (512, 512), (640, 480), (480, 640), (800, 600), (400, 400))
EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
EDITS = ("jpeg_q30", "half_size", "grey", "brighter", "flipped")

Unit = tuple[int, Path | int]  # the sample's seed, and a wallpaper or the seed of a drawing


@dataclass(frozen=True)
class Picture:
    """One encoded picture; ``family`` holds the PDQ of its eight orientations, (8, 32)."""

    name: str
    origin: str  # "tile" or "drawn"
    format: str  # Pillow's name
    data: bytes
    width: int
    height: int
    pdq: bytes
    quality: int
    family: perceptual.Bytes

    def digest(self, algorithm: str) -> bytes:
        """Return the digest of the file's bytes: md5, sha1 or sha256."""
        return hashlib.new(algorithm, self.data, usedforsecurity=False).digest()


def make(count: int, *, seed: int, data: Path, wallpapers: bool = True) -> list[Picture]:
    """Return ``count`` pictures, mutually at least APART, in an order that depends on the seed.

    Where wallpapers are not wanted or cannot be had all are drawn; the latter is said on standard
    error.
    """
    random = np.random.default_rng([seed, 1])
    files = _wallpapers(data) if wallpapers else []
    order = [files[i] for i in random.permutation(len(files))]
    cut = ((seed, file) for file in order)
    drawn = ((seed, seed * 1_000_000 + number) for number in range(count * 3))
    kept: list[Picture] = []
    context = multiprocessing.get_context("spawn")  # a fork would copy the caller's threads
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 8), mp_context=context) as pool:
        for candidates, limit in ((cut, round(count * TILES_SHARE)), (drawn, count)):
            _keep_far_ones(kept, _made(pool, candidates), limit)
    if len(kept) < count:
        raise SampleError(
            f"only {len(kept)} of {count} pictures are far enough apart: ask for less"
        )
    mixed = [kept[i] for i in random.permutation(len(kept))]
    return [_named(picture, number) for number, picture in enumerate(mixed)]


def flat(number: int) -> Picture:
    """Return a picture whose PDQ quality is too low to be compared."""
    picture = _encode(drawing.flat(number), "JPEG", "drawn", np.random.default_rng(number))
    return _named(picture, 90_000 + number)


def edited(picture: Picture, edit: str) -> tuple[bytes, bytes, int]:
    """Return an edited copy as a file's bytes, with its PDQ and quality. ``edit`` is of EDITS."""
    image, quality = decode(picture.data), 90
    match edit:
        case "jpeg_q30":
            quality = 30
        case "half_size":
            half = (image.width // 2, image.height // 2)
            image = image.resize(half, Image.Resampling.LANCZOS)
        case "grey":
            image = image.convert("L")
        case "brighter":
            image = ImageEnhance.Brightness(image).enhance(1.25)
        case "flipped":
            image = ImageOps.mirror(image)
        case _:
            raise ValueError(f"no such edit: {edit}")
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    value, hash_quality = perceptual.pdq(decode(out.getvalue()))
    return out.getvalue(), value, hash_quality


def decode(data: bytes) -> Image.Image:
    """Return the RGB picture in a file's bytes."""
    with Image.open(io.BytesIO(data)) as opened:
        return opened.convert("RGB")


def _wallpapers(data: Path) -> list[Path]:
    try:
        return tiles.wallpapers(data=data)
    except SampleError as error:
        print(f"no wallpapers, all pictures are drawn: {error}", file=sys.stderr)
        return []


def _made(pool: ProcessPoolExecutor, units: Iterable[Unit]) -> Iterator[Picture]:
    """Yield the pictures of the units in order, a few units at a time: most may not be needed."""
    units = iter(units)
    while some := list(islice(units, 32)):
        for pictures in pool.map(_pictures_of, some, chunksize=2):
            yield from pictures


def _pictures_of(unit: Unit) -> list[Picture]:
    seed, source = unit
    if isinstance(source, Path):
        name = source.name.encode()
        random = np.random.default_rng([seed, *name])
        return [_encode(tile, _format(random), "tile", random) for tile in tiles.tiles(source)]
    random = np.random.default_rng([seed, source])
    size = SIZES[int(random.integers(0, len(SIZES)))]
    return [_encode(drawing.draw(source, size=size), _format(random), "drawn", random)]


def _format(random: np.random.Generator) -> str:
    return str(random.choice(["JPEG", "PNG", "WEBP", "GIF"], p=[0.84, 0.06, 0.06, 0.04]))


def _encode(image: Image.Image, format: str, origin: str, random: np.random.Generator) -> Picture:
    out = io.BytesIO()
    quality = int(random.integers(82, 96))
    match format:
        case "JPEG":
            progressive = bool(random.random() < 0.2)
            image.save(out, "JPEG", quality=quality, progressive=progressive)
        case "WEBP":
            image.save(out, "WEBP", quality=quality, method=2)
        case "GIF":
            image.quantize(128, dither=Image.Dither.NONE).save(out, "GIF")
        case _:
            image.save(out, format, compress_level=3)
    family, hash_quality = perceptual.family(decode(out.getvalue()))
    return Picture(
        name="",
        origin=origin,
        format=format,
        data=out.getvalue(),
        width=image.width,
        height=image.height,
        pdq=family[0].tobytes(),
        quality=hash_quality,
        family=family,
    )


def _keep_far_ones(kept: list[Picture], candidates: Iterator[Picture], limit: int) -> None:
    """Add candidates to ``kept`` until there are ``limit``; near and unhashable ones are left."""
    if len(kept) >= limit:
        return
    known = np.zeros((limit, 32), dtype=np.uint8)
    for at, picture in enumerate(kept):
        known[at] = picture.family[0]
    for picture in candidates:
        if picture.quality < GOOD_QUALITY:
            continue
        there = known[: len(kept)]
        away = perceptual.distances(picture.family[:, None], there[None])
        if away.size and away.min() < APART:
            continue
        known[len(kept)] = picture.family[0]
        kept.append(picture)
        if len(kept) == limit:
            return


def _named(picture: Picture, number: int) -> Picture:
    name = f"{number:05d}.{EXTENSIONS[picture.format]}"
    return replace(picture, name=name)
