"""Decoding: every format to the picture as it is seen, every refusal under its reason."""

import io
import logging
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from moderation.media import containers
from moderation.media.decode import PictureError, decode, decode_scaled
from moderation.outcomes import REASONS
from tests.moderation.media.drawing import encoded, scene, with_orientation

FORMATS = [
    ("JPEG", {"quality": 92}, 12),
    ("PNG", {}, 0),
    ("WEBP", {"lossless": True}, 0),
    ("BMP", {}, 0),
    ("TIFF", {"compression": "tiff_lzw"}, 0),
    ("AVIF", {"quality": 95}, 12),
    ("GIF", {}, 60),
]


def reason_of(data, **limits):
    with pytest.raises(PictureError) as caught:
        decode(data, **limits)
    assert caught.value.reason in REASONS
    return caught.value.reason


@pytest.mark.parametrize(("form", "options", "tolerance"), FORMATS)
def test_decodes(form, options, tolerance):
    drawn = scene(123, 77)
    picture = decode(encoded(drawn, form, **options))
    assert (picture.format, picture.width, picture.height) == (form.lower(), 123, 77)
    assert picture.image.mode == "RGB"
    difference = np.asarray(picture.image).astype(int) - np.asarray(drawn)
    assert np.abs(difference).mean() <= tolerance
    assert picture.luma.shape == (77, 123)


def test_grey_stays_grey_and_its_luma_is_its_pixels():
    drawn = scene(60, 40).convert("L")
    picture = decode(encoded(drawn, "PNG"))
    assert picture.image.mode == "L"
    assert np.array_equal(picture.luma, np.asarray(drawn))


def test_the_luma_of_a_tall_picture_is_the_same_in_strips():
    drawn = scene(40, 700)
    red, green, blue = np.moveaxis(np.asarray(drawn).astype(np.float64), 2, 0)
    expected = (red * 0.299 + green * 0.587 + blue * 0.114).astype(np.float32)
    assert np.array_equal(decode(encoded(drawn, "PNG")).luma, expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_laid_on_white(mode):
    layer = Image.new("RGBA", (20, 10), (200, 30, 30, 0))
    layer.paste((0, 0, 0, 255), (0, 0, 10, 10))
    data = encoded(layer.convert(mode), "TIFF" if mode == "PA" else "PNG")
    image = decode(data).image
    assert image.getpixel((5, 5)) == (0, 0, 0)
    assert image.getpixel((15, 5)) == (255, 255, 255)


def test_a_transparent_palette_entry_is_laid_on_white():
    palette = Image.new("P", (10, 10), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.paste(0, (0, 0, 5, 10))
    image = decode(encoded(palette, "PNG", transparency=0)).image
    assert image.getpixel((2, 5)) == (255, 255, 255)
    assert image.getpixel((8, 5)) == (10, 20, 30)


def test_a_transparent_colour_of_an_rgb_png_is_laid_on_white():
    drawn = Image.new("RGB", (10, 10), (1, 2, 3))
    drawn.paste((9, 9, 9), (0, 0, 5, 10))
    image = decode(encoded(drawn, "PNG", transparency=(9, 9, 9))).image
    assert image.getpixel((2, 5)) == (255, 255, 255)
    assert image.getpixel((8, 5)) == (1, 2, 3)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_upper_eight(form):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    picture = decode(encoded(Image.fromarray(values), form))
    assert picture.image.mode == "L"
    assert np.array_equal(np.asarray(picture.image), (values >> 8).astype(np.uint8))


def test_floats_up_to_one_are_fractions_of_white():
    values = np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10)
    values[3, 3] = np.nan
    image = np.asarray(decode(encoded(Image.fromarray(values), "TIFF")).image)
    assert image[0, 0] == 0
    assert image[9, 9] == 255
    assert image[3, 3] == 0


def test_one_bit_becomes_black_and_white():
    image = decode(encoded(scene(64, 64).convert("1"), "PNG")).image
    assert set(np.unique(np.asarray(image))) == {0, 255}


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(form):
    data = encoded(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), form)
    red, green, blue = decode(data).image.getpixel((20, 20))
    assert (red > 200, green < 60, blue < 60) == (True, True, True)
    assert decode_scaled(data) is None


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied(turn, form):
    data = encoded(scene(90, 50, 2), form, exif=with_orientation(turn))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    picture = decode(data)
    assert (picture.width, picture.height) == expected.size
    assert np.array_equal(np.asarray(picture.image), np.asarray(expected))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_has_the_pixels_that_pillow_gives(mode, progressive):
    for seed, (quality, subsampling, turn) in enumerate(
        [(30, 2, 1), (75, 1, 6), (90, 0, 1), (95, 2, 3), (60, 2, 5)]
    ):
        options = {"quality": quality, "subsampling": subsampling, "progressive": progressive}
        drawn = scene(203 + seed, 150 - seed, seed).convert(mode)
        data = encoded(drawn, "JPEG", exif=with_orientation(turn), **options)
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        picture = decode(data)
        assert picture.image.mode == mode
        assert np.array_equal(picture.pixels, np.asarray(expected))


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_scaled_copy_is_turned_the_same_way(turn):
    data = encoded(scene(1000, 700, 2), "JPEG", exif=with_orientation(turn))
    scaled = decode_scaled(data)
    picture = decode(data)
    assert scaled.size == (picture.width, picture.height)
    height, width = scaled.grey.shape
    assert scaled.eighths < 8
    full = np.asarray(picture.image.convert("L").resize((width, height), Image.Resampling.BOX))
    assert np.abs(full.astype(int) - scaled.grey).mean() < 4


