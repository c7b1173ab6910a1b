"""Screening while someone waits: large pictures cost nothing, known files are known at any size."""

import hashlib
import io
import time
from pathlib import Path

import pytest
from PIL import Image
from pytest_django import Settings

from moderation.hash_lists.loading import ListOptions, load
from moderation.scanning.screening import MAX_PIXELS, Verdict, screen_picture

pytestmark = pytest.mark.django_db


def flat(width: int, height: int) -> bytes:
    """A PNG of one grey, small as a file."""
    out = io.BytesIO()
    Image.new("L", (width, height), 90).save(out, "PNG", compress_level=1)
    return out.getvalue()


@pytest.fixture
def large() -> bytes:
    return flat(8000, MAX_PIXELS // 8000 + 1)


@pytest.fixture(autouse=True)
def lists(large: bytes, settings: Settings, tmp_path: Path) -> None:
    settings.LEDGER_URL = (tmp_path / "ledgers").as_uri()
    load(
        io.BytesIO(f"md5 {hashlib.md5(large).hexdigest()}".encode()),
        slug="demo",
        label="1",
        format="plain",
        options=ListOptions(harm_class="csam", synthetic=True),
    )


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    data = flat(10_000, 9_999)
    screen_picture(b"x")  # builds the index
    began = time.process_time()
    answer = screen_picture(data)
    assert (answer.verdict, answer.reason) == (Verdict.NOT_HASHABLE, "too_many_pixels")
    assert time.process_time() - began < 1


def test_the_bytes_of_a_known_file_are_known_at_any_size(large: bytes) -> None:
    answer = screen_picture(large)
    assert answer.verdict is Verdict.EXACT
    assert [hit.algorithm for hit in answer.matches] == ["md5"]
