"""Margins left out and cut edges put back: which box, which hashes, and that copies are found."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from moderation.media import pdq
from moderation.media.decode import decode
from moderation.media.hashing import hash_picture
from moderation.media.sampling import View
from moderation.media.variants import Variant, differing, inside_margins, undone
from tests.moderation.media.drawing import distance, encoded, scene

NEAR = 31


def luma_of(image, form="PNG", **options):
    return decode(encoded(image, form, **options)).luma


def bright(width, height):
    """A scene of greys 90 to 217: no margin is lost in it."""
    return scene(width, height, 4).point(lambda value: 90 + value // 2)


def framed(image, *sides, colour="white"):
    return ImageOps.expand(image, sides, colour)


@pytest.mark.parametrize("colour", ["black", "white", (20, 60, 160)])
@pytest.mark.parametrize("sides", [(12, 12, 12, 12), (0, 40, 0, 40), (33, 0, 7, 5), (0, 0, 60, 0)])
@pytest.mark.parametrize("quality", [35, 80, None])
def test_margins_are_found_to_the_line(sides, colour, quality):
    options = {"form": "PNG"} if quality is None else {"form": "JPEG", "quality": quality}
    drawn = framed(bright(403, 301), *sides, colour=colour)
    left, top = sides[:2]
    expected = (top, 301 + top, left, 403 + left)
    found = inside_margins(View.of(luma_of(drawn, **options)))
    assert np.abs(np.subtract(found, expected)).max() <= (0 if quality is None else 1)


def test_two_pairs_of_margins_of_different_greys_are_both_found():
    drawn = framed(bright(300, 200), 20, 0, 20, 0, colour="white")
    drawn = framed(drawn, 0, 15, 0, 15, colour="black")
    assert inside_margins(View.of(luma_of(drawn))) == (15, 215, 20, 320)
    drawn = framed(bright(300, 200), 0, 20, 0, 20, colour="white")
    drawn.paste("black", (0, 0, 15, 240))
    drawn.paste("black", (285, 0, 300, 240))
    assert inside_margins(View.of(luma_of(drawn))) == (20, 220, 15, 285)


def test_what_is_flat_behind_a_margin_is_the_pictures_own():
    own = framed(bright(300, 200), 0, 60, 0, 0, colour="black")
    drawn = framed(own, 10, 10, 10, 10, colour="white")
    assert inside_margins(View.of(luma_of(drawn))) == (10, 270, 10, 310)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (4, 400), (5, 5), (64, 64), (300, 7)])
@pytest.mark.parametrize("value", [0, 255])
def test_a_flat_picture_keeps_a_middle(size, value):
    luma = np.full(size, value, np.uint8)
    top, bottom, left, right = inside_margins(View.of(luma))
    assert 0 <= top < bottom <= size[0]
    assert 0 <= left < right <= size[1]
    assert all(len(each.pdq) == 32 and each.quality == 0 for each in undone(View.of(luma)))


def test_the_variants_of_a_picture_are_those_of_the_pixels_they_speak_of():
    luma = luma_of(framed(scene(400, 300, 5), 30, 20, 30, 90))
    found = {each.name: each for each in undone(View.of(luma))}
    assert list(found) == ["trimmed", "trimmed_evenly", "uncropped_5", "uncropped_10"]
    assert distance(found["trimmed"].pdq, pdq.pdq(luma[20:320, 30:430])[0]) <= 2
    assert distance(found["trimmed_evenly"].pdq, pdq.pdq(luma[20:390, 30:430])[0]) <= 2
    assert abs(found["trimmed"].quality - pdq.pdq(luma[20:320, 30:430])[1]) <= 1
    height, width = luma.shape
    for name, share in (("uncropped_5", 0.05), ("uncropped_10", 0.1)):
        more = round(height / (1 - share)) - height, round(width / (1 - share)) - width
        pads = [(each // 2, each - each // 2) for each in more]
        assert distance(found[name].pdq, pdq.pdq(np.pad(luma, pads, mode="edge"))[0]) <= 2


def test_without_margins_or_below_five_pixels_less_is_compared():
    names = [each.name for each in undone(View.of(luma_of(scene(400, 300, 5))))]
    assert names == ["uncropped_5", "uncropped_10"]
    assert list(undone(View.of(np.zeros((4, 400), np.uint8)))) == []


def test_equal_hashes_are_kept_once():
    plain, other = bytes(32), b"\1" * 32
    one, two = Variant("trimmed", 80, other), Variant("uncropped_5", 80, other)
    assert differing([Variant("trimmed", 9, plain), one, two], plain) == (one,)


EDITS = {
    "border 3 %": (lambda image: framed(image, 18, 14, 18, 14), "trimmed", 0.95),
    "border 10 %": (lambda image: framed(image, 60, 46, 60, 46, colour="black"), "trimmed", 0.95),
    "crop 5 %": (lambda image: image.crop((15, 11, 585, 449)), "uncropped_5", 0.85),
    "turned": (lambda image: image.transpose(Image.Transpose.ROTATE_180), "rot180", 0.95),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edited_copies_are_found_by_the_variant_that_undoes_the_edit(edit):
    change, name, least = EDITS[edit]
    found = 0
    for seed in range(40):
        original = scene(600, 460, seed)
        known = hash_picture(encoded(original, "JPEG", quality=90), exact=True).pdq
        copy = hash_picture(encoded(change(original), "JPEG", quality=75), exact=True)
        turns = [copy.pdq_turns[at : at + 32] for at in range(0, 224, 32)]
        named = dict(zip(pdq.ORIENTATIONS, [copy.pdq, *turns], strict=True))
        named |= {each.name: each.pdq for each in copy.pdq_variants}
        assert distance(known, copy.pdq) > NEAR or edit == "crop 5 %"
        found += distance(known, named[name]) <= NEAR
    assert found >= least * 40
