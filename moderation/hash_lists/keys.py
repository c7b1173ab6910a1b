"""Keys of values, millions at a time: one width for each algorithm, in the order of their bytes.

The key of a value is the value itself, or the SHA-256 of one whose length is open. As an array
keys are byte strings of numpy (``S32``): equal and in order as the bytes are, because all are of
one width. One element taken out loses its trailing zeros: slice, and ask for ``tobytes``.
"""

import hashlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from moderation.algorithms import ALGORITHMS

Keys: TypeAlias = NDArray[np.bytes_]
Places: TypeAlias = NDArray[np.int64]

OPEN_WIDTH = 32


def key_width(algorithm: str) -> int:
    return ALGORITHMS[algorithm].width or OPEN_WIDTH


def is_open(algorithm: str) -> bool:
    """True where values have no fixed length, so that their keys do not say what they are."""
    return ALGORITHMS[algorithm].width is None


def key_of(algorithm: str, value: bytes) -> bytes:
    return hashlib.sha256(value).digest() if is_open(algorithm) else value


def as_keys(packed: bytes | bytearray, algorithm: str) -> Keys:
    """Return keys that lie side by side as an array over the same memory."""
    return np.frombuffer(packed, dtype=f"S{key_width(algorithm)}")


def order(keys: Keys, rank: NDArray[np.int64] | None = None) -> Places:
    """Return what sorts the keys; equal ones by ``rank`` first, then as they stand."""
    heads = keys.view(np.uint8).reshape(-1, keys.dtype.itemsize)[:, :8].copy().view(">u8").ravel()
    heads = heads.astype(np.uint64)
    found = np.argsort(heads)
    heads = heads[found]
    tied = heads[1:] == heads[:-1]
    if tied.any():  # few: the first 64 bits of two hashes are rarely alike unless all are
        among = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
        places = found[among]
        by = (places,) if rank is None else (places, rank[places])
        found[among] = places[np.lexsort((*by, keys[places]))]
    return found


def find(queries: Keys, among: Keys) -> Places:
    """Return for each query its place among keys that ascend, each once; -1 where it is not."""
    if not len(among):
        return np.full(len(queries), -1, dtype=np.int64)
    at = np.searchsorted(among, queries)
    at[at == len(among)] = 0
    return np.where(among[at] == queries, at, -1)


def holds(places: Places, place: int) -> bool:
    """Return whether a place is among places that ascend."""
    at = int(np.searchsorted(places, place))
    return at < len(places) and int(places[at]) == place
