"""Previews: small, grey, bare, and with nothing finer in them than they say."""

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from moderation.media import containers
from moderation.media.decode import PictureError
from moderation.media.preview import BLUR, SIDES, Copy, copies, enlarge
from tests.moderation.media.drawing import encoded, scene, with_orientation

L1, L2, DRAWING, L3 = Copy(1), Copy(2), Copy(2, drawing=True), Copy(3)
EVERY = [L1, L2, DRAWING, L3]
SENT = 384  # pixels, of what is sent to a browser


def opened(data):
    return Image.open(io.BytesIO(data))


def pixels(data):
    return np.asarray(opened(data), dtype=float)


def sent(picture, copy):
    """The pixels a browser gets of a picture."""
    return pixels(enlarge(copies(encoded(picture, "PNG"))[copy], copy, side=SENT))


def waves(values):
    """The share of each wave in a square of grey, by half waves over the side: a cosine transform,
    as a Fourier transform would take the edges for detail."""
    side = len(values)
    wide = np.hstack([values, values[:, ::-1]])
    mirrored = np.vstack([wide, wide[::-1]])
    power = np.abs(np.fft.fft2(mirrored - mirrored.mean())[:side, :side]) ** 2
    return power / power.sum()


def finer_than(values, side):
    """The share of what is finer than ``side`` pixels on the longest side, along either axis."""
    shares = waves(values)
    return shares[side:].sum() + shares[:side, side:].sum()


def noise(side=768, seed=0):
    """Every wave there is, as strong as any: the most that a copy could let through."""
    grey = np.random.default_rng(seed).integers(0, 256, (side, side))
    return Image.fromarray(grey.astype(np.uint8))


@pytest.mark.parametrize("copy", EVERY)
@pytest.mark.parametrize("size", [(800, 600), (600, 800), (3000, 40), (1, 900), (20, 10), (64, 24)])
def test_is_grey_and_its_longest_side_is_at_most_the_side(size, copy):
    small = opened(copies(encoded(scene(*size), "PNG"))[copy])
    assert small.mode == "L"
    assert small.format == "PNG"
    assert max(small.size) == min(SIDES[copy], max(size))
    assert min(small.size) >= 1


def test_the_sides_are_those_of_the_levels():
    assert SIDES == {(1, False): 24, (2, False): 64, (2, True): 128, (3, False): 256}


def test_keeps_the_shape_of_the_picture():
    assert opened(copies(encoded(scene(800, 400), "PNG"))[L2]).size == (64, 32)
    turned = encoded(scene(800, 400), "JPEG", exif=with_orientation(6))
    assert opened(copies(turned)[L2]).size == (32, 64)


