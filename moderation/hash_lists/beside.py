"""What else a supplier gives of the entry that a known value comes from, told by its reference."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from moderation.models import KnownBlock, KnownHash

from . import blocks
from .labels import Kinds, unpack

PHASH = "phash"


def phashes(known: Mapping[int, KnownHash]) -> dict[int, list[bytes]]:
    """Return, by the same numbers, the pHashes that stand in a value's list under its reference.

    Values without a reference, or alone under it, are left out. Reads the labels of every pHash
    of the lists asked about, some 50 ms for a million: ask about many values at once.
    """
    wanted: dict[int, set[str]] = {}
    for each in known.values():
        if each.external_id:
            wanted.setdefault(each.hash_list_id, set()).add(each.external_id)
    given = {
        (hash_list, reference): values
        for hash_list, references in wanted.items()
        for reference, values in _standing(hash_list, references).items()
    }
    found = {
        number: given.get((each.hash_list_id, each.external_id), [])
        for number, each in known.items()
    }
    return {number: values for number, values in found.items() if values}


def _standing(hash_list: int, references: set[str]) -> dict[str, list[bytes]]:
    """Return the pHashes that stand in a list, by those of these references that have any."""
    asked = pa.array(sorted(references), pa.large_string())
    found: dict[str, list[bytes]] = {}
    for block in blocks.read(KnownBlock.objects.filter(hash_list=hash_list, algorithm=PHASH)):
        held = unpack(block.labels, Kinds()).references
        if held is None:
            continue
        named: Any = pc.is_in(held, value_set=asked)
        for place in np.flatnonzero(named.to_numpy(zero_copy_only=False) & block.stands).tolist():
            value = block.keys[place : place + 1].tobytes()
            found.setdefault(held[place].as_py(), []).append(value)
    return found
