"""What a match says of itself: little structure, and whether the supplier's pHash agrees."""

import io
from pathlib import Path

import pytest
from PIL import Image

from moderation.datasets.registering import register
from moderation.hash_lists.loading import ListOptions, load
from moderation.media.hashing import hash_picture
from moderation.models import Match, Revision
from tests import pictures

from .conftest import LoadList, RunScan, pdq_of, rescan

NOT_THERE = "md5 " + "7" * 32


def blurred(seed: int) -> bytes:
    """A picture whose PDQ has a quality below 50."""
    grey = Image.new("RGB", (320, 320), (128, 128, 128))
    data = pictures.encoded(Image.blend(grey, pictures.picture(seed), 0.05), "PNG")
    assert 0 < hash_picture(data).pdq_quality < 50
    return data


def load_table(label: str, text: str) -> None:
    options = ListOptions(trust="standard", harm_class="csam", synthetic=True)
    load(io.BytesIO(text.encode()), slug="table", label=label, format="csv", options=options)


@pytest.mark.parametrize("at_first", [True, False])
def test_a_match_of_a_picture_with_little_structure_is_marked(
    tmp_path: Path, load_list: LoadList, run_scan: RunScan, at_first: bool
) -> None:
    data = [pictures.encoded(pictures.picture(1), "PNG"), blurred(2)]
    path = pictures.embedded(tmp_path / "train-00000-of-00001.parquet", data)
    revision = register([str(path)], dataset="harbour", revision="v1", by=None).revision
    known = [pdq_of(each) for each in data]
    if at_first:
        load_list("near", "1", known)
        run_scan(revision)
    else:
        load_list("near", "1", [NOT_THERE])
        run_scan(revision)
        load_list("near", "2", [NOT_THERE, *known])
        rescan(revision)
    found = Match.objects.order_by("flag__entry__row")
    assert list(found.values_list("low_quality", "threshold")) == [(False, 31), (True, 8)]


def test_the_phash_of_the_same_entry_of_the_list_is_compared(
    embedded: Revision, drawn: list[bytes], run_scan: RunScan
) -> None:
    """Of those under the reference that stand the nearest; never one of another entry."""
    hashes = [hash_picture(data, exact=True) for data in drawn[:6]]
    other = bytes(255 - each for each in hashes[0].phash).hex()
    rows = [
        (hashes[0].pdq.hex(), hashes[0].phash.hex(), "agrees"),
        (hashes[1].pdq.hex(), other, "differs"),
        (hashes[2].pdq.hex(), "", "bare"),
        (hashes[3].pdq.hex(), hashes[3].phash.hex(), ""),
        ("", hashes[2].phash.hex(), "another"),
        (hashes[4].pdq.hex(), hashes[4].phash.hex(), "gone"),
        (hashes[5].pdq.hex(), "0123456789abcdef", "two"),
        ("", hashes[5].phash.hex(), "two"),
    ]
    table = "pdq,phash,id\n"
    load_table("1", table + "".join(f"{','.join(row)}\n" for row in rows))
    rows[5] = (rows[5][0], "", "gone")
    load_table("2", table + "".join(f"{','.join(row)}\n" for row in rows))

    run_scan(embedded)

    found = dict(Match.objects.values_list("flag__entry__row", "phash_distance"))
    apart = (int(other, 16) ^ int.from_bytes(hashes[1].phash)).bit_count()
    assert found == {0: 0, 1: apart, 2: None, 3: None, 4: None, 5: 0}
    assert apart > 8
    assert set(Match.objects.values_list("algorithm", flat=True)) == {"pdq"}


def test_a_phash_is_not_compared_with_a_turned_picture(
    embedded: Revision, run_scan: RunScan
) -> None:
    mirrored = pictures.picture(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    known = hash_picture(pictures.encoded(mirrored, "PNG"))
    load_table("1", f"pdq,phash,id\n{known.pdq.hex()},{known.phash.hex()},one\n")
    run_scan(embedded)
    match = Match.objects.get()
    assert (match.variant, match.phash_distance) == ("flip_h", None)
