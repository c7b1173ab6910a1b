"""Room in memory: never more than there is, first come first served, over when it is closed."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from moderation.media.room import Room, RoomClosed


def test_many_threads_never_hold_more_than_there_is() -> None:
    room, lock = Room(1000), threading.Lock()
    held = most = 0

    def work(count: int) -> None:
        nonlocal held, most
        room.take(count)
        with lock:
            held += count
            most = max(most, held)
        with lock:
            held -= count
        room.give(count)

    counts = [random.Random(5).choice((1, 10, 400, 1000)) for _ in range(2000)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, counts))
    assert 0 < most <= 1000
    assert room.most <= 1000
    assert room.take_now(1000)  # all of it is back


def test_small_ones_do_not_pass_a_large_one() -> None:
    room = Room(100)
    room.take(60)
    with ThreadPoolExecutor(1) as pool:
        large = pool.submit(room.take, 80)
        while not room._queue:
            pass
        assert not room.take_now(10)
        room.give(60)
        large.result(10)
    assert room.take_now(20)
    assert not room.take_now(1)


def test_more_than_all_is_refused_and_a_closed_room_sends_everybody_away() -> None:
    room = Room(100)
    with pytest.raises(ValueError, match="more than all"):
        room.take(101)
    room.take(100)
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(room.take, 1)
        while not room._queue:
            pass
        others = pool.submit(room.wait)
        room.close()
        with pytest.raises(RoomClosed):
            waiting.result(10)
        assert not others.result(10)