@pytest.mark.parametrize(
    ("size", "eighths"),
    [((3, 2), 8), ((500, 479), 8), ((480, 640), 4), ((961, 960), 2), ((1920, 1921), 1)],
)
def test_the_scaled_copy_halves_while_240_pixels_a_side_are_left(size, eighths):
    scaled = decode_scaled(encoded(Image.new("RGB", size, "teal"), "JPEG"))
    assert scaled.eighths == eighths
    assert scaled.small.shape == tuple(-(-side * eighths // 8) for side in reversed(size))


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_of_many_frames_the_first_is_decoded(form):
    first, second = Image.new("RGB", (30, 20), "black"), Image.new("RGB", (30, 20), "white")
    data = encoded(first, form, save_all=True, append_images=[second, second])
    assert np.asarray(decode(data).image.convert("L")).max() < 12


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 500,
        b"<!DOCTYPE html><html>gone</html>",
        b"BM, said the text",
        b"RIFF0000WAVE",
    ],
)
def test_what_is_no_picture_says_so(data):
    assert reason_of(data) == "not_a_picture"


@pytest.mark.parametrize(
    "data",
    [b"\x00\x00\x00\x18ftypheic" + bytes(40), b"\xff\x0a" + bytes(40), b"8BPS" + bytes(40)],
)
def test_a_picture_of_a_kind_we_do_not_decode_says_so(data):
    assert reason_of(data) == "undecodable"


@pytest.mark.parametrize(("form", "options", "_"), FORMATS)
def test_a_cut_file_is_truncated(form, options, _):
    data = encoded(scene(200, 150), form, **options)
    expected = {"truncated"} if form != "TIFF" else {"truncated", "undecodable"}
    for share in (0.3, 0.6, 0.9):
        assert reason_of(data[: int(len(data) * share)]) in expected


def test_broken_inside_is_undecodable():
    data = bytearray(encoded(scene(200, 150), "PNG"))
    middle = data.index(b"IDAT") + 30
    data[middle : middle + 60] = bytes(60)
    assert reason_of(bytes(data)) == "undecodable"


