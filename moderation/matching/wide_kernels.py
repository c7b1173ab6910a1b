"""The compiled loops of wide bands. The layout and the reasons for it stand in wide.py."""

from typing import Any

import numpy as np

from moderation.matching.compiled import (
    LANES,
    compiled,
    lowest,
    near_lanes,
    popcount,
    prefetch,
    read_only,
    types,
)
from moderation.matching.kernels import CORRUPT

BANDS = 11
PARTS = 3  # of a band, of eight bits, the last of a band of 23 bits of seven
VALUES = 256  # of a part
LONG = 3  # bands of 24 bits; the others have 23
RADIUS = 2
TOGETHER = 256  # runs of near hashes that are compared at once
AHEAD = 24  # queries whose bits are asked for before they are needed

_WORDS = read_only(types.uint64, 2)
_BUILD = types.void(
    _WORDS,
    types.Array(types.uint64, 2, "C"),
    types.Array(types.uint32, 3, "C"),
    types.Array(types.uint16, 1, "C"),
    types.Array(types.uint32, 1, "C"),
)
_JOIN = types.UniTuple(types.int64, 3)(
    _WORDS,  # words
    read_only(types.uint64, 2),  # seen
    read_only(types.uint32, 3),  # starts
    read_only(types.uint16, 1),  # rests
    read_only(types.uint32, 1),  # order
    _WORDS,  # queries
    types.int64,  # threshold
    types.int64,  # first_band
    types.int64,  # first_place
    types.Array(types.int64, 1, "C"),  # out_query
    types.Array(types.int64, 1, "C"),  # out_known
    types.Array(types.int16, 1, "C"),  # out_distance
)


@compiled(types.void(_WORDS, types.int64, types.Array(types.uint32, 1, "C")))
def _keys(words: Any, band: int, out: Any) -> None:
    """Write the bits that every hash has in a band."""
    first = band * 23 + min(band, LONG)
    word, shift = np.uint64(first >> 6), np.uint64(first & 63)
    after = min(word + np.uint64(1), np.uint64(3))  # a band may reach into the next word
    left = np.uint64(63) - shift
    mask = np.uint64(0xFFFFFF if band < LONG else 0x7FFFFF)
    for i in range(words.shape[0]):
        key = (words[i, word] >> shift) | ((words[i, after] << np.uint64(1)) << left)
        out[i] = np.uint32(key & mask)


@compiled(types.uint16(types.uint32, types.int64))
def _rest(key: Any, part: int) -> Any:
    """Return a band without one of its parts."""
    low = np.uint32(8 * part)
    below = key & ((np.uint32(1) << low) - np.uint32(1))
    return np.uint16(below | ((key >> np.uint32(8) >> low) << low))


@compiled(types.uint64(types.uint32, types.int64))
def _value(key: Any, part: int) -> Any:
    """Return one part of a band."""
    return np.uint64((key >> np.uint32(8 * part)) & np.uint32(0xFF))


@compiled(types.void(types.Array(types.uint64, 2, "C"), types.int64, types.uint32))
def _mark(seen: Any, band: int, at: Any) -> None:
    """Set one bit of a band."""
    seen[band, at >> np.uint32(6)] |= np.uint64(1) << np.uint64(at & np.uint32(63))


@compiled(_BUILD)
def build(words: Any, seen: Any, starts: Any, rests: Any, order: Any) -> None:
    """Fill all of them; ``seen`` is zero before."""
    m = words.shape[0]
    fold = np.uint32(seen.shape[1] * 64 - 1)
    keys = np.empty(m, np.uint32)
    place = np.empty(VALUES + 1, np.int64)
    for band in range(BANDS):
        _keys(words, band, keys)
        for part in range(PARTS):
            place[:] = 0
            for i in range(m):
                place[_value(keys[i], part) + np.uint64(1)] += 1
            for value in range(VALUES):
                place[value + 1] += place[value]
            for value in range(VALUES + 1):
                starts[band, part, value] = place[value]
            base = (band * PARTS + part) * m
            for i in range(m):
                value = _value(keys[i], part)
                rests[base + place[value]] = _rest(keys[i], part)
                order[base + place[value]] = i
                place[value] += 1
        for i in range(m):
            for one in range(24 if band < LONG else 23):
                first = keys[i] ^ (np.uint32(1) << np.uint32(one))
                _mark(seen, band, first & fold)
                for other in range(one + 1):  # the same bit once more: none is turned over
                    _mark(seen, band, (first ^ (np.uint32(1) << np.uint32(other))) & fold)


