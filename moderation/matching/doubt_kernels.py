"""The compiled loop that asks whether a hash may be near of which some bits are in doubt.

The layouts stand in bands.py. A bit in doubt counts in no distance. So a band has two kinds of
bits: those in doubt take all their values, the others up to the band's radius of flips; each such
value is a bucket to open. How many bits of a band are in doubt differs from hash to hash, so each
has radii of its own, which cost it the fewest buckets.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from moderation.matching.compiled import compiled, popcount, prefetch, read_only, types
from moderation.matching.kernels import BUCKETS, BUCKETS_AHEAD, CORRUPT, FAR_FROM

MOST_BUCKETS = 1 << 13  # opened for one hash; ten of a picture take as long as its full decode
MOST_FLIPS = 3  # of a band, as in bands.MASKS
BAND_BITS = 16
ROOM = 1 << 20  # buckets of one band that are put in order at once, 16 MiB
SORT_FROM = 1 << 10  # buckets; below, ordering them costs more than it saves
ROUGHLY = 4  # bits: buckets whose numbers differ in these alone lie in one page of memory

_WORDS = read_only(types.uint64, 2)
_NUMBERS = types.Array(types.int64, 1, "C")
_MASKS = read_only(types.uint16, 1)
_NEAR = types.int64(
    _WORDS,  # words
    read_only(types.uint32, 2),  # starts
    read_only(types.uint32, 2),  # order
    read_only(types.uint64, 3),  # copies
    _WORDS,  # queries
    _WORDS,  # doubts
    read_only(types.int64, 1),  # reach
    _MASKS,
    read_only(types.int64, 1),  # flips: how many of the masks have so many bits or fewer
    types.int64,  # first
    types.int64,  # room: buckets of one band at once
    types.Array(types.boolean, 1, "C"),  # out
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


def _loop(width: int) -> Callable[..., int]:
    """Return the loop for hashes of ``width`` 64-bit words, 4 or 1, as kernels._loops does."""
    bands = width * 4
    wide = width == 4
    halves = 2 if wide else 1
    per_line = 8 // halves

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
        far_away = m >= FAR_FROM
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
        opened, in_order = np.empty(most, np.int64), np.empty(most, np.int64)
        place = np.empty((BUCKETS >> ROUGHLY) + 1, np.int64)
        for band in range(bands):
            word, shift = band >> 2, np.uint64((band & 3) * 16)
            far = 2 if wide and band < 8 else 0
            near = 2 - far
            count: Any = 0
            for i in range(first, last):
                if out[i] or radii[i, band] < 0:
                    continue
                key = np.int64((queries[i, word] >> shift) & np.uint64(0xFFFF))
                doubt = np.int64((doubts[i, word] >> shift) & np.uint64(0xFFFF))
                count = _write_buckets(i, key, doubt, flips[radii[i, band]], masks, opened, count)
            if count >= SORT_FROM:
                place[:] = 0
                for at in range(count):
                    place[(opened[at] >> (32 + ROUGHLY)) + 1] += 1
                for group in range(place.size - 1):
                    place[group + 1] += place[group]
                for at in range(count):
                    group = opened[at] >> (32 + ROUGHLY)
                    in_order[place[group]] = opened[at]
                    place[group] += 1
                opened, in_order = in_order, opened
            for at in range(-BUCKETS_AHEAD if far_away else 0, count):
                ahead = at + BUCKETS_AHEAD
                if far_away and ahead < count:
                    bucket = opened[ahead] >> 32
                    end = np.int64(starts[band, bucket + 1])
                    for j in range(np.int64(starts[band, bucket]), end, per_line):
                        prefetch(copies, (band * m + j) * halves)
                if at < 0:
                    continue
                bucket, i = opened[at] >> 32, opened[at] & 0xFFFFFFFF
                query0, sure0 = queries[i, far], ~doubts[i, far]
                query1 = queries[i, far + 1] if wide else np.uint64(0)
                sure1 = ~doubts[i, far + 1] if wide else np.uint64(0)
                limit = reach[i]
                begin = np.int64(starts[band, bucket])
                end = np.int64(starts[band, bucket + 1])
                for j in range(begin, end):
                    distance = np.int64(popcount((copies[band, j, 0] ^ query0) & sure0))
                    if wide:
                        distance += np.int64(popcount((copies[band, j, 1] ^ query1) & sure1))
                    if distance > limit:
                        continue
                    if wide:
                        k = np.int64(order[band, j])
                        if k >= m:
                            return CORRUPT
                        for half in range(near, near + 2):
                            apart = (words[k, half] ^ queries[i, half]) & ~doubts[i, half]
                            distance += np.int64(popcount(apart))
                    if distance <= limit:
                        out[i] = True
        return last

    return compiled(_NEAR)(may_be_near)


may_be_near_256 = _loop(4)
may_be_near_64 = _loop(1)
