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

from moderation.media.compiled import compiled
from moderation.media.sampling import Band, Grid, View, across, down

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
_UNKNOWN = np.empty((0, 64), np.float32)
# Bits of a small copy's hash that the whole picture may turn over (docs/decisions/0046).
DOUBT = np.float32(1.5)  # those whose frequency lies so near the median,
LEAST, LEAST_OF_PART, MOST = 16, 24, 64  # though so many of the nearest at least and at most;
NOISE = np.float32(0.25)  # but all, where more than MOST lie so near


def pdq(luma: NDArray[Any]) -> tuple[bytes, int]:
    """Return the hash (32 bytes, highest frequency first as in its hex form) and quality 0 to 100.

    ``luma`` has shape (height, width), values 0 to 255, uint8 or float32.
    """
    if min(luma.shape) < SMALLEST_SIDE:
        return bytes(WIDTH), 0
    grid = _grid(_contiguous(luma))
    hashes, _ = _all_bits(_frequencies(grid, _DCT, _DCT_COLUMNS)[None], 0)
    return hashes[0].tobytes(), int(_quality(grid))


def dihedral(luma: NDArray[Any]) -> tuple[list[bytes], int]:
    """Return the eight hashes in the order of ORIENTATIONS, and the quality of the plain one.

    The plain one is bit for bit the reference's. The others are those of the mirrored pixels: the
    reference's own short cut, signs of frequencies, is off by up to 1 % of a side, as its filters
    lean to one side by half a pixel each.
    """
    if min(luma.shape) < SMALLEST_SIDE:
        return [bytes(WIDTH)] * len(ORIENTATIONS), 0
    luma = _contiguous(luma)
    hashes, quality, _ = _orientations(View.of(luma), _grid(luma))
    return hashes, quality


def view_dihedral(view: View) -> tuple[list[bytes], int, list[bytes]]:
    """Return what ``dihedral`` returns of the picture that is seen in ``view``, by weights alone,
    and of each hash the bits that the whole picture may turn over, set in 32 bytes.

    Of a whole picture they differ from those of ``dihedral`` by rounding, of a copy at
    ``view.eighths`` by what it does not show, mostly by no bit.
    """
    if min(view.height, view.width) < SMALLEST_SIDE:
        return [bytes(WIDTH)] * len(ORIENTATIONS), 0, [bytes(WIDTH)] * len(ORIENTATIONS)
    return _orientations(view, None)


def _orientations(view: View, plain: Grid | None) -> tuple[list[bytes], int, list[bytes]]:
    """Return the eight hashes, the quality, and the bits in doubt of each hash; ``plain``: the
    samples as they stand, if known: then no bit is in doubt."""
    hashes, found, doubts = _eight(
        view.pixels,
        view.rows(),
        view.rows(mirrored=True),
        view.columns(),
        view.columns(mirrored=True),
        view.exchanged,
        _UNKNOWN if plain is None else plain,
        _DCT,
        _DCT_COLUMNS,
        LEAST if plain is None else 0,
    )
    return [each.tobytes() for each in hashes], int(found), [each.tobytes() for each in doubts]


def part_hash(view: View, rows: Band, columns: Band) -> tuple[bytes, int, bytes]:
    """Return hash and quality of what ``rows`` and ``columns`` make of the picture in ``view``, and
    the bits in doubt, as ``view_dihedral`` does."""
    value, found, doubts = _one(view.pixels, rows, columns, view.exchanged, _DCT, _DCT_COLUMNS)
    return value.tobytes(), int(found), doubts.tobytes()


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