@compiled(types.boolean(_WORDS, types.uint32, _WORDS, types.int64, types.int64, types.int64))
def _seen_before(words: Any, k: Any, queries: Any, i: int, band: int, part: int) -> bool:
    """Say whether an earlier band, or an earlier part of this one, reports the pair."""
    key = np.empty(1, np.uint32)
    other = np.empty(1, np.uint32)
    for earlier in range(band + 1):
        _keys(words[k : k + 1], earlier, key)
        _keys(queries[i : i + 1], earlier, other)
        apart = key[0] ^ other[0]
        if earlier < band:
            if np.int64(popcount(np.uint64(apart))) <= RADIUS:
                return True
        else:
            for before in range(part):
                if _value(apart, before) == 0:
                    return True
    return False


@compiled(_JOIN)
def join(
    words: Any,
    seen: Any,
    starts: Any,
    rests: Any,
    order: Any,
    queries: Any,
    threshold: int,
    first_band: int,
    first_place: int,
    out_query: Any,
    out_known: Any,
    out_distance: Any,
) -> tuple[int, int, int]:
    """Write pairs until done or the next query does not fit; return (band, place, pairs).

    As the join of kernels.py: ``band`` equal to BANDS means done, else call again from there.
    """
    n, m, room = queries.shape[0], words.shape[0], out_query.shape[0]
    fold = np.uint32(seen.shape[1] * 64 - 1)
    pairs = 0
    keys = np.empty(n, np.uint32)
    waiting = np.empty(n, np.int64)
    runs = TOGETHER + PARTS * (m // LANES + 2)
    of_turn, of_part = np.empty(runs, np.int64), np.empty(runs, np.int64)
    of_first, masks = np.empty(runs, np.int64), np.empty(runs, np.uint64)
    of_run = np.empty(TOGETHER * LANES + PARTS * m, np.int64)
    known = np.empty(TOGETHER * LANES + PARTS * m, np.uint32)
    for band in range(first_band, BANDS):
        _keys(queries, band, keys)
        bits, count = seen[band], 0
        for i in range(n):  # without a branch to guess
            if i + AHEAD < n:
                prefetch(bits, np.uint64((keys[i + AHEAD] & fold) >> np.uint32(6)))
            at = np.uint64(keys[i] & fold)
            waiting[count] = i
            mark = np.uint64(1) << (at & np.uint64(63))
            count += int(bits[at >> np.uint64(6)] & mark != 0)
        turn = first_place if band == first_band else 0
        while turn < count:
            # Nothing below waits for the memory of one query: each step asks for what the next
            # one needs, of many queries, and branches on what was found as late as can be.
            found = 0
            while turn < count and found < TOGETHER:
                key = keys[waiting[turn]]
                for part in range(PARTS):
                    value, rest = _value(key, part), _rest(key, part)
                    base = (band * PARTS + part) * m
                    first = base + int(starts[band, part, value])
                    end = base + int(starts[band, part, value + np.uint64(1)])
                    while first < end:
                        near = near_lanes(rests, first, rest)
                        if first + LANES > end:
                            near &= (np.uint64(1) << np.uint64(end - first)) - np.uint64(1)
                        of_turn[found], of_part[found], of_first[found] = turn, part, first
                        masks[found] = near
                        found += int(near != 0)
                        first += LANES
                turn += 1
            candidates = 0
            for run in range(found):
                near = masks[run]
                while near:
                    k = order[np.uint64(of_first[run]) + lowest(near)]
                    near &= near - np.uint64(1)
                    if k >= m:
                        return band, turn, CORRUPT
                    prefetch(words, np.uint64(k) * np.uint64(4))
                    of_run[candidates], known[candidates] = run, k
                    candidates += 1
            before, last = pairs, -1
            for candidate in range(candidates):
                run, k = of_run[candidate], known[candidate]
                if of_turn[run] != last:
                    before, last = pairs, of_turn[run]
                i = waiting[last]
                distance = popcount(words[k, 0] ^ queries[i, 0])
                distance += popcount(words[k, 1] ^ queries[i, 1])
                distance += popcount(words[k, 2] ^ queries[i, 2])
                distance += popcount(words[k, 3] ^ queries[i, 3])
                if distance > threshold:
                    continue
                if _seen_before(words, k, queries, i, band, of_part[run]):
                    continue
                if pairs == room:
                    return band, last, before
                out_query[pairs] = i
                out_known[pairs] = k
                out_distance[pairs] = distance
                pairs += 1
    return BANDS, 0, pairs
