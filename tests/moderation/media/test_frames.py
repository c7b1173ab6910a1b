"""Animations: a few frames over the whole length, within limits, whatever the file holds."""

import numpy as np
import pytest

from moderation.media import decode as decoding
from moderation.media import pdq
from moderation.media.frames import MOST, frames
from moderation.media.hashing import hash_picture
from tests.moderation.media.drawing import distance, encoded, scene, with_orientation

FORMS = ["GIF", "WEBP", "PNG", "AVIF", "TIFF"]


def animation(count, form="GIF", **options):
    """Encode ``count`` frames of 96 x 80, each another picture."""
    drawn = [scene(96, 80, seed) for seed in range(count)]
    return encoded(drawn[0], form, save_all=True, append_images=drawn[1:], **options)


def numbers(found):
    return [int(each.name.removeprefix("frame_")) for each in found]


@pytest.mark.parametrize("form", FORMS)
def test_later_frames_are_hashed_and_named(form):
    options = {"lossless": True} if form == "WEBP" else {}
    found = frames(animation(5, form, **options))
    assert numbers(found) == [1, 2, 3, 4]
    for number, each in enumerate(found, 1):
        value, quality = pdq.pdq(np.asarray(scene(96, 80, number).convert("L")))
        assert distance(each.pdq, value) <= 24
        assert abs(each.quality - quality) <= 10


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, []),
        (2, [1]),
        (9, [1, 2, 3, 4, 5, 6, 7, 8]),
        (10, [2, 4, 6, 8]),
        (17, [2, 4, 6, 8, 10, 12, 14, 16]),
        (40, [8, 16, 24, 32]),
    ],
)
def test_at_most_eight_are_kept_and_they_lie_evenly_over_the_length(count, expected):
    found = numbers(frames(animation(count)))
    assert found == expected
    assert len(found) <= MOST


@pytest.mark.parametrize("form", [*FORMS, "JPEG", "BMP"])
def test_a_still_picture_has_no_later_frames(form):
    assert frames(encoded(scene(96, 80), form)) == []


@pytest.mark.parametrize("form", FORMS)
def test_frames_beyond_the_pixel_limit_are_left(form):
    data = animation(9, form)
    assert numbers(frames(data, max_pixels=30_000)) == [1, 2, 3]  # a small frame counts as 10,000
    assert frames(data, max_pixels=9_999) == []


def test_frames_beyond_the_time_limit_are_left(monkeypatch):
    monkeypatch.setattr(decoding, "_FRAMES_SECONDS", -1.0)
    assert frames(animation(9)) == []


@pytest.mark.parametrize("form", FORMS)
def test_what_comes_before_a_broken_frame_is_kept_and_the_picture_stands(form):
    data = animation(7, form)
    whole = numbers(frames(data))
    for end in range(len(data) // 3, len(data), max(1, len(data) // 60)):
        assert numbers(frames(data[:end])) in [whole[:count] for count in range(len(whole) + 1)]


def test_a_frame_is_turned_as_the_picture_is():
    [frame] = frames(animation(2, "WEBP", lossless=True, exif=with_orientation(6)))
    upright = np.rot90(np.asarray(scene(96, 80, 1).convert("L")), 3)
    assert distance(frame.pdq, pdq.pdq(np.ascontiguousarray(upright))[0]) <= 24


def test_a_known_picture_hidden_in_an_animation_is_among_its_variants():
    data = animation(6)
    hashes = hash_picture(data)
    known = pdq.pdq(np.asarray(scene(96, 80, 3).convert("L")))[0]
    assert distance(hashes.pdq, known) > 80
    near = [each.name for each in hashes.pdq_variants if distance(each.pdq, known) <= 24]
    assert near == ["frame_3"]
