"""A hard end for a network exchange: at its deadline the connection is shut under the reader.

Timeouts of sockets count from the last byte, so a peer that sends a byte a second keeps a reader
for as long as it likes: in the TLS handshake, in the headers, in the body. Here one thread watches
all exchanges of a fetcher and shuts the connections of those whose time is over; the reader then
sees the end of the stream and asks ``Exchange.over`` why.
"""

import contextlib
import heapq
import itertools
import math
import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType

_GRAIN = 0.05  # seconds by which an end may come late


class Exchange:
    """One download: its deadline on the monotonic clock and the connections it uses."""

    def __init__(self, watch: "Watch", deadline: float) -> None:
        self.deadline = deadline
        self._watch = watch
        self._guards: list[socket.socket] = []
        self._lock = threading.Lock()
        self._shut = False
        self._done = False

    @property
    def over(self) -> bool:
        """Return whether the time was over before the exchange was done."""
        return self._shut or time.monotonic() >= self.deadline

    def remaining(self) -> float:
        """Return the seconds that are left, at least a thousandth."""
        return max(0.001, self.deadline - time.monotonic())

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Stop its clock for the block, in which the peer waits for us."""
        left = self.remaining()
        self.deadline = math.inf
        try:
            yield
        finally:
            self.deadline = time.monotonic() + left
            self._watch.again(self)

    def use(self, guard: socket.socket) -> None:
        """Shut the connection of this descriptor too when the time is over."""
        with self._lock:
            self._guards.append(guard)
            if self._shut:
                _shut(guard)

    def leave(self) -> None:
        """Let go of the connections, which from here on are another's, or closed."""
        with self._lock:
            self._guards.clear()

    def shut(self) -> None:
        """End the exchange now; whoever waits for a byte sees the end of the stream."""
        with self._lock:
            if self._done:
                return
            self._shut = True
            for guard in self._guards:
                _shut(guard)

    def finish(self) -> None:
        """Let go of the connections; the deadline has no effect any more."""
        with self._lock:
            self._done = True
            self._guards.clear()


class Watch:
    """The thread that ends exchanges; started with the first one, stopped by ``close``."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Exchange]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def exchange(self, seconds: float) -> "Running":
        """Return a context manager for an exchange that may take ``seconds``."""
        exchange = Exchange(self, time.monotonic() + seconds)
        with self._changed:
            if self._closed:
                raise RuntimeError("the fetcher is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            self._add(exchange)
        return Running(exchange)

    def again(self, exchange: Exchange) -> None:
        """Watch an exchange whose deadline was moved."""
        with self._changed:
            if not self._closed:
                self._add(exchange)
                return
        exchange.shut()

    def _add(self, exchange: Exchange) -> None:
        first = not self._due or exchange.deadline < self._due[0][0]
        heapq.heappush(self._due, (exchange.deadline, next(self._order), exchange))
        if first:
            self._changed.notify()

    def close(self) -> None:
        """Stop the thread; exchanges that still run are ended."""
        with self._changed:
            self._closed = True
            left = [exchange for _, _, exchange in self._due]
            self._due.clear()
            self._changed.notify()
        for exchange in left:
            exchange.shut()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._due or self._due[0][0] > time.monotonic()):
                    wait = None
                    if self._due:  # not for each by itself: most are done long before
                        wait = max(_GRAIN, self._due[0][0] - time.monotonic())
                    self._changed.wait(wait)
                if self._closed:
                    return
                _, _, exchange = heapq.heappop(self._due)
            if exchange.deadline <= time.monotonic():  # else it is held, or due later
                exchange.shut()


class Running:
    """The context of one exchange: finished when the block is left."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __enter__(self) -> Exchange:
        return self._exchange

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exchange.finish()


def _shut(guard: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the peer was faster, there is nothing left to shut
        guard.shutdown(socket.SHUT_RDWR)
