"""The compiled loops. Layouts and the reasons for them stand in bands.py and digests.py."""

from collections.abc import Callable
from typing import Any

import numpy as np

from moderation.matching.compiled import (
    compiled,
    first_eight,
    popcount,
    prefetch,
    read_only,
    types,
)

BUCKETS = 65_536  # values of one band of 16 bits
AHEAD = 64  # digests whose memory is asked for before it is needed
BUCKETS_AHEAD = 8  # buckets whose memory is asked for before they are compared
FAR_FROM = 20_000  # known hashes; below, their buckets hold few and mostly lie in the cache
DENSE_FROM = 32  # known hashes for each query; below, queries in band order share the buckets
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
_BYTES = read_only(types.uint8, 2)
_BUILD_DIGESTS = types.void(
    _BYTES, types.Array(types.uint32, 1, "C"), types.Array(types.uint64, 1, "C")
)
_FIND_DIGESTS = types.int64(
    _BYTES,  # values
    read_only(types.uint32, 1),  # starts
    read_only(types.uint64, 1),  # seen
    _BYTES,  # queries
    types.Array(types.int64, 1, "C"),  # out_query
    types.Array(types.int64, 1, "C"),  # out_known
)


def _loops(width: int) -> tuple[Callable[..., None], Callable[..., tuple[int, int, int]]]:
    """Return (build, join) for hashes of ``width`` 64-bit words, 4 or 1.

    Both come from one text; numba folds ``width`` and drops the branches of the other width.
    """
    bands = width * 4
    wide = width == 4
    halves = 2 if wide else 1  # words of a copy
    per_line = 8 // halves  # copies in one line of the processor's cache

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
        far_away = m >= max(FAR_FROM, DENSE_FROM * n)
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
                flips = np.int64(reach[radii[band]])
                for flip in range(-BUCKETS_AHEAD if far_away else 0, flips):
                    ahead = flip + BUCKETS_AHEAD
                    if far_away and ahead < flips:
                        near_key = key ^ np.int64(masks[ahead])
                        end = np.int64(starts[band, near_key + 1])
                        for j in range(np.int64(starts[band, near_key]), end, per_line):
                            prefetch(copies, (band * m + j) * halves)
                    if flip < 0:
                        continue
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


@compiled(types.uint64(_BYTES, types.int64))
def _head(values: Any, i: int) -> Any:
    """Return the first eight bytes of a row as a number that orders as they do."""
    return first_eight(values, i * values.shape[1])


@compiled(types.uint64(types.int64))
def _shift(parts: int) -> Any:
    """Return how far to shift a head to the right to number ``parts`` equal parts, 2**k >= 2."""
    shift = 64
    while parts > 1:
        parts >>= 1
        shift -= 1
    return np.uint64(shift)


@compiled(types.uint64(types.uint64))
def _marks(head: Any) -> Any:
    """Return the three bits that a head sets in its word of ``seen``, told by its last 18 bits."""
    mark = np.uint64(1) << (head & np.uint64(63))
    mark |= np.uint64(1) << ((head >> np.uint64(6)) & np.uint64(63))
    return mark | (np.uint64(1) << ((head >> np.uint64(12)) & np.uint64(63)))


@compiled(_BUILD_DIGESTS)
def build_digests(values: Any, starts: Any, seen: Any) -> None:
    """Fill starts and seen, both zero before, from ascending values."""
    bucket_shift, word_shift = _shift(starts.shape[0] - 1), _shift(seen.shape[0])
    for i in range(values.shape[0]):
        head = _head(values, i)
        starts[np.int64(head >> bucket_shift) + 1] += np.uint32(1)
        seen[head >> word_shift] |= _marks(head)
    for bucket in range(starts.shape[0] - 1):
        starts[bucket + 1] += starts[bucket]


@compiled(_FIND_DIGESTS)
def find_digests(
    values: Any, starts: Any, seen: Any, queries: Any, out_query: Any, out_known: Any
) -> int:
    """Write the known queries in their order, as many as there are queries at most; their count.

    Memory is far away, so nothing here waits for one digest: first every query meets ``seen``,
    without a branch to guess; those that may be known wait in ``out_query``, their buckets are
    asked for, and only then they are searched.
    """
    n, width = queries.shape
    bucket_shift, word_shift = _shift(starts.shape[0] - 1), _shift(seen.shape[0])
    waiting = 0
    for i in range(n):
        if i + AHEAD < n:
            prefetch(seen, np.int64(_head(queries, i + AHEAD) >> word_shift))
        head = _head(queries, i)
        marks = _marks(head)
        out_query[waiting] = i
        waiting += int((seen[head >> word_shift] & marks) == marks)
    for turn in range(waiting):
        prefetch(starts, np.int64(_head(queries, out_query[turn]) >> bucket_shift))
    for turn in range(waiting):
        begin = np.int64(starts[_head(queries, out_query[turn]) >> bucket_shift])
        out_known[turn] = begin
        prefetch(values, begin * width)
    found = 0
    for turn in range(waiting):
        i = out_query[turn]
        low = out_known[turn]
        high = np.int64(starts[np.int64(_head(queries, i) >> bucket_shift) + 1])
        while low < high:
            middle = (low + high) >> 1
            order = np.int64(0)  # below 0: known before the query
            for byte in range(width):
                order = np.int64(values[middle, byte]) - np.int64(queries[i, byte])
                if order != 0:
                    break
            if order == 0:
                out_query[found] = i
                out_known[found] = middle
                found += 1
                break
            if order < 0:
                low = middle + 1
            else:
                high = middle
    return found
