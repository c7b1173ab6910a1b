"""JPEG bytes to hashes, beside HMA's path, pdqhash, perception and the bare scaled decode.

Ours once with the hashes that the target names, and once with all that scans compute.
"""

import hashlib
import io
from collections.abc import Callable, Sequence

import imagehash
import numpy as np
import numpy.typing as npt
import pdqhash
import simplejpeg
from perception.hashers import PHash
from PIL import Image

from benchmarks import pictures
from benchmarks.peers import hma_pdq, reference_pdq
from benchmarks.table import Goal, Results, Row, rate, subject
from benchmarks.timing import interleaved
from moderation.media import pdq
from moderation.media.decode import decode_scaled
from moderation.media.digests import digests
from moderation.media.hashing import PictureHashes, hash_picture
from moderation.media.phash import phash

PERCEPTION = PHash()
Pixels = npt.NDArray[np.uint8]


def measure(quick: bool) -> Results:
    """Return all rows of this subject."""
    results = Results()
    near = pictures.jpegs(40 if quick else 300)
    _speeds(results, near[: 30 if quick else 100])
    _speeds(results, pictures.jpegs(2 if quick else 10, large=True), growth=True)
    _distances(results, near)
    results.notes.append(
        "Hashing: HMA's path gives one PDQ. Ours gives PDQ with its quality, pHash, md5, sha1 and "
        "sha256; where all hashes are said, also PDQ in the other seven orientations, and of the "
        "picture with its margins trimmed and cut edges put back, as scans do. Pictures: "
        "wallpapers cut, scaled and saved at JPEG quality 82, those without texture left out; one "
        "in four is drawn."
    )
    return results


def _speeds(results: Results, files: list[bytes], *, growth: bool = False) -> None:
    """Add the speeds; the goals are for pictures as a crawl has them, others show the growth."""
    arrays = [_rgb(data) for data in files]
    size = f"{np.mean([a.shape[0] * a.shape[1] for a in arrays]) / 1e6:.2f} Mpx"
    size += f", {np.mean([len(data) for data in files]) / 1024:.0f} KiB"
    count, repeats = len(files), 3 if growth else 5
    named, ours, exact, ours_rgb, hma, limit, imagehashes, perceptions = interleaved(
        *(_each(_named, files), _each(hash_picture, files), _each(_exact, files)),
        *(_each(_our_pdq_of_bytes, files), _each(hma_pdq, files)),
        *(_each(_bare_decode, files), _each(_imagehash, files), _each(_perception, files)),
        repeats=repeats,
    )
    ours_pdq, their_pdq = interleaved(
        _each(_our_pdq, arrays), _each(pdqhash.compute, arrays), repeats=repeats
    )

    def row(what: str, our: float, peer: float, name: str, goal: Goal, **more: str) -> None:
        value = peer / our * (100 if more.get("unit") == "%" else 1)
        theirs = f"{name} {rate(count, peer)}"
        goal = Goal() if growth else goal
        results.rows.append(Row(what, size, rate(count, our), theirs, value, goal, **more))

    what = "JPEG bytes to PDQ, pHash and digests"
    limited = "bare scaled decode"
    row(what, named, hma, "HMA, PDQ alone", Goal(7, 10))
    row("the same, share of the limit", named, limit, limited, Goal(None, 75), unit="%")
    row("the same", named, imagehashes, "imagehash + digests", Goal())
    row("the same", named, perceptions, "perception PHash + digests", Goal())
    row("JPEG bytes to all hashes", ours, hma, "HMA, PDQ alone", Goal(7, 10))
    row("the same, share of the limit", ours, limit, limited, Goal(None, 75), unit="%")
    row("full decode: pixels to PDQ", ours_pdq, their_pdq, "pdqhash", Goal(2.5, 4))
    row("full decode: bytes to PDQ", ours_rgb, hma, "HMA, PDQ alone", Goal())
    row("full decode: bytes to all hashes", exact, hma, "HMA, PDQ alone", Goal())


def _distances(results: Results, files: list[bytes]) -> None:
    references = [reference_pdq(data) for data in files]
    exact = [hash_picture(data, exact=True) for data in files]
    bits, off = _compared([hash_picture(data) for data in files], references)
    exact_bits, exact_off = _compared(exact, references)
    phashes = [_bits(each.phash, _phash(data)) for each, data in zip(exact, files, strict=True)]
    none = Goal(0, 0, fewer=True)

    def row(what: str, peer: str, value: float, goal: Goal, unit: str = "bits") -> None:
        cells = (what, f"{len(files)} pictures", "", peer)
        results.rows.append(Row(*cells, value, goal, unit))

    full = "pdqhash, full decode"
    what = "scaled decode: PDQ distance"
    row(f"{what}, median", full, float(np.median(bits)), Goal(2, 0, fewer=True))
    row(f"{what}, p95", full, float(np.percentile(bits, 95)), Goal(8, 4, fewer=True))
    row(f"{what}, share within 10", full, 100 * float(np.mean(bits <= 10)), Goal(97, 99), "%")
    row(f"{what}, most", full, int(bits.max()), Goal())
    row("scaled decode: quality difference, most", full, int(off.max()), Goal(3, fewer=True), "")
    row("full decode: PDQ distance, most", full, int(exact_bits.max()), none)
    row("full decode: quality difference, most", full, int(exact_off.max()), none, "")
    row("full decode: pHash distance, most", "imagehash", max(phashes), none)


def _compared(
    found: list[PictureHashes], references: list[tuple[bytes, int]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the distances of the hashes and the differences of their qualities."""
    pairs = list(zip(found, references, strict=True))
    apart = [_bits(each.pdq, value) for each, (value, _) in pairs]
    off = [abs(each.pdq_quality - quality) for each, (_, quality) in pairs]
    return np.array(apart), np.array(off)


def _each(work: Callable[..., object], items: Sequence[object]) -> Callable[[], object]:
    return lambda: [work(item) for item in items]


def _rgb(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened.convert("RGB"))


def _named(data: bytes) -> object:
    """One PDQ with its quality, pHash, md5, sha1 and sha256, from one decode."""
    scaled = decode_scaled(data)
    if scaled is None:
        return hash_picture(data, exact=True)
    view = scaled.view
    value = pdq.part_hash(view, view.rows(), view.columns())
    return value, phash(scaled.grey), digests(data)


def _exact(data: bytes) -> object:
    return hash_picture(data, exact=True)


def _our_pdq(pixels: Pixels) -> object:
    return pdq.pdq(pdq.luma_of(pixels))


def _our_pdq_of_bytes(data: bytes) -> object:
    return _our_pdq(_rgb(data))


def _bare_decode(data: bytes) -> object:
    return simplejpeg.decode_jpeg(data, "GRAY", min_height=256, min_width=256)


def _imagehash(data: bytes) -> object:
    return _phash(data), _digests(data)


def _perception(data: bytes) -> object:
    return PERCEPTION.compute(_rgb(data)), _digests(data)


def _phash(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as opened:
        return np.packbits(imagehash.phash(opened).hash).tobytes()


def _digests(data: bytes) -> object:
    return [hashlib.new(name, data).digest() for name in ("md5", "sha1", "sha256")]


def _bits(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


if __name__ == "__main__":
    subject(measure, __doc__)
