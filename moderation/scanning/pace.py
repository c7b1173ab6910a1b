"""How many rows a worker did in the last minute."""

import time
from collections import deque
from collections.abc import Callable

SECONDS = 60.0
GRAIN = 1.0  # seconds between two notes


class Pace:
    """Notes of how far the work was, as old as a minute."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._notes: deque[tuple[float, int]] = deque([(clock(), 0)])

    def recent(self, rows: int) -> int:
        """Note that ``rows`` are done by now, and return how many of them in the last minute."""
        now = self._clock()
        while len(self._notes) > 1 and self._notes[1][0] <= now - SECONDS:
            self._notes.popleft()
        at, before = self._notes[0]
        if now - self._notes[-1][0] >= GRAIN:
            self._notes.append((now, rows))
        spent = now - at
        # The oldest note may be a little older than the minute.
        return rows - before if spent <= SECONDS else round((rows - before) * SECONDS / spent)
