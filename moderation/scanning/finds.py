"""The matches of one shard: every one is counted, and flagged unless a rule passes it over."""

from collections.abc import Sequence

from moderation.models import PassedOver, ShardScan

from . import flagging
from .columns import Column
from .facts import Flagged, Tally
from .matcher import Hit, Matcher
from .rules import Rules

FLAG_ROWS = 500  # flagged entries written in one transaction


class Finds:
    """Takes matches as they come and keeps no more in memory than one transaction writes."""

    def __init__(self, shard_scan: ShardScan, matcher: Matcher, tally: Tally) -> None:
        self._shard_scan = shard_scan
        self._matcher = matcher
        self._tally = tally
        self.rules = Rules(matcher.lists)
        synthetic = shard_scan.shard.revision.dataset.synthetic
        self._apart = {  # made-up and real never mix in what we decided ourselves
            pk for pk, each in matcher.lists.items() if each.own and each.synthetic != synthetic
        }
        self._waiting: list[tuple[Flagged, list[Hit]]] = []

    def match(self, columns: Sequence[Column]) -> dict[int, list[Hit]]:
        """Count what matches and return, by row, what is not passed over for its value alone."""
        rows: dict[int, list[Hit]] = {}
        for hit in self._matcher.match(columns):
            if hit.list_id in self._apart:
                continue
            self._tally.found(hit)
            if hit.passed_over:
                self._tally.pass_over(hit, hit.passed_over)
            else:
                rows.setdefault(hit.row, []).append(hit)
        return rows

    def judged(self, flagged: Flagged, hits: Sequence[Hit]) -> list[Hit]:
        """Count what the rules pass over of one entry's hits and return the rest."""
        kept = []
        for hit in self.rules.judge(hits, flagged.facts, url=flagged.url or None):
            if hit.passed_over:
                self._tally.pass_over(hit, hit.passed_over)
            else:
                kept.append(hit)
        return kept

    def add(self, flagged: Flagged, hits: list[Hit]) -> None:
        """Flag an entry, together with others."""
        self._waiting.append((flagged, hits))
        if len(self._waiting) >= FLAG_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the flags that wait."""
        waiting, self._waiting = self._waiting, []
        for hit in flagging.record(self._shard_scan, waiting):
            self._tally.pass_over(hit, hit.passed_over or PassedOver.SET_ASIDE)
            if not hit.passed_over:
                self._matcher.set_aside(hit)
