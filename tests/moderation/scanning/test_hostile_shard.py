"""A shard of files made to hurt, through a whole scan: every row ends with a reason."""

import struct
from pathlib import Path

import numpy as np
import pytest
from pytest_django import Settings

from moderation.datasets import ledger
from moderation.datasets.registering import register
from moderation.media.decode import mute_pillow
from moderation.models import Match, Preview, Scan
from moderation.outcomes import REASONS
from moderation.scanning import progress
from tests import pictures

from .conftest import LoadList, RunScan, md5_of, pdq_of


def jpeg_of(width: int, height: int) -> bytes:
    """A small JPEG that says it is larger."""
    data = bytearray(pictures.encoded(pictures.picture(1, side=64)))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def hostile() -> dict[str, bytes]:
    """Return by name bytes that are no picture, or one that is broken."""
    files = {
        "page": b"<!DOCTYPE html><html>gone</html>",
        "noise": np.random.default_rng(1).bytes(5000),
        "heic": b"\x00\x00\x00\x18ftypheic" + bytes(40),
        "bomb": jpeg_of(60_000, 60_000),
        "as large as is let in": jpeg_of(9_999, 9_999),
        "no pixel": jpeg_of(0, 9),
    }
    random = np.random.default_rng(2)
    for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        side = 1000 if form == "JPEG" else 200
        whole = pictures.encoded(pictures.picture(3, side=side), form)
        files[f"half a {form}"] = whole[: len(whole) // 2]
        files[f"the head of a {form}"] = whole[:40]
        for number in range(12):
            broken = bytearray(whole)
            reach = 400 if number % 2 else len(whole)
            for at in random.integers(0, reach, 1 + number):
                broken[at] = int(random.integers(0, 256))
            files[f"fuzzed {form} {number}"] = bytes(broken)
    return files


@pytest.mark.parametrize("in_full", [False, True])
def test_every_row_of_a_hostile_shard_has_a_reason_and_the_scan_ends(
    tmp_path: Path, load_list: LoadList, run_scan: RunScan, settings: Settings, in_full: bool
) -> None:
    mute_pillow()  # as a worker does: pytest has filters of its own
    settings.SCAN_IN_FULL = in_full
    good = pictures.encoded(pictures.picture(5, side=1000))
    files = [good, *hostile().values(), good]
    path = pictures.embedded(tmp_path / "train-00000-of-00001.parquet", files)
    revision = register([str(path)], dataset="quay", revision="v1", by=None).revision
    # One of them is known to the byte and one by its picture: what is near is decoded once more.
    load_list("known", "1", [md5_of(files[4]), pdq_of(good)])

    scan = run_scan(revision)

    assert scan.state == Scan.State.FINISHED
    rows = [
        row
        for batch in ledger.read(revision.shards.get().ledger, ["outcome", "reason"])
        for row in batch.to_pylist()
    ]
    assert len(rows) == len(files)
    assert all(REASONS[each["reason"]] == each["outcome"] for each in rows)
    reasons = [each["reason"] for each in rows]
    assert reasons[:5] == [
        "embedded",
        "not_a_picture",
        "not_a_picture",
        "undecodable",
        "too_many_pixels",
    ]
    assert {"truncated", "undecodable", "embedded"} <= set(reasons[5:-1])
    assert reasons[-1] == "embedded"
    assert progress.as_json(scan)["entries"] == len(files)
    last = len(files) - 1
    assert set(Match.objects.values_list("flag__entry__row", flat=True)) == {0, 4, last}
    assert set(Preview.objects.values_list("entry__row", flat=True)) == {0, last}
