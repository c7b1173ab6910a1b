"""Bytes made to hurt: each file ends with hashes or with a named reason, and takes little.

All of it happens in a process that is watched: what crashes or hangs it fails here.
"""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from moderation.media import decode as decoding
from moderation.media.pdq import WIDTH
from tests.moderation.media.drawing import distance, encoded, scene, with_orientation
from tests.moderation.media.watched import Watched

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]
ANIMATED = ["GIF", "WEBP", "PNG", "AVIF", "TIFF"]
FUZZED = 5000 // (len(FORMATS) + len(ANIMATED) + 1) + 1  # of each kind
# Of each scale by which a quick decode shrinks a JPEG: how it is decoded, and its longer side.
SHRUNK = {
    f"{form} at {eighths}/8": (eighths, size, form == "progressive")
    for form in ("baseline", "progressive")
    for eighths, size in ((8, (470, 330)), (4, (530, 490)), (2, (1010, 970)), (1, (1960, 1930)))
}


@pytest.fixture(scope="module")
def watched():
    process = Watched()
    yield process
    process.end()


@pytest.fixture
def outcome(watched):
    """Return the hashes by the full decode, or the reason why there are none."""
    return lambda data, **options: watched.outcome(data, **({"exact": True} | options))


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


def fuzzed(data, count, random):
    for i in range(count):
        broken = bytearray(data)
        # Half of the blows land in the header, where the lengths and sizes are.
        reach = min(len(data), 400) if i % 2 else len(data)
        for at in random.integers(0, reach, 1 + i % 5):
            broken[at] = int(random.integers(0, 256))
        if i % 10 == 0:
            del broken[int(random.integers(0, len(broken))) :]
        yield bytes(broken)


@pytest.mark.parametrize(("name", "data"), [*KINDS.items()], ids=KINDS)
def test_five_thousand_fuzzed_files_give_hashes_or_a_reason(outcome, name, data):
    random = np.random.default_rng(len(data))
    files = fuzzed(data, FUZZED, random)
    found = [outcome(broken, max_pixels=4_000_000) for broken in files]
    assert len(found) == FUZZED
    assert any(isinstance(each, str) for each in found), name


def shrunk(name):
    eighths, size, progressive = SHRUNK[name]
    drawn = scene(*size, eighths)
    return encoded(drawn, "JPEG", quality=60, progressive=progressive, exif=with_orientation(6))


@pytest.mark.parametrize("name", SHRUNK)
def test_fuzzed_jpegs_of_every_scale_give_hashes_or_a_reason_the_quick_way(watched, name):
    data, eighths = shrunk(name), SHRUNK[name][0]
    assert decoding.decode_scaled(data).eighths == eighths
    files = fuzzed(data, 30 + 15 * eighths, np.random.default_rng(eighths))
    found = [watched.outcome(broken, max_pixels=8_000_000) for broken in files]
    assert any(isinstance(each, str) for each in found)
    assert any(getattr(each, "approximate", False) for each in found)


