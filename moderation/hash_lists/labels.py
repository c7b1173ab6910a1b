"""What a supplier says of values beside what they are, as columns, and packed for a block.

A kind is scheme, category and media: few different ones for millions of values, so each value has
the number of its kind. Packed it is an Arrow stream, compressed; nothing at all where nothing is
said of any value.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .keys import Places

Codes: TypeAlias = NDArray[np.int32]
Column: TypeAlias = "pa.Array[Any] | None"


class Kind(NamedTuple):
    scheme: str = ""
    category: str = ""
    media: str = ""


class Kinds:
    """Kinds by number; number 0 says nothing."""

    def __init__(self) -> None:
        self._numbers = {Kind(): 0}
        self.all = [Kind()]

    def number(self, kind: Kind) -> int:
        number = self._numbers.setdefault(kind, len(self.all))
        if number == len(self.all):
            self.all.append(kind)
        return number

    def grades(self) -> NDArray[np.int32]:
        """For each kind a number that two kinds share if scheme and category are the same."""
        seen: dict[tuple[str, str], int] = {}
        numbers = [seen.setdefault(kind[:2], len(seen)) for kind in self.all]
        return np.array(numbers, dtype=np.int32)


@dataclass(frozen=True)
class Labels:
    """Of each value its kind's number, its reference, and its bytes where its key is not they.

    None where no value has any.
    """

    kinds: Codes | None = None
    references: Column = None
    texts: Column = None

    def codes(self, count: int) -> Codes:
        return np.zeros(count, dtype=np.int32) if self.kinds is None else self.kinds

    def of(self, place: int, kinds: "Kinds") -> tuple[Kind, str]:
        """Return the kind and the reference of one value."""
        kind = Kind() if self.kinds is None else kinds.all[self.kinds[place]]
        return kind, "" if self.references is None else self.references[place].as_py()

    def take(self, places: Places) -> "Labels":
        return Labels(
            None if self.kinds is None else self.kinds[places],
            None if self.references is None else self.references.take(places),
            None if self.texts is None else self.texts.take(places),
        )

    def cut(self, start: int, stop: int) -> "Labels":
        return Labels(
            None if self.kinds is None else self.kinds[start:stop],
            None if self.references is None else self.references.slice(start, stop - start),
            None if self.texts is None else self.texts.slice(start, stop - start),
        )

    @classmethod
    def joined(cls, parts: Iterable[tuple[int, "Labels"]]) -> "Labels":
        """Return the labels of so many values after those of so many others."""
        listed = list(parts)
        kinds = references = texts = None
        if any(each.kinds is not None for _, each in listed):
            kinds = np.concatenate([each.codes(count) for count, each in listed])
        if any(each.references is not None for _, each in listed):
            references = pa.concat_arrays(
                [
                    blank(count) if each.references is None else each.references
                    for count, each in listed
                ]
            )
        if any(each.texts is not None for _, each in listed):
            texts = pa.concat_arrays([each.texts for _, each in listed if each.texts is not None])
        return cls(kinds, references, texts)


def blank(count: int) -> "pa.Array[Any]":
    """References of values that have none."""
    return pa.repeat(pa.scalar("", pa.large_string()), count)


def pack(labels: Labels, kinds: Kinds) -> bytes:
    """Return the labels of one block as bytes."""
    columns: dict[str, Any] = {}
    if labels.kinds is not None and labels.kinds.any():
        used, local = np.unique(labels.kinds, return_inverse=True)
        known = kinds.all
        said = [known[number] for number in used.tolist()]
        table = pa.StructArray.from_arrays(
            [pa.array([kind[at] for kind in said], pa.string()) for at in range(len(Kind._fields))],
            names=list(Kind._fields),
        )
        columns["kind"] = pa.DictionaryArray.from_arrays(local.astype(np.int32), table)
    if labels.references is not None and labels.references != blank(len(labels.references)):
        columns["reference"] = labels.references
    if labels.texts is not None:
        columns["text"] = labels.texts
    if not columns:
        return b""
    batch = pa.record_batch(columns)
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpack(packed: bytes, kinds: Kinds) -> Labels:
    """Return the labels that ``pack`` made, their kinds by the numbers of ``kinds``."""
    if not packed:
        return Labels()
    batch = pa.ipc.open_stream(packed).read_next_batch()
    names = batch.schema.names
    codes = references = texts = None
    if "kind" in names:
        column: Any = batch.column("kind")
        numbers = [kinds.number(Kind(**each)) for each in column.dictionary.to_pylist()]
        codes = np.array(numbers, dtype=np.int32)[column.indices.to_numpy()]
    if "reference" in names:
        references = batch.column("reference")
    if "text" in names:
        texts = batch.column("text")
    return Labels(codes, references, texts)
