"""What the full decode finds is a candidate of the quick one, over edited JPEGs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from benchmarks.edits import EDITS
from moderation.matching.index import KnownIndex, write_index
from moderation.media.hashing import (
    NO_DOUBTS,
    PDQ_SLACK,
    PHASH_SLACK,
    PictureHashes,
    hash_picture,
)
from moderation.media.pdq import LEAST, LEAST_OF_PART, MOST
from moderation.scanning.columns import LOW_QUALITY, QUALITY_SLACK
from sample import drawing
from tests.moderation.matching.scan import Bytes
from tests.moderation.media.drawing import distance, encoded, scene

THRESHOLD = 31
SIZES = [(300, 400), (500, 640), (801, 1003), (1000, 1200), (2050, 1930)]


def edited_jpegs() -> list[bytes]:
    """Return drawn pictures in every edit, of sizes for each scale of a quick decode."""
    files = []
    edits = [*EDITS.values(), lambda image: ImageEnhance.Color(image).enhance(2.0)]
    for number, edit in enumerate(edits):
        for at, size in enumerate(SIZES):
            if (number + at) % 5 in (1, 3):
                continue
            draw = scene(*size, number) if (number + at) % 2 else drawing.draw(number, size=size)
            quality = (30, 60, 85, 95)[(number + at) % 4]
            edited = edit(draw.convert("RGB"))
            files.append(encoded(edited, "JPEG", quality=quality, subsampling=at % 3))
    return files


@pytest.fixture(scope="module")
def both() -> list[tuple[PictureHashes, PictureHashes]]:
    """The quick and the exact hashes of each file."""
    pairs = [(hash_picture(data), hash_picture(data, exact=True)) for data in edited_jpegs()]
    assert all(quick.approximate for quick, _ in pairs)
    return pairs


def turns(hashes: PictureHashes) -> list[bytes]:
    packed = hashes.pdq + hashes.pdq_turns
    return [packed[at : at + 32] for at in range(0, len(packed), 32)]


def doubts(hashes: PictureHashes) -> list[bytes]:
    return [hashes.pdq_doubts[at : at + 32] for at in range(0, 256, 32)]


def surely_apart(one: bytes, other: bytes, doubt: bytes) -> int:
    """Return by how many bits two hashes differ beside those in doubt."""
    apart = int.from_bytes(one) ^ int.from_bytes(other)
    return (apart & ~int.from_bytes(doubt)).bit_count()


def as_far_as_can_be(exact: bytes, quick: bytes, doubt: bytes) -> Bytes:
    """Return a known hash at the threshold from the exact hash, and as far as can be from the
    quick one beside its bits in doubt."""
    one, other, unsure = (np.frombuffer(each, np.uint8) for each in (exact, quick, doubt))
    bits = np.zeros(256, np.uint8)
    bits[np.flatnonzero(np.unpackbits((one ^ other) | unsure) == 0)[:THRESHOLD]] = 1
    return one ^ np.packbits(bits)


def test_no_orientation_lies_beyond_what_is_in_doubt(
    both: list[tuple[PictureHashes, PictureHashes]],
) -> None:
    for quick, exact in both:
        pairs = zip(turns(quick), turns(exact), doubts(quick), strict=True)
        assert max(surely_apart(*each) for each in pairs) <= PDQ_SLACK
        assert distance(quick.phash, exact.phash) <= PHASH_SLACK
        assert abs(quick.pdq_quality - exact.pdq_quality) <= QUALITY_SLACK
        assert exact.pdq_doubts == NO_DOUBTS


def test_every_match_of_the_full_decode_is_a_candidate_of_the_quick_one(
    both: list[tuple[PictureHashes, PictureHashes]], tmp_path: Path
) -> None:
    """Known hashes at the threshold, in the worst direction for the quick hash."""
    known = [
        as_far_as_can_be(*each)
        for quick, exact in both
        for each in zip(turns(exact), turns(quick), doubts(quick), strict=True)
    ]
    write_index(tmp_path / "index", {"pdq": (np.array(known), np.arange(len(known)))})
    index = KnownIndex.open(tmp_path / "index")
    missed_without = 0
    for quick, exact in both:
        values, unsure, meant = (
            np.frombuffer(b"".join(each), np.uint8).reshape(-1, 32)
            for each in (turns(quick), doubts(quick), turns(exact))
        )
        matched = set(index.near("pdq", meant, THRESHOLD).rows.tolist())
        reach = np.full(len(values), THRESHOLD + PDQ_SLACK)
        found = index.may_be_near("pdq", values, unsure, reach)
        assert matched <= set(np.flatnonzero(found).tolist())
        assert len(matched) == len(values)
        missed_without += len(matched - set(index.near("pdq", values, THRESHOLD).rows.tolist()))
    assert missed_without > 50


def test_variants_lie_within_what_is_in_doubt_but_for_edges_of_one_pixel(
    both: list[tuple[PictureHashes, PictureHashes]],
) -> None:
    """A copy shows the outermost pixels only in their mean with those beside them, and what was cut
    is put back from the outermost alone. So no bound holds for all: nearly all lie within."""
    apart: list[int] = []
    for quick, exact in both:
        meant = {each.name: each for each in exact.pdq_variants if each.quality >= LOW_QUALITY}
        apart += [
            surely_apart(each.pdq, meant[each.name].pdq, each.doubts)
            for each in quick.pdq_variants
            if each.name in meant
        ]
    assert len(apart) > 90
    assert sum(bits > PDQ_SLACK for bits in apart) <= len(apart) / 20


def flat(share: float) -> Image.Image:
    grey = Image.new("RGB", (600, 500), (120, 120, 120))
    return Image.blend(grey, scene(600, 500, 4), share)


def test_more_bits_are_in_doubt_the_less_there_is_to_see() -> None:
    found = [hash_picture(encoded(flat(share), "JPEG", quality=90)) for share in (1.0, 0.1, 0.0)]
    counted = [[int.from_bytes(each).bit_count() for each in doubts(hashes)] for hashes in found]
    assert set(counted[0]) == {LEAST}
    assert all(LEAST < bits <= MOST for bits in counted[1])
    assert set(counted[2]) == {256}
    assert all(
        LEAST_OF_PART <= int.from_bytes(each.doubts).bit_count() <= MOST
        for each in found[0].pdq_variants
    )


def test_pictures_of_other_formats_have_none() -> None:
    found = hash_picture(encoded(scene(600, 500), "PNG"))
    assert not found.approximate
    assert found.pdq_doubts == NO_DOUBTS