@pytest.mark.parametrize("name", SHRUNK)
def test_a_jpeg_of_every_scale_cut_anywhere_gives_hashes_or_a_reason_the_quick_way(watched, name):
    data = shrunk(name)
    ends = sorted({*range(0, len(data), max(1024, len(data) // 60)), *range(0, 700, 35)})
    found = [watched.outcome(data[:end]) for end in ends]
    assert found[0] == "not_a_picture"
    assert "truncated" in found
    whole = watched.outcome(data)
    assert whole.approximate
    assert (whole.height, whole.width) == SHRUNK[name][1]  # as it is turned


@pytest.mark.parametrize("form", [*FORMATS, "progressive", *(f"animated {f}" for f in ANIMATED)])
def test_a_file_cut_at_every_kilobyte_gives_hashes_or_a_reason(outcome, form):
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
def test_pictures_of_odd_shapes_are_hashed_or_refused(outcome, form, size):
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
def test_an_orientation_that_does_not_exist_is_none(outcome, form, turn):
    drawn = scene(90, 50, 2)
    odd = outcome(encoded(drawn, form, exif=with_orientation(turn)))
    assert odd.pdq == outcome(encoded(drawn, form)).pdq
    assert (odd.width, odd.height) == (90, 50)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("profile", [b"\xff" * 4000, b"\0" * 128, b"acsp" * 900, b"x"])
def test_garbage_for_a_colour_profile_changes_nothing(outcome, form, profile):
    drawn = scene(120, 90, 2)
    assert (
        outcome(encoded(drawn, form, icc_profile=profile)).pdq == outcome(encoded(drawn, form)).pdq
    )


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_garbage_for_exif_changes_nothing(outcome, form):
    drawn = scene(120, 90, 2)
    whole = outcome(encoded(drawn, form)).pdq
    random = np.random.default_rng(5)
    for length in (0, 1, 7, 8, 60, 2000):
        block = b"Exif\0\0II*\0\x08\0\0\0" + random.bytes(length)
        found = outcome(encoded(drawn, form, exif=block))
        assert found.pdq == whole


def test_an_animation_of_a_million_frames_ends_at_its_limits(outcome):
    one = encoded(Image.new("P", (8, 8)), "GIF")
    start = one.index(b",")
    frame = one[start:-1]
    data = one[:start] + frame * 1_000_000 + b";"
    found = outcome(data, max_pixels=5_000_000)  # 500 frames, as the least one counts 10,000
    assert (found.width, found.height) == (8, 8)


def test_a_small_png_that_inflates_to_much_is_refused(outcome):
    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    text = b"comment\0\0" + zlib.compress(bytes(80_000_000), 9)
    data = encoded(scene(60, 40), "PNG")
    at = data.index(b"IDAT") - 4
    bomb = data[:at] + chunk(b"zTXt", text) + data[at:]
    assert outcome(bomb) == "undecodable"


def test_a_page_of_a_file_may_not_be_larger_than_the_first_allows(outcome):
    pages = [Image.new("L", (40, 30), 9), Image.new("L", (3000, 3000), 99)]
    stream = io.BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    found = outcome(stream.getvalue(), max_pixels=1_000_000)
    assert (found.width, found.height) == (40, 30)
    assert not any(each.name.startswith("frame") for each in found.pdq_variants)


def jpeg_of_scans(side, scans):
    """Return a flat, grey, progressive JPEG of so many scans: a few bytes each, over all pixels."""
    data = encoded(Image.new("L", (side, side), 99), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (scans - data.count(b"\xff\xda")) + data[-2:]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("scans", [decoding._MAX_SCANS, 100, 20])
def test_the_slowest_jpegs_that_are_let_in_end_in_time(watched, scans, exact):
    """As many scans as are let in, over as many pixels as are let in with them."""
    side = int((decoding._MAX_SCAN_PIXELS // scans) ** 0.5) // 8 * 8
    data = jpeg_of_scans(side, scans)
    assert watched.outcome(data, exact=exact).width == side
    more = jpeg_of_scans(side, scans + scans // 50 + 1)
    assert watched.outcome(more, exact=exact) == "undecodable"


def entry(tag, kind, count, value):
    return struct.pack("<HHII", tag, kind, count, value)


def tiff_of(width, height, strip, *, bits=(8,), photometric=1, compression=1, rows=None):
    """Return a little-endian TIFF of one strip, which may be less than it says."""
    at = 8 + 2 + 12 * 9 + 4
    wide = len(bits) > 2  # more shorts than an entry itself holds
    fields = [
        entry(256, 4, 1, width),
        entry(257, 4, 1, height),
        entry(258, 3, len(bits), at if wide else bits[0]),
        entry(259, 3, 1, compression),
        entry(262, 3, 1, photometric),
        entry(273, 4, 1, at + 2 * len(bits)),
        entry(277, 3, 1, len(bits)),
        entry(278, 4, 1, rows or height),
        entry(279, 4, 1, len(strip)),
    ]
    table = struct.pack("<H", len(fields)) + b"".join(fields) + bytes(4)
    depths = struct.pack(f"<{len(bits)}H", *bits)
    return b"II*\0" + struct.pack("<I", 8) + table + depths + strip


def avif_of(width, height):
    """Return a small AVIF whose container says that it is larger."""
    data = bytearray(encoded(scene(64, 64), "AVIF"))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", width, height)
    return bytes(data)


@pytest.mark.parametrize(
    ("bomb", "reasons"),
    [
        (tiff_of(60_000, 60_000, bytes(1000)), {"too_many_pixels"}),
        (
            tiff_of(60_000, 60_000, zlib.compress(bytes(9_000_000)), compression=8),
            {"too_many_pixels"},
        ),
        (tiff_of(4_000_000_000, 4_000_000_000, bytes(9)), {"too_many_pixels", "undecodable"}),
        (
            tiff_of(9_000, 9_000, zlib.compress(bytes(2_000_000_000 // 400)), compression=8),
            {"truncated", "undecodable"},
        ),
        (avif_of(60_000, 60_000), {"too_many_pixels", "undecodable"}),
        (avif_of(4_000_000_000, 4_000_000_000), {"too_many_pixels", "undecodable"}),
    ],
    ids=["tiff", "packed tiff", "largest tiff", "short tiff", "avif", "largest avif"],
)
def test_bombs_in_tiff_and_avif_are_refused(outcome, bomb, reasons):
    assert outcome(bomb) in reasons


def test_an_avif_and_a_tiff_larger_than_is_let_in_are_refused(outcome):
    large = Image.new("RGB", (1500, 1000), "teal")
    for form in ("AVIF", "TIFF"):
        data = encoded(large, form)
        assert outcome(data, max_pixels=1_499_999) == "too_many_pixels"
        assert outcome(data, max_pixels=1_500_000).width == 1500


def test_a_tiff_strip_that_unpacks_to_more_than_its_picture_is_read_as_far_as_it_is_one(outcome):
    strip = zlib.compress(bytes(range(256)) * 400_000, 9)
    found = outcome(tiff_of(64, 64, strip, compression=8))
    assert found in ("truncated", "undecodable") or (found.width, found.height) == (64, 64)


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_orientation_of_an_avif_is_applied(outcome, turn):
    drawn = scene(90, 50, 2)
    plain = decoding.decode(encoded(drawn, "AVIF")).image
    turned = Image.Image.copy(plain)
    turned.getexif()[274] = turn
    expected = outcome(encoded(ImageOps.exif_transpose(turned), "PNG"))
    found = outcome(encoded(drawn, "AVIF", exif=with_orientation(turn)))
    assert (found.width, found.height) == (expected.width, expected.height)
    assert distance(found.pdq, expected.pdq) == 0


def test_sixteen_bits_a_colour_keep_their_upper_eight(outcome):
    """In a PNG and in a TIFF alike."""
    pixels = np.asarray(scene(96, 80, 4)).astype(np.uint16)
    low = np.random.default_rng(1).integers(0, 256, pixels.shape, dtype=np.uint16)
    deep = (pixels * 256 + low).astype("<u2")
    found = outcome(tiff_of(96, 80, deep.tobytes(), bits=(16, 16, 16), photometric=2))
    expected = outcome(encoded(scene(96, 80, 4), "PNG"))
    assert (found.pdq, found.phash, found.width) == (expected.pdq, expected.phash, 96)
