"""How many bytes of pictures may be in memory: taken before they are read, given back after.

Whoever needs more than is free waits, first come first served, so that a large picture is not
passed by small ones for ever.
"""

import threading
from collections import deque


class RoomClosed(Exception):
    """The work was stopped while somebody waited for room."""


class Room:
    """``size`` bytes, shared by many threads. Nobody may take more than all of it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.most = 0  # that was ever taken at once
        self._taken = 0
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def take_now(self, count: int) -> bool:
        """Take ``count`` bytes if that needs no waiting."""
        with self._changed:
            if self._queue or self._taken + count > self.size:
                return False
            self._take(count)
            return True

    def take(self, count: int) -> None:
        """Take ``count`` bytes as soon as they are free; RoomClosed when that is over."""
        if count > self.size:
            raise ValueError("more than all room there is")
        turn = object()
        with self._changed:
            self._queue.append(turn)
            self._changed.wait_for(
                lambda: (
                    self._closed or (self._queue[0] is turn and self._taken + count <= self.size)
                )
            )
            self._queue.remove(turn)
            self._changed.notify_all()
            if self._closed:
                raise RoomClosed
            self._take(count)

    def wait(self) -> bool:
        """Return when nobody waits for room; False when that is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._queue)
            return not self._closed

    def give(self, count: int) -> None:
        """Give back what was taken and is not needed any more."""
        with self._changed:
            self._taken -= count
            if self._queue:
                self._changed.notify_all()

    def close(self) -> None:
        """Send away everybody who waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self, count: int) -> None:
        self._taken += count
        self.most = max(self.most, self._taken)
