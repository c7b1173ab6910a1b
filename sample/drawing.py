"""Benign pictures drawn in code: the same seed gives the same picture, another seed a far one."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Floats = NDArray[np.float32]
Size = tuple[int, int]  # width, height
Colour = tuple[int, int, int]


def draw(seed: int, *, size: Size = (512, 512)) -> Image.Image:
    """Return an RGB picture of ``size`` (width, height); kind and content depend on ``seed``."""
    random = np.random.default_rng([seed, 7919])
    kind = KINDS[seed % len(KINDS)]
    return kind(random, size)


def flat(seed: int, *, size: Size = (512, 512)) -> Image.Image:
    """Return a picture with hardly any structure: its PDQ quality is far below 50."""
    random = np.random.default_rng([seed, 104729])
    base = random.integers(60, 190, 3)
    ramp = np.linspace(0, 12, size[0])[None, :, None]
    return _image(base[None, None, :] + np.broadcast_to(ramp, (size[1], size[0], 3)))


def landscape(random: np.random.Generator, size: Size) -> Image.Image:
    """Hills of noise, one behind the other, under a graded sky with a sun."""
    width, height = size
    y = np.linspace(0, 1, height)[:, None, None]
    top, bottom = _colours(random, 2)
    picture = np.broadcast_to(top * (1 - y) + bottom * y, (height, width, 3)).copy()
    image = _image(picture)
    pen = ImageDraw.Draw(image)
    radius = int(random.integers(20, 70))
    x, level = int(random.integers(0, width)), int(random.integers(0, height // 2))
    pen.ellipse((x - radius, level - radius, x + radius, level + radius), fill=_colour(random))
    for layer in range(int(random.integers(3, 7))):
        ridge = _fractal(random, (width, 2), roughness=0.55)[0]
        base = height * (0.25 + 0.12 * layer + random.uniform(-0.05, 0.05))
        points = [(i, base + ridge[i] * height * 0.22) for i in range(width)]
        pen.polygon([(0, height), *points, (width, height)], fill=_colour(random))
    return _grain(random, image, 6)


def clouds(random: np.random.Generator, size: Size) -> Image.Image:
    """Fractal noise through a palette."""
    field = _fractal(random, size, roughness=float(random.uniform(0.5, 0.75)))
    return _through(_colours(random, 5), field)


def waves(random: np.random.Generator, size: Size) -> Image.Image:
    """Interference of plane and round waves."""
    x, y = _grid(size)
    field = np.zeros_like(x)
    for _ in range(int(random.integers(3, 7))):
        angle, frequency = random.uniform(0, np.pi), random.uniform(4, 26)
        phase = random.uniform(0, 2 * np.pi)
        field += np.sin(frequency * (x * np.cos(angle) + y * np.sin(angle)) * np.pi + phase)
    for _ in range(int(random.integers(1, 4))):
        distance = np.hypot(x - random.uniform(-1, 1), y - random.uniform(-1, 1))
        field += np.sin(distance * random.uniform(8, 36))
    return _through(_colours(random, 4), field)


def shapes(random: np.random.Generator, size: Size) -> Image.Image:
    """Many discs, boxes, triangles and strokes, one over the other."""
    image = Image.new("RGB", size, _colour(random))
    pen = ImageDraw.Draw(image)
    for _ in range(int(random.integers(25, 70))):
        x, y = int(random.integers(-40, size[0])), int(random.integers(-40, size[1]))
        w, h = (int(v) for v in random.integers(15, max(size) // 3, 2))
        colour = _colour(random)
        match int(random.integers(0, 4)):
            case 0:
                pen.ellipse((x, y, x + w, y + h), fill=colour)
            case 1:
                pen.rectangle((x, y, x + w, y + h), fill=colour)
            case 2:
                pen.polygon([(x, y), (x + w, y + h // 3), (x + w // 4, y + h)], fill=colour)
            case _:
                pen.line((x, y, x + w, y + h), fill=colour, width=int(random.integers(3, 18)))
    return _grain(random, image, 3)


def mosaic(random: np.random.Generator, size: Size) -> Image.Image:
    """Cells around scattered points, each in its colour."""
    x, y = _grid(size)
    count = int(random.integers(18, 60))
    points = random.uniform(-1.1, 1.1, (count, 2))
    nearest = np.full_like(x, np.inf)
    owner = np.zeros(x.shape, dtype=np.int64)
    for index, (px, py) in enumerate(points):
        distance = (x - px) ** 2 + (y - py) ** 2
        closer = distance < nearest
        nearest[closer] = distance[closer]
        owner[closer] = index
    shade = 1 - 0.5 * np.sqrt(nearest / nearest.max())
    return _image(_colours(random, count)[owner] * shade[..., None])


def chart(random: np.random.Generator, size: Size) -> Image.Image:
    """A chart with axes, bars, a line and a legend without words."""
    width, height = size
    paper = int(random.integers(225, 256))
    image = Image.new("RGB", size, (paper, paper, paper))
    pen = ImageDraw.Draw(image)
    left, right, top, bottom = width // 10, width * 19 // 20, height // 12, height * 9 // 10
    for step in range(int(random.integers(4, 9)) + 1):
        level = top + (bottom - top) * step // 8
        pen.line((left, level, right, level), fill=(190, 190, 190), width=2)
    count = int(random.integers(5, 14))
    room = (right - left) / count
    colours = [_colour(random) for _ in range(3)]
    for bar in range(count):
        x, value = left + bar * room, random.uniform(0.08, 1.0)
        pen.rectangle(
            (x + room * 0.15, bottom - (bottom - top) * value, x + room * 0.8, bottom),
            fill=colours[bar % int(random.integers(1, 4))],
        )
    line = [(left + (i + 0.5) * room, random.uniform(top, bottom)) for i in range(count)]
    pen.line(line, fill=_colour(random), width=int(random.integers(4, 10)))
    for x, y in line:
        pen.ellipse((x - 9, y - 9, x + 9, y + 9), fill=(40, 40, 40))
    pen.line((left, top, left, bottom, right, bottom), fill=(20, 20, 20), width=5)
    x, y = random.uniform(left, right - width / 4), random.uniform(top, bottom - height / 4)
    radius, turned = width / 8, random.uniform(0, 360)
    for share in range(3):  # a small pie, so that two charts differ at large scale too
        pen.pieslice(
            (x, y, x + 2 * radius, y + 2 * radius),
            turned + share * 120,
            turned + share * 120 + random.uniform(60, 120),
            fill=_colour(random),
        )
    return image


def weave(random: np.random.Generator, size: Size) -> Image.Image:
    """A warped grid, like cloth or tiles seen askew."""
    x, y = _grid(size)
    bend = _fractal(random, size, roughness=0.45)
    angle = random.uniform(0, np.pi)
    u = x * np.cos(angle) + y * np.sin(angle) + bend * random.uniform(0.2, 0.6)
    v = y * np.cos(angle) - x * np.sin(angle) - bend * random.uniform(0.2, 0.6)
    n, m = random.uniform(3, 9, 2)
    board = (np.floor(u * n) + np.floor(v * m)) % 2
    light = 0.6 + 0.4 * np.clip(_fractal(random, size, roughness=0.5), -1, 1)
    first, second = _colours(random, 2)
    return _image((first * board[..., None] + second * (1 - board[..., None])) * light[..., None])


def glow(random: np.random.Generator, size: Size) -> Image.Image:
    """Soft spots of light and dark over a gradient."""
    x, y = _grid((size[0] // 4, size[1] // 4))  # nothing here is sharp
    side = (x * random.uniform(-1, 1) + y * random.uniform(-1, 1)) * 0.5 + 0.5
    first, second = _colours(random, 2)
    picture = first * side[..., None] + second * (1 - side[..., None])
    for _ in range(int(random.integers(14, 30))):
        px, py = random.uniform(-1, 1, 2)
        spread = random.uniform(0.05, 0.25)
        spot = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * spread**2))
        picture = picture * (1 - 0.85 * spot[..., None]) + _colours(random, 1)[0] * (
            0.85 * spot[..., None]
        )
    return _image(picture).resize(size, Image.Resampling.BICUBIC)


def spirals(random: np.random.Generator, size: Size) -> Image.Image:
    """Arms that turn around two centres."""
    x, y = _grid(size)
    field = np.zeros_like(x)
    for _ in range(2):
        px, py = random.uniform(-0.8, 0.8, 2)
        distance, angle = np.hypot(x - px, y - py), np.arctan2(y - py, x - px)
        arms = int(random.integers(2, 8)) * int(random.choice([-1, 1]))
        field += np.sin(arms * angle + distance * random.uniform(6, 24))
    field += _fractal(random, size, roughness=0.5) * 0.8
    return _through(_colours(random, 4), field)


def blocks(random: np.random.Generator, size: Size) -> Image.Image:
    """A town of boxes with lit windows under an evening sky."""
    width, height = size
    top, bottom = _colours(random, 2)
    y = np.linspace(0, 1, height)[:, None, None]
    image = _image(np.broadcast_to(top * (1 - y) + bottom * y, (height, width, 3)))
    pen = ImageDraw.Draw(image)
    x = -int(random.integers(0, 40))
    while x < width:
        room = int(random.integers(width // 14, width // 5))
        roof = int(height * random.uniform(0.12, 0.8))
        pen.rectangle((x, roof, x + room, height), fill=_colour(random))
        across, down = int(random.integers(2, 5)), int(random.integers(3, 9))
        lit = _colour(random)
        for i in range(across):
            for j in range(down):
                if random.random() < 0.6:
                    wx, wy = x + (i + 0.2) * room / across, roof + (j + 0.3) * room / across
                    pen.rectangle((wx, wy, wx + room / across * 0.6, wy + 12), fill=lit)
        x += room
    return _grain(random, image, 4)


KINDS: tuple[Callable[[np.random.Generator, Size], Image.Image], ...] = (
    landscape,
    clouds,
    waves,
    shapes,
    mosaic,
    chart,
    weave,
    glow,
    spirals,
    blocks,
)


def _fractal(random: np.random.Generator, size: Size, *, roughness: float) -> Floats:
    """Return smooth noise (height, width) of several octaves, mean about 0, within about ±1.5."""
    width, height = size
    field: Floats = np.zeros((height, width), dtype=np.float32)
    weight = 1.0
    for octave in range(2, 8):
        cells = 2**octave
        coarse = random.standard_normal((cells + 1, cells + 1)).astype(np.float32)
        layer = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        field += np.float32(weight) * np.asarray(layer, dtype=np.float32)
        weight *= roughness
    return field * np.float32(0.5)


def _grid(size: Size) -> tuple[Floats, Floats]:
    """Return x and y from -1 to 1, each (height, width)."""
    across = np.linspace(-1, 1, size[0], dtype=np.float32)
    x, y = np.meshgrid(across, np.linspace(-1, 1, size[1], dtype=np.float32))
    return x, y


def _through(palette: Floats, field: Floats) -> Image.Image:
    """Return the field in colour, its lowest value as the first of the palette, and so on."""
    stops = np.linspace(0, len(palette) - 1, 1024)
    steps = np.stack([np.interp(stops, range(len(palette)), c) for c in palette.T], axis=1)
    scale = 1023 / max(float(np.ptp(field)), 1e-9)
    return Image.fromarray(steps.astype(np.uint8)[((field - field.min()) * scale).astype(np.int16)])


def _colours(random: np.random.Generator, count: int) -> Floats:
    """Return (count, 3) colours that alternate between dark and bright, for contrast."""
    colours = random.uniform(0, 110, (count, 3)).astype(np.float32)
    colours[(np.arange(count) + int(random.integers(0, 2))) % 2 == 0] += 140
    return colours


def _colour(random: np.random.Generator) -> Colour:
    red, green, blue = (int(value) for value in random.integers(0, 256, 3))
    return red, green, blue


def _grain(random: np.random.Generator, image: Image.Image, strength: float) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    noise = random.standard_normal(pixels.shape[:2], dtype=np.float32) * strength
    return _image(pixels + noise[..., None])


def _image(pixels: NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
