"""The compiled loops of the Hamming join. Layouts and the reasons for them stand in bands.py."""

from collections.abc import Callable
from typing import Any

import numpy as np

from moderation.matching.compiled import compiled, popcount, read_only, types

BUCKETS = 65_536  # values of one band of 16 bits
SORT_FROM = 512  # queries; below, ordering them costs more than the better locality saves

_WORDS = read_only(types.uint64, 2)
_BUILD = types.void(
    _WORDS,
    types.Array(types.uint32, 2, "C"),
    types.Array(types.uint32, 2, "C"),
    types.Array(types.uint64, 3, "C"),
)
_JOIN = types.UniTuple(types.int64, 3)(
    _WORDS,  # words
    read_only(types.uint32, 2),  # starts
    read_only(types.uint32, 2),  # order
    read_only(types.uint64, 3),  # copies
    _WORDS,  # queries
    read_only(types.int64, 1),  # radii
    read_only(types.uint16, 1),  # masks
    read_only(types.int64, 1),  # reach
    types.int64,  # threshold
    types.int64,  # first_band
    types.int64,  # first_place
    types.Array(types.int64, 1, "C"),  # out_query
    types.Array(types.int64, 1, "C"),  # out_known
    types.Array(types.int16, 1, "C"),  # out_distance
)

CORRUPT = -1  # in place of a number of pairs: the table points outside itself


def _loops(width: int) -> tuple[Callable[..., None], Callable[..., tuple[int, int, int]]]:
    """Return (build, join) for hashes of ``width`` 64-bit words, 4 or 1.

    Both come from one text; numba folds ``width`` and drops the branches of the other width.
    """
    bands = width * 4
    wide = width == 4

    def build(words: Any, starts: Any, order: Any, copies: Any) -> None:
        """Fill starts, order and copies: one stable counting sort per band."""
        m = words.shape[0]
        for band in range(bands):
            word, shift = band >> 2, np.uint64((band & 3) * 16)
            far = 2 if wide and band < 8 else 0
            place = np.zeros(BUCKETS + 1, np.int64)
            for i in range(m):
                place[np.int64((words[i, word] >> shift) & np.uint64(0xFFFF)) + 1] += 1
            for bucket in range(BUCKETS):
                place[bucket + 1] += place[bucket]
            for bucket in range(BUCKETS + 1):
                starts[band, bucket] = place[bucket]
            for i in range(m):
                key = np.int64((words[i, word] >> shift) & np.uint64(0xFFFF))
                j = place[key]
                place[key] = j + 1
                order[band, j] = i
                copies[band, j, 0] = words[i, far]
                if wide:
                    copies[band, j, 1] = words[i, far + 1]

    def join(
        words: Any,
        starts: Any,
        order: Any,
        copies: Any,
        queries: Any,
        radii: Any,
        masks: Any,
        reach: Any,
        threshold: int,
        first_band: int,
        first_place: int,
        out_query: Any,
        out_known: Any,
        out_distance: Any,
    ) -> tuple[int, int, int]:
        """Write pairs until done or the next query does not fit; return (band, place, pairs).

        ``band`` equal to the number of bands means done. Else the caller takes the pairs away,
        or brings longer arrays if there are none, and calls again with that band and place.
        """
        n, m, room = queries.shape[0], words.shape[0], out_query.shape[0]
        pairs = 0
        turn = np.empty(n, np.int64)  # the queries in the order of the band
        place = np.empty(BUCKETS + 1 if n >= SORT_FROM else 0, np.int64)
        for band in range(first_band, bands):
            if radii[band] < 0:
                continue
            word, shift = band >> 2, np.uint64((band & 3) * 16)
            far = 2 if wide and band < 8 else 0
            near = 2 - far
            if n >= SORT_FROM:
                place[:] = 0
                for i in range(n):
                    place[np.int64((queries[i, word] >> shift) & np.uint64(0xFFFF)) + 1] += 1
                for bucket in range(BUCKETS):
                    place[bucket + 1] += place[bucket]
                for i in range(n):
                    key = np.int64((queries[i, word] >> shift) & np.uint64(0xFFFF))
                    turn[place[key]] = i
                    place[key] += 1
            else:
                for i in range(n):
                    turn[i] = i
            for step in range(first_place if band == first_band else 0, n):
                i = turn[step]
                key = np.int64((queries[i, word] >> shift) & np.uint64(0xFFFF))
                query0 = queries[i, far]
                query1 = queries[i, far + 1] if wide else np.uint64(0)
                before = pairs
                for flip in range(reach[radii[band]]):
                    near_key = key ^ np.int64(masks[flip])
                    begin = np.int64(starts[band, near_key])
                    end = np.int64(starts[band, near_key + 1])
                    for j in range(begin, end):
                        distance = np.int64(popcount(copies[band, j, 0] ^ query0))
                        if wide:
                            distance += np.int64(popcount(copies[band, j, 1] ^ query1))
                        if distance > threshold:
                            continue
                        k = np.int64(order[band, j])
                        if k >= m:
                            return band, step, CORRUPT
                        if wide:
                            distance += np.int64(popcount(words[k, near] ^ queries[i, near]))
                            distance += np.int64(
                                popcount(words[k, near + 1] ^ queries[i, near + 1])
                            )
                            if distance > threshold:
                                continue
                        seen = False
                        for earlier in range(band):
                            apart = words[k, earlier >> 2] ^ queries[i, earlier >> 2]
                            apart >>= np.uint64((earlier & 3) * 16)
                            apart &= np.uint64(0xFFFF)
                            if np.int64(popcount(apart)) <= radii[earlier]:
                                seen = True
                                break
                        if seen:
                            continue
                        if pairs == room:
                            return band, step, before
                        out_query[pairs] = i
                        out_known[pairs] = k
                        out_distance[pairs] = distance
                        pairs += 1
        return bands, 0, pairs

    return compiled(_BUILD)(build), compiled(_JOIN)(join)


build_256, join_256 = _loops(4)
build_64, join_64 = _loops(1)
