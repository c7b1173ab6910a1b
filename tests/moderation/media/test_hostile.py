"""Bytes made to hurt: each file ends with hashes or with a named reason, and takes little."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from moderation.media.decode import PictureError
from moderation.media.hashing import hash_picture
from moderation.media.pdq import WIDTH
from moderation.outcomes import REASONS, Outcome
from tests.moderation.media.drawing import encoded, scene, with_orientation

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]
ANIMATED = ["GIF", "WEBP", "PNG", "AVIF", "TIFF"]
FUZZED = 5000 // (len(FORMATS) + len(ANIMATED) + 1) + 1  # of each kind


def outcome(data, **options):
    """Return hashes, or the reason why there are none; whatever else is raised fails the test."""
    try:
        return hash_picture(data, exact=True, **options)
    except PictureError as error:
        reason = error.reason
    assert REASONS[reason] is Outcome.FAILED
    return reason


def animation(form, width=96, height=80, count=4):
    frames = [scene(width, height, seed) for seed in range(count)]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:])


def kinds():
    """Yield name and file of each format, still and animated, with metadata to trip over."""
    drawn = scene(96, 80, 5)
    for form in FORMATS:
        options = {} if form in ("GIF", "BMP") else {"exif": with_orientation(6)}
        yield form, encoded(drawn, form, **options)
    yield "progressive", encoded(drawn, "JPEG", progressive=True, exif=with_orientation(6))
    for form in ANIMATED:
        yield f"animated {form}", animation(form)


KINDS = dict(kinds())


@pytest.mark.parametrize(("name", "data"), [*KINDS.items()], ids=KINDS)
def test_five_thousand_fuzzed_files_give_hashes_or_a_reason(name, data):
    random = np.random.default_rng(len(data))
    found = []
    with warnings.catch_warnings(record=True) as caught:
        for i in range(FUZZED):
            broken = bytearray(data)
            # Half of the blows land in the header, where the lengths and sizes are.
            reach = min(len(data), 400) if i % 2 else len(data)
            for at in random.integers(0, reach, 1 + i % 5):
                broken[at] = int(random.integers(0, 256))
            if i % 10 == 0:
                del broken[int(random.integers(0, len(broken))) :]
            found.append(outcome(bytes(broken), max_pixels=4_000_000))
    assert caught == []
    assert len(found) == FUZZED
    assert any(isinstance(each, str) for each in found), name


@pytest.mark.parametrize("form", [*FORMATS, "progressive", *(f"animated {f}" for f in ANIMATED)])
def test_a_file_cut_at_every_kilobyte_gives_hashes_or_a_reason(form):
    kind, _, last = form.rpartition(" ")
    if kind:
        data = animation(last, 320, 240)
    elif form == "progressive":
        data = encoded(scene(700, 500, 6), "JPEG", progressive=True)
    else:
        data = encoded(scene(*((240, 160) if form in ("BMP", "TIFF") else (700, 500)), 6), form)
    found = [outcome(data[:end]) for end in range(0, len(data), 1024)]
    assert len(found) > 3
    assert found[0] == "not_a_picture"
    assert "truncated" in found or last == "TIFF"
    assert not isinstance(outcome(data), str)


@pytest.mark.parametrize("size", [(1, 1), (100_000, 1), (1, 100_000), (5, 20_000)])
@pytest.mark.parametrize("form", FORMATS)
def test_pictures_of_odd_shapes_are_hashed_or_refused(form, size):
    image = Image.new("RGB", size, (200, 120, 40))
    if form in ("JPEG", "WEBP", "GIF", "AVIF") and max(size) > 16_383:
        image = image.resize((min(size[0], 16_000), min(size[1], 16_000)))  # as long as these get
    found = outcome(encoded(image, form))
    assert (found.width, found.height) == image.size
    assert found.pdq_quality == 0
    assert len(found.pdq_turns) == 7 * WIDTH
    assert found.pdq_variants == () or min(image.size) >= 5


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("turn", [0, 9, 255, 65_535])
def test_an_orientation_that_does_not_exist_is_none(form, turn):
    drawn = scene(90, 50, 2)
    odd = outcome(encoded(drawn, form, exif=with_orientation(turn)))
    assert odd.pdq == outcome(encoded(drawn, form)).pdq
    assert (odd.width, odd.height) == (90, 50)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("profile", [b"\xff" * 4000, b"\0" * 128, b"acsp" * 900, b"x"])
def test_garbage_for_a_colour_profile_changes_nothing(form, profile):
    drawn = scene(120, 90, 2)
    assert (
        outcome(encoded(drawn, form, icc_profile=profile)).pdq == outcome(encoded(drawn, form)).pdq
    )


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_garbage_for_exif_changes_nothing(form):
    drawn = scene(120, 90, 2)
    whole = outcome(encoded(drawn, form)).pdq
    random = np.random.default_rng(5)
    for length in (0, 1, 7, 8, 60, 2000):
        block = b"Exif\0\0II*\0\x08\0\0\0" + random.bytes(length)
        found = outcome(encoded(drawn, form, exif=block))
        assert found.pdq == whole


def test_an_animation_of_a_million_frames_ends_at_its_limits():
    one = encoded(Image.new("P", (8, 8)), "GIF")
    start = one.index(b",")
    frame = one[start:-1]
    data = one[:start] + frame * 1_000_000 + b";"
    found = outcome(data, max_pixels=5_000_000)  # 500 frames, as the least one counts 10,000
    assert (found.width, found.height) == (8, 8)


def test_a_small_png_that_inflates_to_much_is_refused():
    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    text = b"comment\0\0" + zlib.compress(bytes(80_000_000), 9)
    data = encoded(scene(60, 40), "PNG")
    at = data.index(b"IDAT") - 4
    bomb = data[:at] + chunk(b"zTXt", text) + data[at:]
    assert outcome(bomb) == "undecodable"


def test_a_page_of_a_file_may_not_be_larger_than_the_first_allows():
    pages = [Image.new("L", (40, 30), 9), Image.new("L", (3000, 3000), 99)]
    stream = io.BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    found = outcome(stream.getvalue(), max_pixels=1_000_000)
    assert (found.width, found.height) == (40, 30)
    assert not any(each.name.startswith("frame") for each in found.pdq_variants)
