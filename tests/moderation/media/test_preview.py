"""Previews: small, grey, bare, and with nothing finer in them than their own pixels."""

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from moderation.media import containers
from moderation.media.decode import PictureError
from moderation.media.preview import LARGEST_SIDE, enlarge, preview
from tests.moderation.media.drawing import encoded, scene, with_orientation


def opened(data):
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("side", [24, 64])
@pytest.mark.parametrize("size", [(800, 600), (600, 800), (3000, 40), (1, 900), (20, 10), (64, 24)])
def test_is_grey_and_its_longest_side_is_at_most_the_side(size, side):
    small = opened(preview(encoded(scene(*size), "PNG"), side=side))
    assert small.mode == "L"
    assert small.format == "PNG"
    assert max(small.size) == min(side, max(size))
    assert min(small.size) >= 1


def test_keeps_the_shape_of_the_picture():
    assert opened(preview(encoded(scene(800, 400), "PNG"), side=64)).size == (64, 32)
    turned = encoded(scene(800, 400), "JPEG", exif=with_orientation(6))
    assert opened(preview(turned, side=64)).size == (32, 64)


@pytest.mark.parametrize("side", [24, 64])
def test_each_pixel_is_the_mean_of_its_block_and_nothing_more(side):
    """Pictures that differ only within the blocks of the preview give the same preview."""
    block = 10
    random = np.random.default_rng(side)
    means = random.integers(60, 196, (side, side))
    flat = np.repeat(np.repeat(means, block, 0), block, 1)
    detail = random.integers(-50, 51, (side, block // 2, side, block))
    # Within each block what is added above is taken away below: the mean stays.
    balanced = np.concatenate([detail, -detail], axis=1).reshape(side * block, side * block)
    detailed = flat + balanced
    assert np.abs(balanced).mean() > 20
    plain, hidden = (encoded(Image.fromarray(a.astype(np.uint8)), "PNG") for a in (flat, detailed))
    assert preview(plain, side=side) == preview(hidden, side=side)
    assert np.array_equal(np.asarray(opened(preview(hidden, side=side))), means)


def test_carries_no_metadata():
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "words of a caption")
    files = [
        encoded(scene(300, 200), "PNG", pnginfo=text, icc_profile=b"p" * 300, dpi=(72, 72)),
        encoded(scene(20, 10).convert("L"), "PNG", pnginfo=text, exif=with_orientation(3)),
        encoded(scene(300, 200), "JPEG", comment=b"words of a caption", exif=with_orientation(6)),
    ]
    for data in files:
        for result in (preview(data, side=64), enlarge(preview(data, side=24), side=240)):
            assert {kind for kind, _ in containers.png_chunks(result)} == {
                b"IHDR",
                b"IDAT",
                b"IEND",
            }
            end = result.index(b"IEND") + 8
            assert len(result) == end


def test_of_an_animation_one_still_is_made():
    first, second = scene(100, 80, 1), scene(100, 80, 2)
    data = encoded(first, "GIF", save_all=True, append_images=[second])
    assert getattr(opened(preview(data, side=64)), "n_frames", 1) == 1


@pytest.mark.parametrize("side", [0, -1, LARGEST_SIDE + 1, 5000])
def test_a_side_that_would_show_a_picture_is_refused(side):
    with pytest.raises(ValueError, match="side must lie"):
        preview(encoded(scene(300, 200), "PNG"), side=side)


def test_what_is_no_picture_has_no_preview():
    with pytest.raises(PictureError, match="not a picture"):
        preview(b"words", side=24)


def test_enlarging_is_smooth_and_adds_nothing():
    small = preview(encoded(scene(500, 300, 3), "PNG"), side=24)
    large = opened(enlarge(small, side=480))
    assert large.size == (480, 280)
    assert large.mode == "L"
    steps = np.abs(np.diff(np.asarray(large).astype(int), axis=1))
    assert steps.max() < 40  # an enlargement by repeating pixels has steps as high as the picture
    again = large.resize(opened(small).size, Image.Resampling.BOX)
    assert np.abs(np.asarray(again).astype(int) - np.asarray(opened(small))).mean() < 6


@pytest.mark.parametrize(
    "data",
    [
        encoded(scene(300, 200).convert("L"), "PNG"),
        encoded(scene(60, 40), "PNG"),
        encoded(scene(60, 40).convert("L"), "JPEG"),
        b"words",
        b"",
        encoded(scene(60, 40).convert("L"), "PNG") + bytes(100_000),
        encoded(scene(60, 40).convert("L"), "PNG")[:200],
    ],
    ids=["large", "coloured", "jpeg", "text", "nothing", "heavy", "cut"],
)
def test_only_previews_are_enlarged(data):
    with pytest.raises(ValueError, match="not a preview"):
        enlarge(data, side=480)


@pytest.mark.parametrize("side", [0, 5000])
def test_the_enlarged_size_has_bounds(side):
    with pytest.raises(ValueError, match="side must lie"):
        enlarge(preview(encoded(scene(60, 40), "PNG"), side=24), side=side)
