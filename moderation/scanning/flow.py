"""Entries through fetching and hashing: many at once, out again in the order of their rows.

Threads for the network only fetch; others decode, hash and look for known hashes; the caller's
thread reads rows, matches them and writes the ledger. Nobody waits for a batch to be full: what
holds an entry up holds up only itself, until the entries behind it fill the window.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType

from django.conf import settings
from django.utils import timezone

from moderation.datasets.readers import Batch
from moderation.media.fetch import Fetched, Fetcher, FetchFailed
from moderation.media.room import Room, RoomClosed

from . import examining
from .facts import RowFacts, columns_of
from .heartbeat import Heartbeat
from .hosts import Hosts
from .matcher import Matcher

WINDOW_ROWS = 16_384  # entries that may be under way, or done and waiting for an earlier one
LOOKED_UP_AT_ONCE = 512  # pictures at most: many queries share what they read of an index
TICK = 0.2  # seconds after which a stopped scan is noticed
PATIENCE = 2.0  # seconds for threads to end; only the look-up of a name can take longer


@dataclass
class Group:
    """The entries of one batch: all facts, and what is kept of those that may have hit."""

    batch: Batch
    rows: list[RowFacts]
    kept: dict[int, examining.Kept] = field(default_factory=dict)  # by place in the batch
    unlike: set[int] = field(default_factory=set)  # rows that no known hash is near
    left: int = 0

    def to_match(self) -> list[RowFacts]:
        """Those whose own rules must decide: known hashes are near, or nobody looked yet."""
        return [each for each in self.rows if each.row not in self.unlike]

    @property
    def size(self) -> int:
        """The bytes of the pictures that the batch carries."""
        return sum(len(data) for data in self.batch.pictures or () if data)


@dataclass
class Work:
    """One entry under way: its place, and its bytes once they are there."""

    group: Group
    at: int
    data: bytes = b""
    fetched: Fetched | None = None

    @property
    def facts(self) -> RowFacts:
        return self.group.rows[self.at]


class Flow:
    """The threads of one shard, ended with the block; what fails in one of them fails here."""

    def __init__(self, matcher: Matcher, heartbeat: Heartbeat, *, fetch: bool) -> None:
        self._memory = max(settings.PICTURE_MEMORY_BYTES, settings.FETCH_MAX_BYTES)
        self._room = Room(self._memory)
        self._matcher = matcher
        self._heartbeat = heartbeat
        self._limits = examining.limits()
        self._fetcher = examining.fetcher() if fetch else None
        self._hosts = Hosts(
            at_once=max(1, settings.FETCH_PER_HOST), longest_pause=settings.FETCH_LONGEST_PAUSE
        )
        self._asked: dict[int, Work] = {}  # by row
        self._ready: deque[Work] = deque()
        # One lock; those who hash wait for pictures, the caller for batches that are done.
        self._lock = threading.Lock()
        self._given = threading.Condition(self._lock)
        self._finished = threading.Condition(self._lock)
        self._done = 0
        self._stopping = False
        self._error: BaseException | None = None
        self._hashing = max(1, settings.HASH_THREADS)
        self._threads = self._made(self._hash, self._hashing)
        if self._fetcher is not None:
            fetch_on = partial(self._fetch, self._fetcher)
            self._threads += self._made(fetch_on, max(1, settings.FETCH_THREADS))

    def __enter__(self) -> "Flow":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._stopping = True
            self._given.notify_all()
        self._hosts.close()
        self._room.close()
        if self._fetcher is not None:
            self._fetcher.close()
        end = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def through(self, batches: Iterable[tuple[Batch, list[RowFacts]]]) -> Iterator[Group]:
        """Yield the batches in their order, each when all its entries are done."""
        source, under_way = iter(batches), deque[Group]()
        rows = size = 0
        more = True
        while more or under_way:
            while more and (not under_way or (rows < WINDOW_ROWS and size < self._memory)):
                following = next(source, None)
                more = following is not None
                if following is not None:
                    group = Group(*following)
                    self._begin(group)
                    under_way.append(group)
                    rows, size = rows + len(group.rows), size + group.size
                self._beat()
            if under_way:
                group = under_way.popleft()
                self._wait_for(group)
                rows, size = rows - len(group.rows), size - group.size
                yield group

    def _begin(self, group: Group) -> None:
        """Start with every entry that has a picture, or a link that may be fetched."""
        carried, linked = [], []
        for at, (facts, url) in enumerate(zip(group.rows, group.batch.urls, strict=True)):
            if group.batch.pictures is not None and (data := group.batch.pictures[at]):
                carried.append(Work(group, at, data))
            elif self._fetcher is not None and url and facts.sha256 is None:
                linked.append((url, Work(group, at)))
        with self._lock:
            group.left = len(carried) + len(linked)
            self._done += len(group.rows) - group.left
            self._ready.extend(carried)
            self._asked.update((work.facts.row, work) for _, work in linked)
            self._given.notify(len(carried))
        for url, work in linked:
            self._hosts.add(url, work.facts.row)

    def _wait_for(self, group: Group) -> None:
        while True:
            with self._lock:
                self._finished.wait_for(lambda: not group.left or self._error, TICK)
                left, error = group.left, self._error
            if error is not None:
                raise error
            self._beat()
            if not left:
                return

    def _beat(self) -> None:
        self._heartbeat.held = self._hosts.held
        self._heartbeat.check(self._done)

    def _fetch(self, fetcher: Fetcher) -> None:
        """What a thread for the network does."""
        while self._room.wait() and (link := self._hosts.take()) is not None:
            work = self._asked[link.number]
            failure = link.unasked
            if failure is None:
                try:
                    work.fetched = fetcher.fetch(link.url, self._limits, room=self._room)
                except FetchFailed as error:
                    if self._stopping or not self._hosts.failed(link, error):
                        continue
                    failure = error
                else:
                    self._hosts.answered(link)
            del self._asked[link.number]
            if failure is not None:
                # Hashes from before, the dataset's or our own, stand whatever the link says today.
                work.facts.ended(failure.reason, http_status=failure.http_status)
                self._end([work])
            elif work.fetched is not None:
                work.data = work.fetched.data
                with self._lock:
                    self._ready.append(work)
                    self._given.notify()

    def _hash(self) -> None:
        """What a thread for the pictures does: hash what is ready, then look all of it up."""
        share = self._memory // (4 * self._hashing)  # bytes that are held until then
        while (work := self._next_ready(wait=True)) is not None:
            works: list[Work] = []
            decoded: list[Work] = []
            size = 0
            while work is not None:
                works.append(work)
                size += len(work.data)
                if self._examine(work):
                    decoded.append(work)
                full = len(works) == LOOKED_UP_AT_ONCE or size >= share
                work = None if full else self._next_ready(wait=False)
            if self._stopping:
                return
            decoded.sort(key=lambda work: work.facts.row)
            found = self._near(decoded)
            for work in decoded:
                if work.facts.row in found:
                    work.group.kept[work.at] = examining.keep(work.data)
                else:
                    work.group.unlike.add(work.facts.row)
            self._end(works)

    def _near(self, works: list[Work]) -> set[int]:
        """The rows that known hashes are near, by the hashes of all their pixels."""
        facts = [work.facts for work in works]
        found = self._matcher.quick(columns_of(facts, widened=True))
        unsure = [work for work in works if work.facts.row in found and work.facts.approximate]
        if not unsure:
            return found
        for work in unsure:
            examining.verify(work.facts, work.data)
        facts = [work.facts for work in unsure]
        surely = self._matcher.quick(columns_of(facts))
        return found.difference(each.row for each in facts) | surely

    def _next_ready(self, *, wait: bool) -> Work | None:
        """The next picture; None when there is none yet, or all is over."""
        with self._lock:
            if wait:
                self._given.wait_for(lambda: self._ready or self._stopping)
            return self._ready.popleft() if self._ready and not self._stopping else None

    def _examine(self, work: Work) -> bool:
        if work.fetched is None:
            reencoded = work.group.batch.reencoded
            return examining.examine(work.facts, work.data, reason="embedded", reencoded=reencoded)
        return examining.examine(
            work.facts,
            work.data,
            reason="fetched",
            http_status=work.fetched.http_status,
            fetched_at=timezone.now().replace(microsecond=0),
        )

    def _end(self, works: list[Work]) -> None:
        """Let go of the bytes and tell whoever waits for the batch."""
        for work in works:
            if work.fetched is not None:
                self._room.give(len(work.data))
            work.data, work.fetched = b"", None
        with self._lock:
            self._done += len(works)
            for work in works:
                work.group.left -= 1
            if not all(work.group.left for work in works):
                self._finished.notify()

    def _made(self, job: Callable[[], None], count: int) -> list[threading.Thread]:
        return [threading.Thread(target=self._run, args=(job,), daemon=True) for _ in range(count)]

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except RoomClosed:
            return
        except BaseException as error:  # noqa: BLE001  # raised again where the rows are read
            if self._stopping:
                return
            with self._lock:
                self._error = error
                self._finished.notify()
