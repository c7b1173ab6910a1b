"""Edited copies: found by a variant, named in the match, in a rescan as in the first scan."""

import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps
from pytest_django import Settings

from moderation.datasets import ledger
from moderation.datasets.registering import register
from moderation.media.hashing import hash_picture
from moderation.media.pdq import ORIENTATIONS
from moderation.media.variants import UNCROPPED
from moderation.models import Coverage, Match, Revision, Shard
from moderation.scanning import ledgers, rescans
from moderation.scanning.columns import Column, url_variants
from moderation.scanning.facts import RowFacts, columns_of
from moderation.scanning.screening import Verdict, screen_picture
from tests import pictures

from .conftest import LoadList, RunScan, finish, md5_of, pdq_of

WITHOUT = "md5 " + "7" * 32


def animated(*frames: Image.Image) -> bytes:
    return pictures.encoded(frames[0], "GIF", save_all=True, append_images=list(frames[1:]))


def edits() -> dict[str, bytes]:
    """A copy of picture 3 for each variant that undoes what was done to it."""
    whole = pictures.picture(3)
    return {
        "trimmed": pictures.encoded(ImageOps.expand(whole, (30, 12, 30, 12), "white")),
        "uncropped_5": pictures.encoded(whole.crop((8, 8, 312, 312)), quality=95),
        "frame_2": animated(
            pictures.picture(50), pictures.picture(51), whole, pictures.picture(52)
        ),
    }


@pytest.fixture
def harbour(tmp_path: Path, transactional_db: None) -> Revision:
    """One shard: another picture, then the edited copies in the order of ``edits``."""
    copies = [pictures.encoded(pictures.picture(9)), *edits().values()]
    path = pictures.embedded(tmp_path / "train-00000-of-00001.parquet", copies)
    return register([str(path)], dataset="harbour", revision="v1", by=None).revision


def known() -> str:
    return pdq_of(pictures.encoded(pictures.picture(3), quality=92))


def found() -> list[Any]:
    rows = Match.objects.order_by("flag__entry__row", "algorithm")
    return list(rows.values_list("flag__entry__row", "algorithm", "variant", "distance"))


def test_each_edited_copy_is_found_by_the_variant_that_undoes_the_edit(
    harbour: Revision, load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("near", "1", [known()])
    run_scan(harbour)
    assert [(row, variant) for row, _, variant, _ in found()] == list(enumerate(edits(), 1))
    assert all(distance <= 31 for *_, distance in found())


def test_a_rescan_finds_what_a_first_scan_would_have_found(
    harbour: Revision, load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("near", "1", [known()])
    run_scan(harbour)
    first = found()
    Match.objects.all().delete()
    load_list("later", "1", [known()])
    [due] = rescans.due()
    finish(rescans.start(due, by=None))
    assert [row[:2] for row in first] == [(1, "pdq"), (2, "pdq"), (3, "pdq")]
    assert found() == first


def test_screening_says_the_variant(load_list: LoadList) -> None:
    load_list("near", "1", [known()])
    for variant, copy in edits().items():
        answer = screen_picture(copy)
        assert (answer.verdict, [hit.variant for hit in answer.matches]) == (
            Verdict.NEAR,
            [variant],
        )


def test_rows_and_ledgers_give_the_same_columns(tmp_path: Path, drawn: list[bytes]) -> None:
    rows = []
    for row, data in enumerate([*edits().values(), drawn[0], b""]):
        facts = RowFacts(row=row)
        if data:
            facts.hashed(hash_picture(data, exact=row % 2 == 0))
        facts.fetched_at = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC) if row == 1 else None
        facts.ended("embedded" if data else "no_picture")
        rows.append(facts)
    place = str(tmp_path / "ledger")
    with ledger.LedgerWriter(place, shard_checksum="", algorithm_version="") as writer:
        writer.write(ledgers.Part.of(rows).as_columns())
    [part] = ledgers.parts(ledgers.Ledger(place, complete=True))

    def said(columns: list[Column]) -> list[Any]:
        return [
            (
                *(each.algorithm, each.variant, each.origin),
                *(each.values.tolist(), each.rows.tolist()),
                *(
                    None if mark is None else mark.tolist()
                    for mark in (each.low_quality, each.approximate)
                ),
            )
            for each in columns
            if len(each.rows)
        ]

    assert said(part.columns) == said(columns_of(rows))
    assert [part.facts(each.row) for each in rows] == rows
    names = {each.variant for each in part.columns if len(each.rows)}
    assert {"trimmed", "uncropped_5", "uncropped_10", "frame_1", "frame_2", "frame_3"} <= names


def before_variants(shard: Shard) -> None:
    """Make the shard's ledger, and what is said of it, that of algorithm version 1."""
    table = pq.read_table(shard.ledger)
    said = dict(table.schema.metadata)
    said |= {b"breakwater.ledger": b"1", b"breakwater.algorithm_version": b"1"}
    old = table.drop_columns(["pdq_variants", "approximate"])
    pq.write_table(old.replace_schema_metadata(said), shard.ledger)
    Coverage.objects.update(algorithm_version="1")


def test_pictures_at_hand_are_hashed_again_for_what_an_old_ledger_lacks(
    harbour: Revision, load_list: LoadList, run_scan: RunScan
) -> None:
    load_list("near", "1", [known()])
    run_scan(harbour)
    first = found()
    Match.objects.all().delete()
    before_variants(harbour.shards.get())

    [due] = rescans.due()
    finish(rescans.start(due, by=None))

    assert found() == first
    assert rescans.due() == []
    assert ledger.facts(harbour.shards.get().ledger).algorithm_version == "2"


def test_what_was_fetched_for_an_old_ledger_stands_and_is_compared(
    links: Revision, drawn: list[bytes], load_list: LoadList, run_scan: RunScan, settings: Settings
) -> None:
    load_list("near", "1", [WITHOUT])
    run_scan(links)
    shard = links.shards.first()
    assert shard is not None
    rows = []
    for row, data in enumerate(drawn[:6]):
        facts = RowFacts(row=row)
        facts.hashed(hash_picture(data, exact=True))
        facts.fetched_at = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
        facts.ended("fetched", http_status=200)
        rows.append(facts)
    with ledger.LedgerWriter(
        shard.ledger, shard_checksum=shard.checksum, algorithm_version="1"
    ) as writer:
        writer.write(ledgers.Part.of(rows).as_columns())
    before_variants(shard)

    load_list("near", "2", [WITHOUT, pdq_of(drawn[4])])
    [due] = rescans.due()
    finish(rescans.start(due, by=None))

    assert found() == [(4, "pdq", "plain", 0)]
    assert rescans.due() == []
    shard.refresh_from_db()
    assert ledger.facts(shard.ledger).algorithm_version == "1"
    assert md5_of(drawn[4]).endswith(bytes(Match.objects.get().flag.entry.md5).hex())


def test_every_variant_is_said_in_words() -> None:
    names = {*ORIENTATIONS, *UNCROPPED, "trimmed", "trimmed_evenly"}
    names |= {name for name, _ in url_variants(" HTTPS://P.invalid/a%20b#c ")}
    for name in names:
        assert Match(variant=name).variant_in_words not in ("", name)
    assert Match(variant="frame_12").variant_in_words == "frame 12, the first being 0"
