"""What a dataset itself says of its entries, before any picture is looked at: a ledger's columns.

Made column by column: a dataset of links has billions of rows, and nothing here is done for one.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from moderation.algorithms import DIGESTS
from moderation.datasets.ledger import SCHEMA
from moderation.datasets.readers import Batch
from moderation.evidence.sealing import url_keys
from moderation.outcomes import outcome_of

REASONS = ("column", "bad_digest", "download_failed", "no_picture", "not_fetched", "no_url")
OUTCOMES = tuple(outcome_of(reason).value for reason in REASONS)
_GIVEN, _BAD, _FAILED, _NO_PICTURE, _NOT_FETCHED, _NO_URL = range(len(REASONS))


def stated(batch: Batch) -> pa.RecordBatch:
    """Return the rows of a batch as those of a ledger; what only a picture tells is null."""
    count = len(batch)
    columns: dict[str, Any] = {
        "row": pa.array(np.arange(batch.start, batch.start + count)),
        "row_key": pa.array(batch.row_keys, pa.string()),
        "url_key": pa.array(url_keys(batch.urls), pa.binary(16)),
    }
    for algorithm in DIGESTS:
        if algorithm in batch.given:
            name = f"given_{algorithm}"
            columns[name] = pa.array(batch.given[algorithm], SCHEMA.field(name).type)
    why: Any = pa.array(_reasons(batch, columns))
    # Encoded by what is in it, so that one ledger is the same bytes however it was batched.
    columns["reason"] = pa.array(REASONS).take(why).dictionary_encode()
    columns["outcome"] = pa.array(OUTCOMES).take(why).dictionary_encode()
    return pa.RecordBatch.from_arrays(
        [
            columns[field.name] if field.name in columns else pa.nulls(count, field.type)
            for field in SCHEMA
        ],
        schema=SCHEMA,
    )


def _reasons(batch: Batch, columns: dict[str, Any]) -> NDArray[np.int32]:
    """Return for each row which of REASONS is its own: the first of these that holds."""
    count = len(batch)
    if batch.pictures is None:
        linked = columns["url_key"].is_valid().to_numpy(zero_copy_only=False)
        why = np.where(linked, _NOT_FETCHED, _NO_URL).astype(np.int32)
    else:
        why = np.full(count, _NO_PICTURE, np.int32)
    if batch.statuses is not None:
        failed = [status is not None and status != "success" for status in batch.statuses]
        why[np.asarray(failed, np.bool_)] = _FAILED
    why[np.asarray(batch.bad_given, np.bool_)] = _BAD
    for name, column in columns.items():
        if name.startswith("given_"):
            why[column.is_valid().to_numpy(zero_copy_only=False)] = _GIVEN
    return why
