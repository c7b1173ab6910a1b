"""What the full decode finds is a candidate of the quick one, over edited JPEGs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from benchmarks.edits import EDITS
from moderation.matching.index import KnownIndex, write_index
from moderation.media.hashing import LEAST_SLACK, VARIANT_SLACK, PictureHashes, hash_picture
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


def as_far_as_can_be(exact: bytes, quick: bytes) -> Bytes:
    """Return a known hash at the threshold from the exact hash, and as far as can be from the
    quick one."""
    one, other = (np.frombuffer(each, np.uint8) for each in (exact, quick))
    bits = np.zeros(256, np.uint8)
    bits[np.flatnonzero(np.unpackbits(one ^ other) == 0)[:THRESHOLD]] = 1
    return one ^ np.packbits(bits)


def test_no_orientation_lies_beyond_its_slack(
    both: list[tuple[PictureHashes, PictureHashes]],
) -> None:
    for quick, exact in both:
        pairs = zip(turns(quick), turns(exact), strict=True)
        assert max(distance(*pair) for pair in pairs) <= quick.pdq_slack
        assert distance(quick.phash, exact.phash) <= quick.phash_slack
        assert abs(quick.pdq_quality - exact.pdq_quality) <= QUALITY_SLACK
        assert quick.pdq_slack >= LEAST_SLACK
        assert quick.variant_slack >= VARIANT_SLACK
        assert exact.pdq_slack == exact.variant_slack == exact.phash_slack == 0


def test_every_match_of_the_full_decode_is_a_candidate_of_the_quick_one(
    both: list[tuple[PictureHashes, PictureHashes]], tmp_path: Path
) -> None:
    """Known hashes at the threshold, in the worst direction for the quick hash."""
    known = [
        as_far_as_can_be(one, other)
        for quick, exact in both
        for one, other in zip(turns(exact), turns(quick), strict=True)
    ]
    write_index(tmp_path / "index", {"pdq": (np.array(known), np.arange(len(known)))})
    index = KnownIndex.open(tmp_path / "index")
    missed_without = 0
    for quick, exact in both:
        values = np.frombuffer(b"".join(turns(quick)), np.uint8).reshape(-1, 32)
        meant = np.frombuffer(b"".join(turns(exact)), np.uint8).reshape(-1, 32)
        matched = set(index.near("pdq", meant, THRESHOLD).rows.tolist())
        reach = np.full(len(values), THRESHOLD + quick.pdq_slack)
        assert matched <= set(index.may_be_near("pdq", values, reach).tolist())
        assert len(matched) == len(values)
        missed_without += len(matched - set(index.near("pdq", values, THRESHOLD).rows.tolist()))
    assert missed_without > 50


def test_variants_lie_within_their_slack_but_for_edges_of_one_pixel(
    both: list[tuple[PictureHashes, PictureHashes]],
) -> None:
    """A copy shows the outermost pixels only in their mean with those beside them, and what was cut
    is put back from the outermost alone. So no bound holds for all: nearly all lie within."""
    apart, beyond = [], 0
    for quick, exact in both:
        meant = {each.name: each for each in exact.pdq_variants if each.quality >= LOW_QUALITY}
        for each in quick.pdq_variants:
            if each.name in meant:
                apart.append(distance(each.pdq, meant[each.name].pdq))
                beyond += apart[-1] > quick.variant_slack
    assert len(apart) > 90
    assert beyond <= len(apart) / 50


def flat(share: float) -> Image.Image:
    grey = Image.new("RGB", (600, 500), (120, 120, 120))
    return Image.blend(grey, scene(600, 500, 4), share)


def test_the_slack_grows_where_many_bits_are_in_doubt() -> None:
    found = [hash_picture(encoded(flat(share), "JPEG", quality=90)) for share in (1.0, 0.2, 0.02)]
    slack = [each.pdq_slack for each in found]
    assert slack == sorted(slack)
    assert slack[0] == LEAST_SLACK
    assert slack[-1] > 60


def test_pictures_of_other_formats_have_none() -> None:
    found = hash_picture(encoded(scene(600, 500), "PNG"))
    assert (found.pdq_slack, found.variant_slack, found.phash_slack) == (0, 0, 0)
