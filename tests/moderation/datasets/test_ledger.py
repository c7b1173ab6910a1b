"""Ledgers: what is written is read back as whole columns; damage is noticed."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from moderation.datasets import ledger
from moderation.datasets.ledger import LedgerCorrupt, LedgerWriter

RNG = np.random.default_rng(7)


def rows(count: int, first: int = 0, **columns: Any) -> dict[str, Any]:
    return {
        "row": np.arange(first, first + count),
        "outcome": ["unchecked"] * count,
        "reason": ["not_fetched"] * count,
        **columns,
    }


def write(place: Path, *batches: dict[str, Any]) -> str:
    with LedgerWriter(str(place), shard_checksum="ab" * 32, algorithm_version="1") as writer:
        for batch in batches:
            writer.write(batch)
    return str(place)


def test_every_column_comes_back(tmp_path: Path) -> None:
    hashes: dict[str, Any] = {
        name: [RNG.bytes(ledger.SCHEMA.field(name).type.byte_width), None]
        for name in ledger.HASH_COLUMNS
    }
    when = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    written = {
        "row": [0, 1],
        "row_key": ["000", None],
        **hashes,
        "pdq_quality": [100, None],
        "pdq_variants": [
            [
                {"name": name, "quality": 80, "pdq": RNG.bytes(32)}
                for name in ("trimmed", "frame_7")
            ],
            None,
        ],
        "approximate": [True, None],
        "width": [640, None],
        "height": [480, None],
        "format": ["jpeg", None],
        "size": [10_000_000_000, None],
        "outcome": ["hashed", "gone"],
        "reason": ["fetched", "http_404"],
        "http_status": [200, 404],
        "fetched_at": [when, None],
    }
    place = write(tmp_path / "a.ledger", written)
    batch = next(ledger.read(place))
    assert set(written) == set(ledger.COLUMNS)
    assert {name: batch.column(name).to_pylist() for name in ledger.COLUMNS} == written
    assert ledger.facts(place) == ledger.LedgerFacts(2, "ab" * 32, "1")


def test_a_column_of_hashes_is_one_array_without_its_nulls(tmp_path: Path) -> None:
    values = RNG.integers(0, 256, (1000, 32), np.uint8)
    some = [v.tobytes() if n % 3 else None for n, v in enumerate(values)]
    place = write(tmp_path / "a", rows(1000, pdq=values, sha256=some))
    seen = 0
    for batch in ledger.read(place, ["pdq", "sha256", "md5"], rows=300):
        found, numbers = ledger.column_as_array(batch, "pdq")
        assert np.array_equal(found, values[numbers])
        assert len(found) == batch.num_rows
        found, numbers = ledger.column_as_array(batch, "sha256")
        assert np.array_equal(found, values[numbers])
        expected = [n for n in range(seen, seen + batch.num_rows) if n % 3]
        assert numbers.tolist() == expected
        assert ledger.column_as_array(batch, "md5")[0].shape == (0, 16)
        part = batch.slice(7, 20)
        found, numbers = ledger.column_as_array(part, "sha256")
        assert np.array_equal(found, values[numbers])
        seen += batch.num_rows
    assert seen == 1000


def test_many_batches_become_few_row_groups(tmp_path: Path) -> None:
    count = 1000
    place = write(tmp_path / "a", *(rows(count, n * count) for n in range(150)))
    file = pq.ParquetFile(place)
    assert file.metadata.num_rows == 150_000
    assert file.num_row_groups <= 5
    numbers = np.concatenate([b.column("row").to_numpy() for b in ledger.read(place, [])])
    assert np.array_equal(numbers, np.arange(150_000))


@pytest.mark.parametrize(
    ("version", "missing"), [(b"1", ["pdq_variants", "approximate"]), (b"2", ["approximate"])]
)
def test_a_ledger_of_an_earlier_version_is_read_what_it_lacks_unknown(
    tmp_path: Path, version: bytes, missing: list[str]
) -> None:
    values = RNG.integers(0, 256, (70, 32), np.uint8)
    new = pq.read_table(write(tmp_path / "new", rows(70, pdq=values)))
    said = dict(new.schema.metadata) | {b"breakwater.ledger": version}
    place = str(tmp_path / "old")
    pq.write_table(new.drop_columns(missing).replace_schema_metadata(said), place)
    [batch] = ledger.read(place, [*missing, "pdq"])
    assert all(batch.column(each).null_count == 70 for each in missing)
    assert np.array_equal(ledger.column_as_array(batch, "pdq")[0], values)
    [whole] = ledger.read(place)
    assert whole.schema.equals(ledger.SCHEMA)
    assert ledger.facts(place).rows == 70


def test_an_empty_ledger_is_a_ledger(tmp_path: Path) -> None:
    place = write(tmp_path / "a")
    assert list(ledger.read(place)) == []
    assert ledger.facts(place).rows == 0


def test_the_same_rows_make_the_same_file(tmp_path: Path) -> None:
    batch = rows(50, pdq=RNG.integers(0, 256, (50, 32), np.uint8))
    write(tmp_path / "a", batch)
    write(tmp_path / "b", batch)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (rows(2, first=1), "without a gap"),
        (rows(2, md5=[b"short", None]), "md5"),
        (rows(2, pdq=np.zeros((2, 31), np.uint8)), "32 bytes a row"),
        (rows(2, width=[2**40, 1]), "width"),
        (rows(2, url="x"), "knows only its own"),
        (rows(2, md5=[None]), "1 values for 2 rows"),
        (rows(2) | {"outcome": ["hashed", "hashed"]}, "no reason for hashed"),
        (rows(2) | {"outcome": ["unchecked", None]}, "every row"),
        ({"row": [0]}, "needs row, outcome"),
    ],
)
def test_rows_that_are_wrong_are_refused_and_nothing_remains(
    tmp_path: Path, batch: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        write(tmp_path / "a", batch)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_is_stopped_leaves_the_old_ledger(tmp_path: Path) -> None:
    place = write(tmp_path / "a", rows(3))

    def stopped() -> None:
        with LedgerWriter(place, shard_checksum="", algorithm_version="") as writer:
            writer.write(rows(100_000))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert ledger.facts(place).rows == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_damage_is_noticed(tmp_path: Path) -> None:
    place = write(tmp_path / "a", rows(5000, md5=RNG.integers(0, 256, (5000, 16), np.uint8)))
    whole = Path(place).read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    for data in (b"", whole[:-1], whole[: len(whole) // 2], bytes(flipped), b"x" * 1000):
        Path(place).write_bytes(data)
        with pytest.raises(LedgerCorrupt, match="scan its shard again"):
            list(ledger.read(place))
    with pytest.raises(LedgerCorrupt, match="scan its shard again"):
        ledger.facts(str(tmp_path / "none"))
    pq.write_table(pa.table({"row": [0]}), place)
    with pytest.raises(LedgerCorrupt, match="no ledger"):
        list(ledger.read(place))


@pytest.mark.parametrize("columns", [None, [], ["md5"], ["row", "outcome"]])
@pytest.mark.parametrize(
    "order",
    [[1, 0], [0, 0], [1], [0, 2], [1, 1, 2], "no statistics"],
)
def test_rows_that_do_not_follow_each_other_are_noticed(
    tmp_path: Path, columns: list[str] | None, order: Any
) -> None:
    values = RNG.integers(0, 256, (300, 16), np.uint8)
    whole = pq.read_table(write(tmp_path / "a", rows(300, md5=values)))
    place, told = str(tmp_path / "b"), order != "no statistics"
    with pq.ParquetWriter(place, whole.schema, write_statistics=told) as writer:
        for part in order if told else [0, 1, 2]:
            writer.write_table(whole.slice(part * 100, 100))
    with pytest.raises(LedgerCorrupt, match=r"its rows are out of order; scan its shard again"):
        list(ledger.read(place, columns))


def test_rows_are_numbered_whatever_is_read_of_them(tmp_path: Path) -> None:
    count = 70_000
    values = RNG.integers(0, 256, (count, 16), np.uint8)
    place = write(tmp_path / "a", rows(count, md5=values), rows(500, count))
    for columns in (None, [], ["md5"], ["outcome", "row"], ["fetched_at"]):
        for size in (1, 999, 65_536, 100_000) if columns == ["md5"] else (65_536,):
            at = 0
            for batch in ledger.read(place, columns, rows=size):
                assert batch.schema.names[0] == "row"
                numbers = batch.column("row").to_numpy()
                assert np.array_equal(numbers, np.arange(at, at + batch.num_rows))
                at += batch.num_rows
                if size == 1 and at == 10:
                    break
            assert at == (10 if size == 1 else count + 500)
    found = [batch.column("row").to_pylist() for batch in ledger.read(place, [], only=[66_000])]
    assert found == [list(range(65_536, 70_000))]


def test_a_ledger_is_for_its_own_user_alone(tmp_path: Path) -> None:
    place = tmp_path / "ledgers" / "1" / "a.parquet"
    with LedgerWriter(str(place), shard_checksum="ab" * 32, algorithm_version="1"):
        pass
    assert [p.stat().st_mode & 0o777 for p in (place, place.parent, place.parent.parent)] == [
        0o600,
        0o700,
        0o700,
    ]
