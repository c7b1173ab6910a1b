"""Which edits of a known picture are found, beside threatexchange; and pairs found by mistake.

Known: the PDQ of each picture, from pdqhash. An edited picture is saved as JPEG again, looked up by
all its queries, and found when one is within the threshold: 31, or 8 below quality 50, as in scans.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks import pictures
from benchmarks.edits import EDITS, crops, edited, spread
from benchmarks.peers import QUALITY, hma_pdq, reference_pdq
from benchmarks.screening import queries_of
from benchmarks.table import Extra, Goal, Results, Row, subject
from moderation.matching.bands import BandTable
from moderation.media.hashing import PictureHashes, hash_picture
from moderation.media.pdq import ORIENTATIONS
from sample import drawing

THRESHOLD, BLURRED_THRESHOLD = 31, 8
PHASH_THRESHOLD = 8
SIDE = 160  # pixels of the pictures that are all different
SAME_MOTIF = 80  # bits between whole wallpapers; two that differ are about 128 apart
LEAST_PAIRS = 200_000_000


def measure(quick: bool) -> Results:
    """Return the table of edits, and the rows of false pairs."""
    results = Results()
    _edits(results, 20 if quick else 160)
    _false_pairs(results, 1_000 if quick else 33_000)
    return results


def _edits(results: Results, count: int) -> None:
    originals = _hashable(count)
    known = [reference_pdq(pictures.jpeg(image, quality=92))[0] for image in originals]
    rows = []
    for name in EDITS:
        full, scaled, hma, nearest = 0, 0, 0, []
        for image, value in zip(originals, known, strict=True):
            data = edited(image, name)
            exact = hash_picture(data, exact=True)
            full += _found(exact, value)
            scaled += _found(hash_picture(data), value)
            theirs, quality = hma_pdq(data)
            hma += quality >= QUALITY and _apart(theirs, value) <= THRESHOLD
            nearest.append(min(_apart(each.tobytes(), value) for each in queries_of(exact).values))
        shares = [f"{100 * found / count:.0f} %" for found in (full, scaled, hma)]
        rows.append([name, *shares, spread(nearest)])
    columns = [
        *("edit", "ours, full decode", "ours, quick decode"),
        "threatexchange",
    ]
    results.extras.append(
        Extra(
            f"Recall of {count} known pictures after an edit",
            [*columns, "nearest query: median / p95 bits"],
            rows,
        )
    )
    results.notes.append(
        "Recall: crop 5 % leaves the middle 95 % of width and height; borders are black, on each "
        "side as wide as that share of the shorter side; the originals have quality 50 or more, "
        "as known pictures do."
    )


def _false_pairs(results: Results, count: int) -> None:
    found = [hash_picture(pictures.jpeg(image), exact=True) for image in _different(count)]
    plain = np.stack([np.frombuffer(each.pdq, np.uint8) for each in found])
    clear = np.array([each.pdq_quality >= QUALITY for each in found])
    queries = [queries_of(each) for each in found]
    owner = np.repeat(np.arange(count), [len(each.values) for each in queries])
    values = np.concatenate([each.values for each in queries])
    clear_queries = np.concatenate([each.qualities for each in queries]) >= QUALITY
    phashes = np.stack([np.frombuffer(each.phash, np.uint8) for each in found])

    all_pairs = count * (count - 1) // 2
    clear_pairs = int(clear.sum()) * (int(clear.sum()) - 1) // 2
    one = np.arange(count)
    eight = np.concatenate([np.arange(len(each.values)) < len(ORIENTATIONS) for each in queries])
    none = Goal(0, 0, fewer=True)
    for what, known, asked, of, good, threshold, goal in (
        ("PDQ <= 31", plain, plain, one, clear, THRESHOLD, none),
        (
            *("PDQ <= 31, eight orientations", plain, values[eight], owner[eight]),
            *(clear_queries[eight], THRESHOLD, none),
        ),
        ("PDQ <= 31, all variants", plain, values, owner, clear_queries, THRESHOLD, none),
        ("pHash <= 8", phashes, phashes, one, clear, PHASH_THRESHOLD, Goal()),
    ):
        rows, places, _ = BandTable.build(known).join(asked, threshold)
        gated = good[rows] & clear[places]
        for pairs, name, wanted, asked_goal in (
            (clear_pairs, f"both qualities >= {QUALITY}", gated, goal),
            (all_pairs, "any quality", gated | True, Goal()),
        ):
            wrong = _pairs(of[rows[wanted]], places[wanted])
            cells = (f"{pairs:,} pairs, {name}", f"{wrong:,} pairs", "", wrong / pairs * 1e6)
            results.rows.append(Row(f"false pairs, {what}", *cells, asked_goal, "per million"))
    results.notes.append(
        f"False pairs: squares of {SIDE} pixels, disjoint ones of wallpapers and drawn ones, each "
        "against each other one. Of wallpapers that are one picture in several sizes or colours "
        "only the first is taken."
    )
    if all_pairs < LEAST_PAIRS:
        results.notes.append(f"False pairs: too few pictures for {LEAST_PAIRS:,} pairs.")


def _hashable(count: int) -> list[Image.Image]:
    """Return pictures whose PDQ says something, one view of each wallpaper after another."""
    images = (
        image
        for image in pictures.images(seed=11)
        if reference_pdq(pictures.jpeg(image, quality=92))[1] >= QUALITY
    )
    return list(islice(images, count))


def _different(count: int) -> Iterator[Image.Image]:
    """Yield pictures of which no two show the same: half squares of wallpapers, the rest drawn."""
    left = count
    motifs: list[bytes] = []
    for file in pictures.wallpapers():
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        motif, _ = reference_pdq(pictures.jpeg(picture.resize((512, 512))))
        if any(_apart(motif, other) < SAME_MOTIF for other in motifs):
            continue  # the same picture in another size or in other colours
        motifs.append(motif)
        for square in crops(picture, SIDE)[: left - count // 2]:
            yield square
            left -= 1
    for seed in range(left):
        yield drawing.draw(seed, size=(SIDE, SIDE))


def _found(found: PictureHashes, value: bytes) -> bool:
    values, qualities, _ = queries_of(found)
    thresholds = np.where(qualities >= QUALITY, THRESHOLD, BLURRED_THRESHOLD)
    apart = [_apart(each.tobytes(), value) for each in values]
    return bool((np.array(apart) <= thresholds).any())


def _pairs(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> int:
    """Return how many unordered pairs of different pictures these are."""
    pairs = zip(one.tolist(), other.tolist(), strict=True)
    return len({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})


def _apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


if __name__ == "__main__":
    subject(measure, __doc__)
