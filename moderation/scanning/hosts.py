"""Which link may be asked for next: few at a time of one host, and none of a host that asked for a
pause or does not answer any more.

For one shard in one worker process; other processes count for themselves. A link belongs to the
host it names, wherever that redirects to.
"""

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from moderation.media.fetch import FetchFailed

BUSY = frozenset((429, 503))  # statuses that ask for a pause
SILENT = frozenset(("connection", "timeout", "tls"))  # no answer: of the host, not of one link
LEFT_ALONE = "host_left_alone"
TRIES = 3  # of one link that its host was too busy for
FIRST_PAUSE = 1.0  # seconds, where the host does not say; twice as long each time
MOST_PAUSES = 8  # one after the other without any other answer
MOST_SILENCES = 5


@dataclass
class Host:
    """What is known of a host, and its links that wait."""

    name: str
    limit: int
    links: "deque[Link]" = field(default_factory=deque)
    asked: int = 0  # links under way
    pauses: int = 0  # since it last answered
    silences: int = 0
    resumes: float = 0.0
    left_alone: bool = False
    listed: bool = False  # among those that may be asked


@dataclass
class Link:
    """One entry's link. ``number`` is the caller's own."""

    url: str
    number: int
    host: Host
    tries: int = 0
    failed: FetchFailed | None = None  # what its host answered last

    @property
    def unasked(self) -> FetchFailed | None:
        """Why this link is not asked for (again), or None."""
        if not self.host.left_alone:
            return None
        return self.failed or FetchFailed(LEFT_ALONE)


class Hosts:
    """The links that wait, shared by the threads that fetch them: ``at_once`` of a host under way
    at most, and ``longest_pause`` seconds that are waited when a host asks for a pause."""

    def __init__(
        self,
        *,
        at_once: int,
        longest_pause: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at_once = at_once
        self._longest_pause = longest_pause
        self._clock = clock
        self._hosts: dict[str, Host] = {}
        self._open: deque[Host] = deque()  # with links, and free to be asked
        self._paused: list[tuple[float, int, Host]] = []
        self._order = itertools.count()
        self._waiting = 0
        self._idle = 0  # threads that find nothing to ask for
        self._changed = threading.Condition()
        self._closed = False

    def add(self, url: str, number: int) -> None:
        """Let a link wait for its turn."""
        name = host_of(url)
        with self._changed:
            host = self._hosts.get(name)
            if host is None:
                host = self._hosts[name] = Host(name, self._at_once)
            host.links.append(Link(url, number, host))
            self._waiting += 1
            self._list(host)

    def take(self) -> Link | None:
        """Return the next link, as soon as one may be asked for; None when all is over.

        Each is to be handed back to `answered` or `failed`, unless it is ``unasked``.
        """
        with self._changed:
            while not self._closed:
                self._resume()
                if self._open:
                    return self._next()
                pause = self._paused[0][0] - self._clock() if self._paused else None
                self._idle += 1
                self._changed.wait(pause)
                self._idle -= 1
            return None

    def answered(self, link: Link) -> None:
        """Note that the host gave what was asked for."""
        with self._changed:
            self._is_well(link.host)
            self._done(link.host)

    def failed(self, link: Link, failure: FetchFailed) -> bool:
        """Note a failure; False when the link waits for another try, True when this is its end."""
        host, link.failed = link.host, failure
        with self._changed:
            if failure.http_status in BUSY:
                link.tries += 1
                self._pause(host, failure.retry_after)
                if link.tries < TRIES and not host.left_alone:
                    host.links.append(link)
                    self._waiting += 1
                    self._done(host)
                    return False
            elif failure.reason in SILENT:
                host.silences += 1
                host.left_alone |= host.silences >= MOST_SILENCES
            elif failure.http_status is not None:
                self._is_well(host)
            self._done(host)
            return True

    def close(self) -> None:
        """Send away everybody who waits for a link."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def held(self) -> int:
        """How many links wait for their hosts, and not for us."""
        with self._changed:
            if self._idle and not self._open:
                return self._waiting
            now = self._clock()
            paused = {id(host): host for _, _, host in self._paused if host.resumes > now}
            return sum(len(host.links) for host in paused.values() if not host.left_alone)

    def _next(self) -> Link:
        host = self._open.popleft()
        host.listed = False
        link = host.links.popleft()
        self._waiting -= 1
        if not host.left_alone:
            host.asked += 1
        self._list(host)
        return link

    def _list(self, host: Host) -> None:
        """Put a host among those that may be asked, if it may."""
        free = host.left_alone or (host.asked < host.limit and host.resumes <= self._clock())
        if host.links and free and not host.listed:
            host.listed = True
            self._open.append(host)
            self._changed.notify()

    def _done(self, host: Host) -> None:
        host.asked -= 1
        self._list(host)
        known = host.pauses or host.silences or host.left_alone or host.resumes > self._clock()
        if not (host.links or host.asked or known):
            self._hosts.pop(host.name, None)  # a shard has very many

    def _is_well(self, host: Host) -> None:
        host.pauses = host.silences = 0
        host.limit = self._at_once

    def _pause(self, host: Host, asked_for: float | None) -> None:
        """Leave a host in peace for a while; for good, when it asks for longer than we wait."""
        now = self._clock()
        if host.resumes <= now:  # what was under way when it paused tells nothing new
            host.pauses += 1
        if asked_for is None:
            seconds = min(FIRST_PAUSE * 2.0 ** (host.pauses - 1), self._longest_pause)
        else:
            seconds = asked_for
        host.left_alone |= seconds > self._longest_pause or host.pauses > MOST_PAUSES
        host.resumes = max(host.resumes, now + seconds)
        host.limit = 1  # one link tries it out
        if host.listed and not host.left_alone:
            self._open.remove(host)
            host.listed = False
        heapq.heappush(self._paused, (host.resumes, next(self._order), host))
        self._changed.notify()

    def _resume(self) -> None:
        now = self._clock()
        while self._paused and self._paused[0][0] <= now:
            self._list(heapq.heappop(self._paused)[2])


def host_of(url: str) -> str:
    """Return what tells the hosts of links apart: host and port as they are written."""
    return url.partition("//")[2].partition("/")[0].rpartition("@")[2].lower()
