"""The compiled loop that asks whether a hash may be near of which some bits are in doubt.

The layouts stand in bands.py. A bit in doubt counts in no distance. So a band has two kinds of
bits: those in doubt take all their values, the others up to the band's radius of flips; each such
value is a bucket to open. How many bits of a band are in doubt differs from hash to hash, so each
has radii of its own, which cost it the fewest buckets.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from moderation.matching.compiled import (
    TOGETHER,
    compiled,
    popcount,
    prefetch,
    read_only,
    some_near_64,
    some_near_128,
    types,
)
from moderation.matching.kernels import BUCKETS, BUCKETS_AHEAD, CORRUPT, FAR_FROM

MOST_BUCKETS = 1 << 13  # opened for one hash; ten of a picture take as long as its full decode
MOST_FLIPS = 3  # of a band, as in bands.MASKS
BAND_BITS = 16
ROOM = 1 << 20  # buckets of one band that are put in order at once, 16 MiB
SORT_FROM = 1 << 10  # buckets; below, ordering them costs more than it saves
ROUGHLY = 4  # bits: buckets whose numbers differ in these alone lie in one page of memory
FULLY_FROM = BUCKETS  # buckets; from here on most are opened by several queries
CANDIDATES = 256  # known hashes near in the first half that are looked up together

_WORDS = read_only(types.uint64, 2)
_NUMBERS = types.Array(types.int64, 1, "C")
_MASKS = read_only(types.uint16, 1)
_PLACES = read_only(types.uint32, 1)
_REACH = read_only(types.int64, 1)
_PAIRS = types.Array(types.int64, 2, "C")
_MARKS = types.Array(types.boolean, 1, "C")
_NEAR = types.int64(
    _WORDS,  # words
    read_only(types.uint32, 2),  # starts
    read_only(types.uint32, 2),  # order
    read_only(types.uint64, 3),  # copies
    _WORDS,  # queries
    _WORDS,  # doubts
    _REACH,
    _MASKS,
    read_only(types.int64, 1),  # flips: how many of the masks have so many bits or fewer
    types.int64,  # first
    types.int64,  # room: buckets of one band at once
    _MARKS,  # out
)


@compiled(types.int64(_NUMBERS, types.int64, _NUMBERS))
def _share_out(doubtful: Any, reach: int, radii: Any) -> Any:
    """Fill ``radii`` at the price of the fewest buckets, -1 for a band that is not needed; return
    how many buckets those are, more than MOST_BUCKETS where there is no way.

    ``doubtful``: how many bits of each band are. All radii, one more each, sum up to one more than
    ``reach``: so a hash within it differs by at most its radius from the query in some band.
    """
    radii[:] = -1
    price = np.empty(radii.size, np.int64)  # of one bit more in each band
    for band in range(radii.size):
        price[band] = np.int64(1) << doubtful[band]
    total = np.int64(0)
    for _ in range(reach + 1):
        cheapest = np.argmin(price)
        total += price[cheapest]
        if total > MOST_BUCKETS:
            return total
        radii[cheapest] += 1
        bits, sure = radii[cheapest] + 1, BAND_BITS - doubtful[cheapest]
        if bits > min(MOST_FLIPS, sure):
            price[cheapest] = MOST_BUCKETS + 1
        else:
            ways: Any = 1  # to choose so many of the sure bits
            for bit in range(bits):
                ways = ways * (sure - bit) // (bit + 1)
            price[cheapest] = ways << doubtful[cheapest]
    return total


@compiled(types.int64(*[types.int64] * 4, _MASKS, _NUMBERS, types.int64))
def _write_buckets(
    i: Any, key: Any, doubt: Any, flips: int, masks: Any, opened: Any, at: Any
) -> Any:
    """Write the buckets around ``key``, for query ``i``, from ``at`` on; return where they end."""
    for flip in range(flips):
        mask = np.int64(masks[flip])
        if mask & doubt:
            continue
        value = doubt  # all its bits set, then each choice of them in turn
        while True:
            opened[at] = ((key ^ mask ^ value) << 32) | i
            at += 1
            if value == 0:
                break
            value = (value - 1) & doubt
    return at


@compiled(types.void(_NUMBERS, types.int64, _NUMBERS))
def _put_in_order(opened: Any, count: int, ordered: Any) -> None:
    """Write the ``count`` buckets of ``opened`` to ``ordered``, those of one bucket side by side if
    they are many, else roughly so."""
    shift = 32 + (0 if count >= FULLY_FROM else ROUGHLY)
    place = np.zeros((BUCKETS >> (shift - 32)) + 1, np.int64)
    for at in range(count):
        place[(opened[at] >> shift) + 1] += 1
    for group in range(place.size - 1):
        place[group + 1] += place[group]
    for at in range(count):
        group = opened[at] >> shift
        ordered[place[group]] = opened[at]
        place[group] += 1


@compiled(types.boolean(*[_WORDS] * 3, _REACH, _PLACES, _PAIRS, types.int64, _MARKS))
def _settle(
    words: Any, queries: Any, doubts: Any, reach: Any, order: Any, candidates: Any, n: int, out: Any
) -> bool:
    """Set ``out`` of those of ``n`` candidates, place in the band and query, that are near; return
    False where one lies outside the table. Memory is far away: all are asked for, then read."""
    for c in range(n):
        prefetch(order, candidates[c, 0])
    for c in range(n):
        known = np.int64(order[candidates[c, 0]])
        if known >= words.shape[0]:
            return False
        candidates[c, 0] = known
        prefetch(words, known * words.shape[1])
    for c in range(n):
        known, i = candidates[c, 0], candidates[c, 1]
        distance = np.int64(0)
        for word in range(words.shape[1]):
            apart = (words[known, word] ^ queries[i, word]) & ~doubts[i, word]
            distance += np.int64(popcount(apart))
        if distance <= reach[i]:
            out[i] = True
    return True


def _loop(width: int) -> Callable[..., int]:
    """Return the loop for hashes of ``width`` 64-bit words, 4 or 1, as kernels._loops does."""
    bands = width * 4
    wide = width == 4
    halves = np.uint64(2 if wide else 1)
    per_line = 4 if wide else 8
    together = np.uint64(TOGETHER)

    def may_be_near(
        words: Any,
        starts: Any,
        order: Any,
        copies: Any,
        queries: Any,
        doubts: Any,
        reach: Any,
        masks: Any,
        flips: Any,
        first: int,
        room: int,
        out: Any,
    ) -> int:
        """Set ``out`` of each query, from the first on, that a known hash may be near, or that
        needs too many buckets. Return the next query where there is no room for more, else n.

        All buckets that many queries open in a band are taken in their order: so memory is read
        from front to back, and a bucket that several open is read once.
        """
        n, m = queries.shape[0], words.shape[0]
        radii = np.empty((n, bands), np.int64)
        counts = np.zeros(bands, np.int64)
        doubtful = np.empty(bands, np.int64)
        last, most = first, np.int64(0)
        while last < n and (last == first or most < room):
            for band in range(bands):
                doubt = (doubts[last, band >> 2] >> np.uint64((band & 3) * 16)) & np.uint64(0xFFFF)
                doubtful[band] = np.int64(popcount(doubt))
            out[last] = _share_out(doubtful, reach[last], radii[last]) > MOST_BUCKETS
            if not out[last]:
                for band in range(bands):
                    if radii[last, band] >= 0:
                        counts[band] += np.int64(flips[radii[last, band]]) << doubtful[band]
                most = counts.max()
            last += 1
        opened, ordered = np.empty(most, np.int64), np.empty(most, np.int64)
        asked = np.zeros((n, 8), np.uint64)  # half a query, its sure bits, its reach: one line
        candidates = np.empty((CANDIDATES, 2), np.int64)
        for band in range(bands):
            word, shift = band >> 2, np.uint64((band & 3) * 16)
            far = 2 if wide and band < 8 else 0
            count: Any = 0
            for i in range(first, last):
                if out[i] or radii[i, band] < 0:
                    continue
                key = np.int64((queries[i, word] >> shift) & np.uint64(0xFFFF))
                doubt = np.int64((doubts[i, word] >> shift) & np.uint64(0xFFFF))
                count = _write_buckets(i, key, doubt, flips[radii[i, band]], masks, opened, count)
                asked[i, 0], asked[i, 2] = queries[i, far], ~doubts[i, far]
                if wide:
                    asked[i, 1], asked[i, 3] = queries[i, far + 1], ~doubts[i, far + 1]
                asked[i, 4] = np.uint64(reach[i])
            if count >= SORT_FROM:
                _put_in_order(opened, count, ordered)
                opened, ordered = ordered, opened
            run = copies[band].reshape(-1)
            scattered = m >= FAR_FROM and count < FULLY_FROM  # else the processor reads ahead
            waiting = 0
            at: Any = 0
            while at < count:
                bucket = opened[at] >> 32
                begin, end = np.uint64(starts[band, bucket]), np.uint64(starts[band, bucket + 1])
                # So many together that a few before the bucket come along.
                blocks = (end - begin + together - np.uint64(1)) // together
                start = end - min(blocks * together, end)
                inside = start + blocks * together <= np.uint64(m)
                while at < count and opened[at] >> 32 == bucket:
                    i = opened[at] & 0xFFFFFFFF
                    if scattered and at + BUCKETS_AHEAD < count:
                        ahead = opened[at + BUCKETS_AHEAD] >> 32
                        until = np.int64(starts[band, ahead + 1])
                        for j in range(np.int64(starts[band, ahead]), until, per_line):
                            prefetch(run, j * np.int64(halves))
                    at += 1
                    query, sure = (asked[i, 0], asked[i, 1]), (asked[i, 2], asked[i, 3])
                    limit = asked[i, 4]
                    some = True
                    if inside and wide:
                        some = some_near_128(run, start * halves, blocks, query, sure, limit)
                    elif inside:
                        some = some_near_64(run, start * halves, blocks, query, sure, limit)
                    if not some:
                        continue
                    for j in range(begin, end):
                        distance = popcount((run[j * halves] ^ query[0]) & sure[0])
                        if wide:
                            other = run[j * halves + np.uint64(1)] ^ query[1]
                            distance += popcount(other & sure[1])
                        if distance > limit:
                            continue
                        candidates[waiting, 0], candidates[waiting, 1] = np.int64(j), i
                        waiting += 1
                        if waiting == CANDIDATES:
                            if not _settle(
                                *(words, queries, doubts, reach, order[band]),
                                *(candidates, waiting, out),
                            ):
                                return CORRUPT
                            waiting = 0
            if not _settle(words, queries, doubts, reach, order[band], candidates, waiting, out):
                return CORRUPT
        return last

    return compiled(_NEAR)(may_be_near)


may_be_near_256 = _loop(4)
may_be_near_64 = _loop(1)