def png_of(width, height, body=b""):
    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def jpeg_of(width, height):
    data = bytearray(encoded(scene(64, 64), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def webp_of(width, height):
    data = bytearray(encoded(scene(64, 64).convert("RGBA"), "WEBP", exif=with_orientation(3)))
    assert data[12:16] == b"VP8X"
    data[24:27] = (width - 1).to_bytes(3, "little")
    data[27:30] = (height - 1).to_bytes(3, "little")
    return bytes(data)


def gif_of(width, height):
    data = bytearray(encoded(scene(64, 64), "GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def bmp_of(width, height):
    data = bytearray(encoded(scene(64, 64), "BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


@pytest.mark.parametrize(
    "bomb",
    [
        png_of(60_000, 60_000, zlib.compress(bytes(10_000_000), 9)),
        jpeg_of(60_000, 60_000),
        webp_of(16_383, 16_383),
        gif_of(60_000, 60_000),
        bmp_of(60_000, 60_000),
        png_of(20_000, 6_000),
    ],
    ids=["png", "jpeg", "webp", "gif", "bmp", "little-above"],
)
def test_a_bomb_is_refused_before_anything_is_allocated(bomb):
    tracemalloc.start()
    try:
        assert reason_of(bomb) == "too_many_pixels"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(bomb) + 2_000_000


def test_a_bomb_is_refused_on_the_scaled_way_too():
    with pytest.raises(PictureError) as caught:
        decode_scaled(jpeg_of(60_000, 60_000))
    assert caught.value.reason == "too_many_pixels"


def test_the_pixel_limit_is_exact():
    data = encoded(scene(100, 80), "PNG")
    assert decode(data, max_pixels=8000).width == 100
    assert reason_of(data, max_pixels=7999) == "too_many_pixels"


def test_scans_without_end_are_refused():
    data = encoded(scene(64, 64), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    assert reason_of(data[:-2] + scan * 1100 + data[-2:]) == "undecodable"
    with pytest.raises(PictureError):
        decode_scaled(data[:-2] + scan * 1100 + data[-2:])


def test_what_decoding_costs_counts_scans_and_pixels():
    data = encoded(scene(64, 64), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    assert decode(data[:-2] + scan * 40 + data[-2:]).width == 64
    large = bytearray(data[:-2] + scan * 40 + data[-2:])
    at = large.index(b"\xff\xc2") + 5
    large[at : at + 4] = struct.pack(">HH", 9_900, 9_900)
    assert reason_of(bytes(large)) == "undecodable"
    with pytest.raises(PictureError):
        decode_scaled(bytes(large))


def test_no_warning_and_no_log_line_comes_out(caplog):
    caplog.set_level(logging.DEBUG)
    drawn = scene(64, 64)
    drawn.info["comment"] = "words of a caption"
    files = [encoded(drawn, form, **options) for form, options, _ in FORMATS]
    files.append(encoded(drawn.convert("P"), "PNG", transparency=bytes(range(200))))
    files.append(encoded(drawn, "TIFF", tiffinfo={270: "words of a caption"}))
    with warnings.catch_warnings(record=True) as caught:
        for data in files:
            decode(data)
            with pytest.raises(PictureError):
                decode(data[: len(data) // 3])
    assert caught == []
    assert caplog.text == ""


def test_the_message_of_an_error_is_its_reason_alone():
    with pytest.raises(PictureError, match=r"^not a picture$"):
        decode(b"words of a caption")


def test_orientation_of_a_broken_exif_block_is_plain():
    good = encoded(scene(20, 20), "JPEG", exif=with_orientation(6))
    assert containers.jpeg_orientation(good) == 6
    start = good.index(b"Exif")
    for at in range(start, start + 40):
        broken = good[:at] + b"\xff" + good[at + 1 :]
        assert 1 <= containers.jpeg_orientation(broken) <= 8
        assert 1 <= containers.jpeg_orientation(good[:at]) <= 8
