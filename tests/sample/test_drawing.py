"""Drawn pictures are repeatable, varied, hashable, and far from each other."""

import numpy as np
import pytest

from sample import drawing, perceptual
from sample.pictures import APART, GOOD_QUALITY


def test_the_same_seed_draws_the_same_picture() -> None:
    assert drawing.draw(12).tobytes() == drawing.draw(12).tobytes()
    assert drawing.draw(12).tobytes() != drawing.draw(22).tobytes()


@pytest.mark.parametrize("seed", range(len(drawing.KINDS)))
def test_every_kind_has_the_size_asked_for(seed: int) -> None:
    picture = drawing.draw(seed, size=(320, 240))
    assert (picture.mode, picture.size) == ("RGB", (320, 240))


def test_pictures_are_hashable_and_far_apart_in_every_orientation() -> None:
    families, qualities = zip(*(perceptual.family(drawing.draw(n)) for n in range(30)), strict=True)
    every = np.stack(families)
    away = perceptual.distances(every[:, :, None], every[None, None, :, 0]).min(axis=1)
    np.fill_diagonal(away, 256)
    assert away.min() >= APART
    assert np.mean(np.array(qualities) >= GOOD_QUALITY) > 0.9


def test_a_flat_picture_is_not_hashable() -> None:
    assert perceptual.pdq(drawing.flat(3))[1] < GOOD_QUALITY
