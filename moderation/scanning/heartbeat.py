"""Says every few seconds that a worker is alive, and tells the worker when to stop."""

import threading
from types import TracebackType

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from moderation.models import Scan, ShardScan

from .pace import Pace


class Stopped(Exception):
    """The scan was paused or cancelled, or another worker took this shard over."""


class Heartbeat:
    """A thread beside the work: a long download or checksum must not look like a dead worker."""

    def __init__(self, shard_scan: ShardScan) -> None:
        self.shard_scan = shard_scan
        self.rows = 0
        self._pace = Pace()
        self._over = threading.Event()
        self.held = 0  # entries that wait for their hosts
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def check(self, rows: int | None = None) -> None:
        """Note how many rows are done, and raise Stopped when this work is no longer wanted."""
        if rows is not None:
            self.rows = rows
        if self._stopped.is_set():
            raise Stopped(f"{self.shard_scan} was stopped")

    def recent(self) -> int:
        """How many rows were done in the last minute."""
        return self._pace.recent(self.rows)

    def _beat(self) -> None:
        pause = min(1.0, settings.SCAN_SILENCE_SECONDS / 4)
        try:
            while not self._over.wait(pause):
                alive = (
                    self.shard_scan.still_mine()
                    .filter(scan__state=Scan.State.RUNNING)
                    .update(
                        heard_at=Now(),
                        rows_done=self.rows,
                        recent_rows=self.recent(),
                        held_rows=self.held,
                    )
                )
                if not alive:
                    self._stopped.set()
                    return
        finally:
            connection.close()