@compiled
def _all_bits(blocks: Any, least: int) -> Any:
    """Return hashes, (n, 32) uint8, of frequencies (n, 16, 16): a bit where above the median; and
    in the same shape the bits in doubt, ``least`` or more, none where that is 0."""
    hashes = np.zeros((len(blocks), WIDTH), np.uint8)
    doubts = np.zeros((len(blocks), WIDTH), np.uint8)
    apart = np.empty(blocks[0].size, np.float32)
    for n in range(len(blocks)):
        flat = blocks[n].reshape(-1)
        median = _smallest(flat, _HALF)
        for i in range(flat.size):
            if flat[flat.size - 1 - i] > median:
                hashes[n, i // 8] |= np.uint8(128 >> (i % 8))
        if least == 0:
            continue
        for i in range(flat.size):
            apart[i] = abs(flat[i] - median)
        limit = _farthest_in_doubt(apart, least)
        for i in range(flat.size):
            if apart[flat.size - 1 - i] <= limit:
                doubts[n, i // 8] |= np.uint8(128 >> (i % 8))
    return hashes, doubts


@compiled
def _farthest_in_doubt(apart: Any, least: int) -> Any:
    """Return how far from the median a frequency may lie to be in doubt."""
    doubtful = noisy = np.int32(0)
    for i in range(apart.size):
        doubtful += np.int32(apart[i] <= DOUBT)
        noisy += np.int32(apart[i] <= NOISE)
    if noisy > MOST:
        return np.float32(np.inf)
    if least <= doubtful <= MOST:
        return DOUBT
    return _smallest(apart, least if doubtful < least else MOST)


@compiled
def _smallest(flat: Any, place: int) -> Any:
    """Return the ``place``-th smallest of 256 values, from 1.

    Of 128 that is the lower of the two middle ones, which the reference takes for the median. Bit
    by bit, from the highest: the largest number that fewer than ``place`` lie below. The numbers
    order as the floats do. Counting all of them, eight at a time, leaves nothing to guess and takes
    a sixth of a partition's time.
    """
    numbers = np.empty(flat.size, np.int32)
    bits = flat.view(np.int32)
    for i in range(flat.size):
        negative = np.int32(bits[i] >> np.int32(31))
        numbers[i] = np.int32(bits[i] ^ np.int32(negative & np.int32(0x7FFFFFFF)))
    found: Any = -(1 << 31)
    for bit in range(31, -1, -1):
        higher = np.int32(found + (1 << bit))
        below = np.int32(0)
        for i in range(flat.size):
            below = np.int32(below + np.int32(numbers[i] < higher))
        if below < place:
            found = np.int64(higher)
    for i in range(flat.size):
        if numbers[i] == found:
            return flat[i]
    return flat[0]  # never: what was found is one of them


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
def _eight_sums(rows: Any, sums: Any, window: int) -> None:
    """Write the moving sums of ``window`` pixels of eight rows, ``window`` zeros before each.

    One row alone would wait for its own sum. The zeros change no sum and spare all special cases.
    """
    r0, r1, r2, r3 = rows[0], rows[1], rows[2], rows[3]
    r4, r5, r6, r7 = rows[4], rows[5], rows[6], rows[7]
    s0, s1, s2, s3 = sums[0], sums[1], sums[2], sums[3]
    s4, s5, s6, s7 = sums[4], sums[5], sums[6], sums[7]
    a = b = c = d = e = f = g = h = np.float32(0)
    for x in range(sums.shape[1]):
        new = x + window
        a += r0[new]
        b += r1[new]
        c += r2[new]
        d += r3[new]
        e += r4[new]
        f += r5[new]
        g += r6[new]
        h += r7[new]
        a -= r0[x]
        b -= r1[x]
        c -= r2[x]
        d -= r3[x]
        e -= r4[x]
        f -= r5[x]
        g -= r6[x]
        h -= r7[x]
        s0[x], s1[x], s2[x], s3[x] = a, b, c, d
        s4[x], s5[x], s6[x], s7[x] = e, f, g, h


@compiled
def _grid(luma: Any) -> Any:
    """Return the 64x64 samples of ``luma`` (h, w), reading it once.

    Both passes along the columns keep running sums, so that the memory needed beside the picture
    is one filter window of rows and 64 columns, and every sum is taken in the reference's order.
    At the ends a window is cut, not padded: ``sizes`` are those of the windows along a row.
    """
    height, width = luma.shape
    grid = np.empty((64, 64), np.float32)
    if height == 64 and width == 64:
        for y in range(64):
            for x in range(64):
                grid[y, x] = luma[y, x]
        return grid
    across, down = (width + 127) // 128, (height + 127) // 128
    right, below = (across + 2) // 2 - 1, (down + 2) // 2 - 1
    sizes = np.empty(width, np.float32)
    for x in range(width):
        sizes[x] = min(x + right, width - 1) - max(x + right - across, -1)
    first = np.zeros((8, across + width + right), np.float32)  # rows, before they are blurred
    second = np.zeros((8, across + width + right), np.float32)  # blurred across and down
    sums = np.empty((8, width + right), np.float32)
    depth = down + 8  # so eight new rows leave the window that is still summed
    ring = np.empty((depth, width), np.float32)
    columns = np.zeros(width, np.float32)
    narrow = np.empty((height + 8, 64), np.float32)
    oldest = 0  # the first row of those that ``columns`` sums
    for y in range(height + below):
        if y < height and y % 8 == 0:
            rows = min(8, height - y)
            for i in range(rows):
                source, padded = luma[y + i], first[i, across : across + width]
                for x in range(width):
                    padded[x] = source[x]
            _eight_sums(first, sums, across)
            for i in range(rows):
                total, mean = sums[i, right:], ring[(y + i) % depth]
                for x in range(width):
                    mean[x] = total[x] / sizes[x]
        if y < height:
            entering = ring[y % depth]
            for x in range(width):
                columns[x] += entering[x]
        if y - oldest == down or y >= height:
            leaving = ring[oldest % depth]
            for x in range(width):
                columns[x] -= leaving[x]
            oldest += 1
        at = y - below
        if at < 0:
            continue
        divisor = np.float32(min(y + 1, height) - oldest)
        padded = second[at % 8, across : across + width]
        for x in range(width):
            padded[x] = columns[x] / divisor
        if at % 8 == 7 or at == height - 1:
            _eight_sums(second, sums, across)
            for i in range(8):
                for k in range(64):
                    x = ((2 * k + 1) * width) // 128
                    narrow[at - at % 8 + i, k] = sums[i, x + right] / sizes[x]
    _last_pass(narrow[:height], grid, down)
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
    """Return dct @ grid @ dct.T, each sum taken in order, four terms at a time."""
    half = np.zeros((16, 64), np.float32)
    for i in range(16):
        _add_rows(dct[i], grid, half[i])
    whole = np.zeros((16, 16), np.float32)
    for i in range(16):
        _add_rows(half[i], dct_columns, whole[i])
    return whole


@compiled
def _add_rows(factors: Any, rows: Any, out: Any) -> None:
    """Add to ``out`` each of the 64 ``rows`` times its factor."""
    for k in range(0, 64, 4):
        p, q, r, s = factors[k], factors[k + 1], factors[k + 2], factors[k + 3]
        a, b, c, d = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        for j in range(out.size):
            total = out[j] + p * a[j]
            total += q * b[j]
            total += r * c[j]
            out[j] = total + s * d[j]


@compiled
def _one(pixels: Any, rows: Any, columns: Any, exchanged: bool, dct: Any, dct_columns: Any) -> Any:
    """Return hash and quality of a part that is sampled by weights, and its bits in doubt."""
    grid = _upright(across(down(pixels, rows), columns), exchanged)
    blocks = _frequencies(grid, dct, dct_columns).reshape((1, 16, 16))
    hashes, doubts = _all_bits(blocks, LEAST_OF_PART)
    return hashes[0], _quality(grid), doubts[0]


@compiled
def _eight(
    pixels: Any,
    rows: Any,
    mirrored_rows: Any,
    columns: Any,
    mirrored_columns: Any,
    exchanged: bool,
    plain: Any,
    dct: Any,
    dct_columns: Any,
    least: int,
) -> Any:
    """Return the hashes of all orientations, (8, 32), the quality of the first, and the bits in
    doubt, ``least`` or more.

    ``plain`` are the samples of the picture as it stands, or nothing: then they go by weights too.
    """
    seen, mirrored = down(pixels, rows), down(pixels, mirrored_rows)
    if not len(plain):
        plain = _upright(across(seen, columns), exchanged)
    flip_h = _upright(across(seen, mirrored_columns), exchanged)
    flip_v = _upright(across(mirrored, columns), exchanged)
    if exchanged:
        flip_h, flip_v = flip_v, flip_h
    rot180 = _upright(across(mirrored, mirrored_columns), exchanged)
    p = _frequencies(plain, dct, dct_columns)
    h = _frequencies(flip_h, dct, dct_columns)
    v = _frequencies(flip_v, dct, dct_columns)
    r = _frequencies(rot180, dct, dct_columns)
    blocks = np.empty((8, 16, 16), np.float32)
    blocks[0], blocks[1], blocks[2], blocks[3] = p, h.T, r, v.T
    blocks[4], blocks[5], blocks[6], blocks[7] = h, v, p.T, r.T
    hashes, doubts = _all_bits(blocks, least)
    return hashes, _quality(plain), doubts


@compiled
def _upright(grid: Any, exchanged: bool) -> Any:
    return np.ascontiguousarray(grid.T) if exchanged else grid


@compiled
def _quality(grid: Any) -> Any:
    """Return the steps between neighbours in whole hundredths of the range, summed, over 90."""
    total = _steps(grid[:-1], grid[1:]) + _steps(grid[:, :-1], grid[:, 1:])
    return min(100, total // 90)


@compiled
def _steps(grid: Any, other: Any) -> Any:
    total = np.int32(0)
    for y in range(grid.shape[0]):
        row, beside = grid[y], other[y]
        for x in range(row.size):
            step = (row[x] - beside[x]) * np.float32(100) / np.float32(255)
            total += np.int32(abs(np.int32(step)))
    return total
