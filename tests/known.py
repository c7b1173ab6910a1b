"""Known values without a file: each in a block of its own, with its row."""

import numpy as np
from django.db import transaction

from moderation.hash_lists import blocks, known_rows
from moderation.hash_lists.keys import as_keys, key_of
from moderation.hash_lists.labels import Kind, Kinds, Labels
from moderation.models import HashListVersion, KnownBlock, KnownHash
from moderation.models.known_block import number_of


def known_row(
    version: HashListVersion, algorithm: str, value: bytes, *, scheme: str = "", category: str = ""
) -> KnownHash:
    """The row of a value that this version added."""
    kinds = Kinds()
    labels = Labels(np.array([kinds.number(Kind(scheme, category))], dtype=np.int32))
    keys = as_keys(key_of(algorithm, value), algorithm)
    number = number_of(blocks.add(version, algorithm, keys, labels, kinds)[-1], 0)
    with transaction.atomic():
        return known_rows.materialise([number])[number]


def only_row(slug: str) -> KnownHash:
    """The row of the one value that a list holds, made where there is none."""
    number = number_of(KnownBlock.objects.get(hash_list__slug=slug).pk, 0)
    with transaction.atomic():
        return known_rows.materialise([number])[number]
