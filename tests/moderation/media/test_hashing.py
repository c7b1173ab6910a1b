"""All hashes of a picture: right, from one decode, and only PictureError on hostile bytes."""

import hashlib
import io
import warnings

import imagehash
import numpy as np
import pdqhash
import pytest
from PIL import Image

from moderation.media import decode as decoding
from moderation.media import pdq
from moderation.media.decode import PictureError, decode, decode_scaled
from moderation.media.hashing import hash_picture
from moderation.outcomes import REASONS, Outcome
from tests.moderation.media.drawing import distance, encoded, scene, with_orientation

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]


def reference(image):
    bits, quality = pdqhash.compute(np.asarray(image.convert("RGB")))
    return np.packbits(bits.astype(np.uint8)).tobytes(), quality


@pytest.mark.parametrize("form", FORMATS)
def test_exact_hashes_are_those_of_the_references(form):
    data = encoded(scene(410, 333, 1), form)
    hashes = hash_picture(data, exact=True)
    image = Image.open(io.BytesIO(data))
    assert hashes.md5 == hashlib.md5(data).digest()
    assert hashes.sha1 == hashlib.sha1(data).digest()
    assert hashes.sha256 == hashlib.sha256(data).digest()
    assert (hashes.pdq, hashes.pdq_quality) == reference(image)
    assert hashes.phash.hex() == str(imagehash.phash(image.convert("RGB")))
    assert (hashes.width, hashes.height, hashes.size) == (410, 333, len(data))
    assert hashes.format == form.lower()
    turns, _ = pdq.dihedral(decode(data).luma)
    assert hashes.pdq_turns == b"".join(turns[1:])
    assert len(hashes.pdq_turns) == 7 * 32
    assert not hashes.approximate


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_other_formats_than_jpeg_are_always_exact(form):
    data = encoded(scene(700, 600, 2), form)
    assert hash_picture(data) == hash_picture(data, exact=True)


def test_the_quick_way_stays_within_a_few_bits_of_the_full_decode():
    random = np.random.default_rng(7)
    distances, qualities, ranks, undone = [], [], [], []
    for seed in range(40):
        width, height = (int(side) for side in random.integers(260, 1500, 2))
        turn = int(random.integers(1, 9)) if seed % 3 == 0 else 1
        options = {"progressive": seed % 4 == 0, "subsampling": seed % 3}
        quality = int(random.integers(40, 95))
        data = encoded(
            scene(width, height, seed),
            "JPEG",
            quality=quality,
            exif=with_orientation(turn),
            **options,
        )
        quick, exact = hash_picture(data), hash_picture(data, exact=True)
        assert (quick.width, quick.height) == (exact.width, exact.height)
        assert quick.md5 == exact.md5
        assert (quick.approximate, exact.approximate) == (True, False)
        made, meant = (
            {each.name: each.pdq for each in hashes.pdq_variants} for hashes in (quick, exact)
        )
        assert meant.keys() == made.keys()
        undone.extend(distance(made[name], meant[name]) for name in meant)
        distances.append(distance(quick.pdq, exact.pdq))
        turned = [quick.pdq_turns[i : i + 32] for i in range(0, 224, 32)]
        expected = [exact.pdq_turns[i : i + 32] for i in range(0, 224, 32)]
        ranks.extend(distance(a, b) for a, b in zip(turned, expected, strict=True))
        qualities.append(abs(quick.pdq_quality - exact.pdq_quality))
    assert np.median(distances) <= 2
    assert np.percentile(distances, 95) <= 8
    assert np.median(ranks) <= 2
    assert np.median(undone) <= 2
    assert np.percentile(undone, 95) <= 12
    assert max(qualities) <= 3


def test_the_quick_phash_is_imagehash_of_the_small_copy():
    data = encoded(scene(1300, 900, 3), "JPEG")
    small = Image.fromarray(decode_scaled(data).grey)
    assert hash_picture(data).phash.hex() == str(imagehash.phash(small))


def test_one_decode_serves_all_hashes(monkeypatch):
    calls = []
    for name in ("decode", "decode_scaled"):
        original = getattr(decoding, name)

        def counted(*args, _name=name, _original=original, **kwargs):
            calls.append(_name)
            return _original(*args, **kwargs)

        monkeypatch.setattr(f"moderation.media.hashing.{name}", counted)
    hash_picture(encoded(scene(600, 500), "JPEG"))
    assert calls == ["decode_scaled"]


def test_a_cmyk_jpeg_and_a_picture_of_a_few_pixels_are_hashed():
    assert hash_picture(encoded(scene(300, 280).convert("CMYK"), "JPEG")).width == 300
    tiny = hash_picture(encoded(Image.new("RGB", (3, 2), "red"), "JPEG"))
    assert (tiny.pdq, tiny.pdq_quality, tiny.width, tiny.height) == (bytes(32), 0, 3, 2)
    assert len(tiny.phash) == 8


def outcome(data, **options):
    """Return hashes or reason; anything else that is raised fails the test."""
    reason = None
    try:
        return hash_picture(data, **options)
    except PictureError as error:
        reason = error.reason
    assert REASONS[reason] is Outcome.FAILED
    return reason


def test_flipped_bytes_give_hashes_or_a_reason_the_quick_way_too():
    for progressive in (False, True):
        data = encoded(scene(96, 80, 5), "JPEG", progressive=progressive, exif=with_orientation(6))
        random = np.random.default_rng(11)
        with warnings.catch_warnings(record=True) as caught:
            for i in range(250):
                broken = bytearray(data)
                # Half of the blows land in the header, where the lengths and sizes are.
                reach = min(len(data), 400) if i % 2 else len(data)
                for at in random.integers(0, reach, 1 + i % 5):
                    broken[at] = int(random.integers(0, 256))
                outcome(bytes(broken), max_pixels=4_000_000)
            for end in range(0, len(data), 200):
                outcome(data[:end])
        assert caught == []


def test_a_jpeg_that_the_quick_decoder_refuses_is_decoded_the_other_way():
    data = encoded(scene(500, 400, 6), "JPEG")
    odd = data[:-2] + b"\x00\x00\x00" + data[-2:]  # bytes that do not belong before the end mark
    assert hash_picture(odd).pdq_quality > 0
