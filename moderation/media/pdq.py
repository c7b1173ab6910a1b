"""PDQ, the 256-bit perceptual hash, with its quality and its eight orientations.

Source of the algorithm: "PDQ & TMK + PDQF" (Meta, 2019). Steps: luma; two box filters per axis of
1/128 of the side; 64x64 samples; the 16x16 lowest frequencies of a DCT without its constant part;
one bit per frequency, set where it is above the median.

Two ways to the 64x64 samples. The hash of a picture as it stands follows the reference in single
precision and in its order of additions, so that even pictures whose frequencies are mere rounding
noise (flat, symmetric) get the reference's bits. Everything else goes by weights (sampling.py).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.media import sampling
from moderation.media.compiled import compiled
from moderation.media.sampling import Band, Grid

WIDTH = 32  # bytes of one hash
SMALLEST_SIDE = 5  # pixels; below it the reference gives an all-zero hash of quality 0
ORIENTATIONS = (
    "plain",
    "rot90",  # quarter turns counter-clockwise
    "rot180",
    "rot270",
    "flip_h",  # left and right exchanged
    "flip_v",  # top and bottom exchanged
    "transpose",
    "transverse",
)
_SIDE = 64
_LOWEST = 16
_HALF = _LOWEST * _LOWEST // 2


def _dct_matrix() -> Grid:
    """Return frequencies 1 to 16 of the 64-point DCT, shape (16, 64)."""
    frequency = np.arange(1, _LOWEST + 1, dtype=np.float64)[:, None]
    sample = 2.0 * np.arange(_SIDE, dtype=np.float64)[None, :] + 1.0
    scale = np.float64(np.float32(np.sqrt(2.0 / _SIDE)))
    return (scale * np.cos((np.pi / 2.0 / _SIDE) * frequency * sample)).astype(np.float32)


_DCT = _dct_matrix()
_DCT_COLUMNS = np.ascontiguousarray(_DCT.T)


def pdq(luma: NDArray[Any]) -> tuple[bytes, int]:
    """Return the hash (32 bytes, highest frequency first as in its hex form) and quality 0 to 100.

    ``luma`` has shape (height, width), values 0 to 255, uint8 or float32.
    """
    if min(luma.shape) < SMALLEST_SIDE:
        return bytes(WIDTH), 0
    grid = _grid(_contiguous(luma))
    return grid_hash(grid), quality(grid)


def dihedral(luma: NDArray[Any]) -> tuple[list[bytes], int]:
    """Return the eight hashes in the order of ORIENTATIONS, and the quality of the plain one.

    The plain one is bit for bit the reference's. The others are those of the mirrored pixels: the
    reference's own short cut, signs of frequencies, is off by up to 1 % of a side, as its filters
    lean to one side by half a pixel each.
    """
    if min(luma.shape) < SMALLEST_SIDE:
        return [bytes(WIDTH)] * len(ORIENTATIONS), 0
    luma = _contiguous(luma)
    height, width = luma.shape
    return _orientations(
        _grid(luma),
        luma,
        rows=(sampling.band(height), sampling.band(height, reverse=True)),
        columns=(sampling.band(width), sampling.band(width, reverse=True)),
    )


def scaled_dihedral(
    small: NDArray[np.uint8], *, height: int, width: int, eighths: int, turn: int = 1
) -> tuple[list[bytes], int]:
    """Return what ``dihedral`` returns, a few bits away, for a picture of ``height`` x ``width``
    from its small copy.

    ``small`` is the copy that a JPEG decoder makes at ``eighths``/8 of the size, as stored;
    ``height`` and ``width`` are those of the stored picture. ``turn`` is its EXIF orientation: the
    hashes are those of the picture as it is to be seen.
    """
    if min(height, width) < SMALLEST_SIDE:
        return [bytes(WIDTH)] * len(ORIENTATIONS), 0
    # Which stored axis an orientation reverses, whether it exchanges them: EXIF 2.3, 4.6.4.
    down, right = turn in (3, 4, 6, 7), turn in (2, 3, 7, 8)
    return _orientations(
        None,
        small,
        rows=_both_ways(height, down, eighths),
        columns=_both_ways(width, right, eighths),
        exchanged=turn >= 5,
    )


def _both_ways(side: int, reverse: bool, eighths: int) -> tuple[Band, Band]:
    return (
        sampling.band(side, reverse=reverse, eighths=eighths),
        sampling.band(side, reverse=not reverse, eighths=eighths),
    )


def _orientations(
    plain: Grid | None,
    pixels: NDArray[Any],
    *,
    rows: tuple[Band, Band],
    columns: tuple[Band, Band],
    exchanged: bool = False,
) -> tuple[list[bytes], int]:
    """Return the eight hashes and the quality; bands as the picture is seen and mirrored.

    ``exchanged``: what is seen has the rows of ``pixels`` for columns.
    """
    seen, mirrored = (sampling.down(pixels, each) for each in rows)
    if plain is None:
        plain = sampling.across(seen, columns[0])
    flip_h, flip_v = sampling.across(seen, columns[1]), sampling.across(mirrored, columns[0])
    rot180 = sampling.across(mirrored, columns[1])
    if exchanged:
        plain, flip_h, flip_v, rot180 = (
            np.ascontiguousarray(grid.T) for grid in (plain, flip_v, flip_h, rot180)
        )
    p, h, v, r = (_frequencies(g, _DCT, _DCT_COLUMNS) for g in (plain, flip_h, flip_v, rot180))
    return _all_bits(np.stack((p, h.T, r, v.T, h, v, p.T, r.T))), quality(plain)


def grid_hash(grid: Grid) -> bytes:
    """Return the hash of the picture as it stands, from its 64x64 samples."""
    return _bits(_frequencies(grid, _DCT, _DCT_COLUMNS))


def quality(grid: Grid) -> int:
    """Return how much there is to see in the 64x64 samples: the sum of clear steps, 0 to 100."""
    return int(_quality(grid))


def luma_of(pixels: NDArray[np.uint8]) -> NDArray[Any]:
    """Return the luma of ``pixels``: itself if (h, w), else float32 of an (h, w, 3) RGB picture."""
    if pixels.ndim == 2:
        return pixels
    luma: Grid = _luma(np.ascontiguousarray(pixels).reshape(len(pixels), -1))
    return luma


def _contiguous(luma: NDArray[Any]) -> NDArray[Any]:
    if luma.dtype == np.uint8:
        return np.ascontiguousarray(luma)
    return np.ascontiguousarray(luma, dtype=np.float32)


def _bits(frequencies: Grid) -> bytes:
    return _all_bits(frequencies[None])[0]


def _all_bits(blocks: Grid) -> list[bytes]:
    flat = blocks.reshape(len(blocks), -1)
    # The lower of the two middle values, as the reference takes it.
    median = np.partition(flat, _HALF - 1, axis=1)[:, _HALF - 1 : _HALF]
    packed = np.packbits((flat > median)[:, ::-1], axis=1)
    return [row.tobytes() for row in packed]


@compiled
def _luma(rows: Any) -> Any:
    """Return the luma of ``rows`` of red, green, blue, red ...

    The reference sums r * 0.299 + g * 0.587 + b * 0.114 in double precision and rounds to single.
    Thousandths in whole numbers, divided in single precision, give the same for every colour.
    """
    height, width = rows.shape[0], rows.shape[1] // 3
    luma = np.empty((height, width), np.float32)
    for y in range(height):
        row, out = rows[y], luma[y]
        for x in range(width):
            # 32 bits throughout: so the compiler takes eight pixels at a time.
            total = np.uint32(row[3 * x]) * np.uint32(299)
            total += np.uint32(row[3 * x + 1]) * np.uint32(587)
            total += np.uint32(row[3 * x + 2]) * np.uint32(114)
            out[x] = np.float32(np.int32(total)) / np.float32(1000)
    return luma


@compiled
def _box_row(source: Any, out: Any, window: int) -> None:
    """Write the moving mean of ``window`` pixels; at the ends the window is cut, not padded."""
    length = source.size
    lead = (window + 2) // 2 - 1
    total = np.float32(0)
    for x in range(lead):
        total += source[x]
    for x in range(lead, window):
        total += source[x]
        out[x - lead] = total / np.float32(x + 1)
    full = np.float32(window)
    for x in range(window, length):
        total += source[x]
        total -= source[x - window]
        out[x - lead] = total / full
    for x in range(length - window, length - window + lead):
        total -= source[x]
        out[x + window - lead] = total / np.float32(length - 1 - x)


@compiled
def _box_four_rows(source: Any, out: Any, window: int) -> None:
    """Do what ``_box_row`` does for four rows at once: one row alone waits for its own sum."""
    length = source.shape[1]
    lead = (window + 2) // 2 - 1
    a = b = c = d = np.float32(0)
    for x in range(lead):
        a += source[0, x]
        b += source[1, x]
        c += source[2, x]
        d += source[3, x]
    for x in range(lead, window):
        size = np.float32(x + 1)
        a += source[0, x]
        b += source[1, x]
        c += source[2, x]
        d += source[3, x]
        out[0, x - lead] = a / size
        out[1, x - lead] = b / size
        out[2, x - lead] = c / size
        out[3, x - lead] = d / size
    size = np.float32(window)
    for x in range(window, length):
        a += source[0, x]
        b += source[1, x]
        c += source[2, x]
        d += source[3, x]
        a -= source[0, x - window]
        b -= source[1, x - window]
        c -= source[2, x - window]
        d -= source[3, x - window]
        out[0, x - lead] = a / size
        out[1, x - lead] = b / size
        out[2, x - lead] = c / size
        out[3, x - lead] = d / size
    for x in range(length - window, length - window + lead):
        size = np.float32(length - 1 - x)
        a -= source[0, x]
        b -= source[1, x]
        c -= source[2, x]
        d -= source[3, x]
        out[0, x + window - lead] = a / size
        out[1, x + window - lead] = b / size
        out[2, x + window - lead] = c / size
        out[3, x + window - lead] = d / size


@compiled
def _grid(luma: Any) -> Any:
    """Return the 64x64 samples of ``luma`` (h, w), reading it once.

    Both passes along the columns keep running sums, so that the memory needed beside the picture
    is one filter window of rows and 64 columns, and every sum is taken in the reference's order.
    """
    height, width = luma.shape
    grid = np.empty((64, 64), np.float32)
    if height == 64 and width == 64:
        for y in range(64):
            for x in range(64):
                grid[y, x] = luma[y, x]
        return grid
    across, down = (width + 127) // 128, (height + 127) // 128
    lead = (down + 2) // 2 - 1
    depth = down + 4
    ring = np.empty((depth, width), np.float32)
    four_in = np.empty((4, width), np.float32)
    four_out = np.empty((4, width), np.float32)
    waiting = 0  # rows of four_in that are blurred down, not yet blurred across a second time
    sums = np.zeros(width, np.float32)
    narrow = np.empty((height, 64), np.float32)
    written = 0
    size = 0
    for y in range(height + lead):
        if y < height:
            if y % 4 == 0 and y + 4 <= height:
                # depth leaves room: rows y .. y+3 never overwrite the window that is still summed
                _box_four_rows(luma[y : y + 4], four_out, across)
                for i in range(4):
                    ring[(y + i) % depth] = four_out[i]
            elif y >= height - height % 4:
                _box_row(luma[y], ring[y % depth], across)
            entering = ring[y % depth]
            if size < down:
                size += 1
                for x in range(width):
                    sums[x] += entering[x]
            else:
                leaving = ring[(y - down) % depth]
                for x in range(width):
                    sums[x] += entering[x]
                    sums[x] -= leaving[x]
        else:
            leaving = ring[(height - size) % depth]
            size -= 1
            for x in range(width):
                sums[x] -= leaving[x]
        if y < lead:
            continue
        divisor = np.float32(size)
        for x in range(width):
            four_in[waiting, x] = sums[x] / divisor
        waiting += 1
        if waiting == 4:
            _box_four_rows(four_in, four_out, across)
            for i in range(4):
                for k in range(64):
                    narrow[written, k] = four_out[i, ((2 * k + 1) * width) // 128]
                written += 1
            waiting = 0
    for i in range(waiting):
        _box_row(four_in[i], four_out[i], across)
        for k in range(64):
            narrow[written, k] = four_out[i, ((2 * k + 1) * width) // 128]
        written += 1
    _last_pass(narrow, grid, down)
    return grid


@compiled
def _last_pass(narrow: Any, grid: Any, window: int) -> None:
    """Blur the 64 columns of ``narrow`` downwards and keep 64 rows of the result."""
    height = narrow.shape[0]
    lead = (window + 2) // 2 - 1
    sums = np.zeros(64, np.float32)
    size = 0
    taken = 0
    for y in range(height + lead):
        if y < height:
            for k in range(64):
                sums[k] += narrow[y, k]
            if size < window:
                size += 1
            else:
                for k in range(64):
                    sums[k] -= narrow[y - window, k]
        else:
            for k in range(64):
                sums[k] -= narrow[height - size, k]
            size -= 1
        while taken < 64 and ((2 * taken + 1) * height) // 128 == y - lead:
            divisor = np.float32(size)
            for k in range(64):
                grid[taken, k] = sums[k] / divisor
            taken += 1


@compiled
def _frequencies(grid: Any, dct: Any, dct_columns: Any) -> Any:
    """Return dct @ grid @ dct.T, each sum taken in order."""
    half = np.zeros((16, 64), np.float32)
    for i in range(16):
        for k in range(64):
            factor = dct[i, k]
            for j in range(64):
                half[i, j] += factor * grid[k, j]
    whole = np.zeros((16, 16), np.float32)
    for i in range(16):
        for k in range(64):
            factor = half[i, k]
            for j in range(16):
                whole[i, j] += factor * dct_columns[k, j]
    return whole


@compiled
def _quality(grid: Any) -> int:
    """Return the steps between neighbours in whole hundredths of the range, summed, over 90."""
    total = 0
    for y in range(64):
        for x in range(64):
            if y < 63:
                step = (grid[y, x] - grid[y + 1, x]) * np.float32(100) / np.float32(255)
                total += abs(int(step))
            if x < 63:
                step = (grid[y, x] - grid[y, x + 1]) * np.float32(100) / np.float32(255)
                total += abs(int(step))
    return min(100, total // 90)
