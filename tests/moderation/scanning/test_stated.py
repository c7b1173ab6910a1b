"""What a dataset says of an entry becomes its outcome, and nothing else does."""

from typing import Any

import pyarrow as pa
import pytest

from moderation.datasets.ledger import SCHEMA
from moderation.datasets.readers import Batch
from moderation.evidence.sealing import url_key
from moderation.outcomes import outcome_of
from moderation.scanning.ledgers import Part
from moderation.scanning.stated import stated

MD5 = bytes(range(16))
SHA = bytes(range(32))


def batch(**changes: Any) -> Batch:
    values: dict[str, Any] = {
        "start": 7,
        "row_keys": ["k"],
        "urls": ["https://p.invalid/1.jpg"],
        "captions": [None],
        "given": {},
        "bad_given": [False],
        "pictures": None,
        "reencoded": False,
        "statuses": None,
        "tie_break": None,
    }
    return Batch(**values | changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "not_fetched"),
        ({"urls": [None]}, "no_url"),
        ({"urls": [""]}, "no_url"),
        ({"given": {"md5": [MD5]}}, "column"),
        ({"given": {"md5": [None], "sha256": [SHA]}, "bad_given": [True]}, "column"),
        ({"given": {"md5": [None]}, "bad_given": [True]}, "bad_digest"),
        ({"bad_given": [True], "statuses": ["failed_to_download"]}, "bad_digest"),
        ({"statuses": ["failed_to_download"]}, "download_failed"),
        ({"statuses": ["success"]}, "not_fetched"),
        ({"statuses": [None], "pictures": [None]}, "no_picture"),
        ({"statuses": ["failed_to_resize"], "pictures": [None]}, "download_failed"),
        ({"urls": [None], "pictures": [b"x"]}, "no_picture"),  # until the picture is looked at
        ({"given": {"md5": [MD5]}, "statuses": ["failed_to_download"]}, "column"),
    ],
)
def test_each_reason(changes: dict[str, Any], reason: str) -> None:
    [facts] = Part(stated(batch(**changes))).rows()
    assert (facts.reason, facts.outcome) == (reason, outcome_of(reason))


def test_what_is_stated_stands_in_its_columns() -> None:
    found = stated(
        batch(
            row_keys=["a", None],
            urls=["https://p.invalid/\N{SNOWMAN}.jpg", None],
            given={"md5": [MD5, None], "sha256": [None, SHA]},
            bad_given=[False, True],
        )
    )
    assert found.schema == SCHEMA
    first, second = Part(found).rows()
    assert (first.row, first.row_key, first.given_md5, first.given_sha256) == (7, "a", MD5, None)
    assert (second.row, second.row_key, second.given_md5, second.given_sha256) == (
        8,
        None,
        None,
        SHA,
    )
    assert (first.url_key, second.url_key) == (url_key("https://p.invalid/\N{SNOWMAN}.jpg"), None)
    filled = {name for name in found.schema.names if found.column(name).null_count < len(found)}
    assert filled == {
        *("row", "row_key", "url_key", "given_md5", "given_sha256", "outcome", "reason")
    }


def test_rows_come_back_as_they_went_in() -> None:
    part = Part(stated(batch(given={"md5": [MD5]})))
    rows = part.rows()
    assert Part.of(rows).batch.equals(part.batch)
    assert rows == [part.facts(7)]
    assert isinstance(Part.of(rows).batch, pa.RecordBatch)