@pytest.mark.parametrize("copy", EVERY)
def test_nothing_within_a_block_of_a_copy_reaches_a_browser(copy):
    """Pictures that differ only within the blocks of a copy are the same bytes when sent."""
    side, block = SIDES[copy], 8
    random = np.random.default_rng(side)
    means = random.integers(60, 196, (side, side))
    flat = np.repeat(np.repeat(means, block, 0), block, 1)
    detail = random.integers(-50, 51, (side, block, side, block // 2))
    # Within each block what is added on the left is taken away on the right: the mean stays.
    balanced = np.concatenate([detail, -detail], axis=3).reshape(side * block, side * block)
    assert np.abs(balanced).mean() > 20
    plain, hidden = (
        copies(encoded(Image.fromarray(a.astype(np.uint8)), "PNG"))[copy]
        for a in (flat, flat + balanced)
    )
    assert enlarge(plain, copy, side=SENT) == enlarge(hidden, copy, side=SENT)
    if copy in (L1, L2):
        assert np.array_equal(pixels(hidden), means)


@pytest.mark.parametrize("copy", [L1, L2, DRAWING])
def test_what_is_sent_holds_no_detail_finer_than_its_size(copy):
    side = SIDES[copy]
    drawn = sent(scene(768, 768, 4), copy)
    assert drawn.std() > 50  # there is something to see
    assert finer_than(drawn, side) < 0.01
    # Of noise, where nearly all is finer, the echoes are left that smooth enlarging makes.
    assert finer_than(pixels(encoded(noise(SENT), "PNG")), side) > 0.88
    assert finer_than(sent(noise(), copy), side) < 0.13


@pytest.mark.parametrize("across", [8, 16, 32, 64, 96, 120])
def test_the_blur_of_l3_leaves_no_more_than_it_says(across):
    """Of stripes, so many across the picture, the contrast that a Gaussian leaves and no more."""
    x = (np.arange(1024) + 0.5) / 1024
    stripes = np.broadcast_to(127.5 + 100 * np.cos(2 * np.pi * across * x), (1024, 1024))
    shown = sent(Image.fromarray(np.rint(stripes).astype(np.uint8)), L3)
    inside = shown[SENT // 4 : -SENT // 4].mean(axis=0)
    at = (np.arange(SENT) + 0.5) / SENT
    left = 2 * abs(np.mean((inside - inside.mean()) * np.exp(-2j * np.pi * across * at))) / 100
    promised = np.exp(-2 * (np.pi * across / BLUR) ** 2)
    assert left <= promised + 0.01
    if across <= 16:
        assert left > promised - 0.05  # it is a look, not a blank


def test_l3_holds_next_to_nothing_finer_than_192_px():
    shown = sent(noise(), L3)
    assert finer_than(shown, 192) < 0.005
    assert finer_than(shown, 64) > 0.2  # more than L2 has


def test_the_blur_grows_with_the_picture():
    """The same scene, small and large, is blurred alike: by a share of its side."""
    large, small = (
        scene(1024, 1024, 3),
        scene(1024, 1024, 3).resize((128, 128), Image.Resampling.BOX),
    )
    one, other = sent(large, L3), sent(small, L3)
    assert np.abs(one - other).mean() < 6
    edge = np.zeros((100, 100), np.uint8)
    edge[:, 50:] = 200
    steps = pixels(copies(encoded(Image.fromarray(edge), "PNG"))[L3])[50]
    assert 0 < steps[49] < 100 < steps[50] < 200  # a small picture is not left as it is


def test_a_drawing_has_lines_and_no_tones():
    tones = np.full((512, 512), 200, np.uint8)
    tones[128:384, 128:384] = 40
    drawn = pixels(copies(encoded(Image.fromarray(tones), "PNG"))[DRAWING])
    assert drawn[64, 64] == drawn[4, 4] == 255  # inside as outside: white
    assert drawn[64].min() < 60  # its edge is a line
    assert (drawn == 255).mean() > 0.9


def test_carries_no_metadata():
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "words of a caption")
    files = [
        encoded(scene(300, 200), "PNG", pnginfo=text, icc_profile=b"p" * 300, dpi=(72, 72)),
        encoded(scene(20, 10).convert("L"), "PNG", pnginfo=text, exif=with_orientation(3)),
        encoded(scene(300, 200), "JPEG", comment=b"words of a caption", exif=with_orientation(6)),
    ]
    for data in files:
        for copy, small in copies(data).items():
            for result in (small, enlarge(small, copy, side=240)):
                assert {kind for kind, _ in containers.png_chunks(result)} == {
                    b"IHDR",
                    b"IDAT",
                    b"IEND",
                }
                assert b"words" not in result


def test_of_an_animation_one_still_is_made():
    first, second = scene(100, 80, 1), scene(100, 80, 2)
    data = encoded(first, "GIF", save_all=True, append_images=[second])
    still = encoded(first, "GIF")
    assert copies(data) == copies(still)
    for small in copies(data).values():
        assert getattr(opened(small), "n_frames", 1) == 1


def test_what_is_no_picture_has_no_preview():
    with pytest.raises(PictureError, match="not a picture"):
        copies(b"words")


def test_enlarging_is_smooth_and_adds_nothing():
    small = copies(encoded(scene(500, 300, 3), "PNG"))[L1]
    large = opened(enlarge(small, L1, side=480))
    assert large.size == (480, 280)
    assert large.mode == "L"
    steps = np.abs(np.diff(np.asarray(large).astype(int), axis=1))
    assert steps.max() < 40  # an enlargement by repeating pixels has steps as high as the picture
    again = large.resize(opened(small).size, Image.Resampling.BOX)
    assert np.abs(np.asarray(again).astype(int) - np.asarray(opened(small))).mean() < 6


@pytest.mark.parametrize("copy", [L1, L2, DRAWING])
def test_l3_is_never_sent_as_a_lower_level(copy):
    with pytest.raises(ValueError, match="too large"):
        enlarge(copies(encoded(scene(500, 300), "PNG"))[L3], copy, side=SENT)


@pytest.mark.parametrize(
    "data",
    [
        encoded(scene(300, 200).convert("L"), "PNG"),
        encoded(scene(60, 40), "PNG"),
        encoded(scene(60, 40).convert("L"), "JPEG"),
        b"words",
        b"",
        encoded(scene(60, 40).convert("L"), "PNG") + bytes(200_000),
        encoded(scene(60, 40).convert("L"), "PNG")[:200],
    ],
    ids=["large", "coloured", "jpeg", "text", "nothing", "heavy", "cut"],
)
def test_only_previews_are_enlarged(data):
    with pytest.raises(ValueError, match="not a preview"):
        enlarge(data, L3, side=480)


@pytest.mark.parametrize("side", [0, 5000])
def test_the_enlarged_size_has_bounds(side):
    with pytest.raises(ValueError, match="side must lie"):
        enlarge(copies(encoded(scene(60, 40), "PNG"))[L1], L1, side=side)
