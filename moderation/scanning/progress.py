"""How far a scan is: the figures that the page, the terminal and --json show."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from moderation.models import Flag, Scan, ShardScan


@dataclass(frozen=True)
class Progress:
    """Counts of one scan. ``seconds_left`` is None while nothing can be said yet."""

    rows: int
    rows_done: int
    outcomes: dict[str, int]
    reasons: dict[str, int]
    exact: int
    near: int
    flags: int
    cases: int
    shards: int
    shards_done: int
    shards_failed: int
    seconds_left: int | None

    @property
    def percent(self) -> int:
        return 100 if not self.rows else min(100, self.rows_done * 100 // self.rows)


def of(scan: Scan) -> Progress:
    """Count a scan. Finished shards give all figures, a running one its rows."""
    rows = scan.shard_scans.aggregate(all=Sum("shard__rows"), done=Sum("rows_done"))
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    states: Counter[str] = Counter()
    exact = near = 0
    for each in scan.shard_scans.iterator():
        states[each.state] += 1
        if each.state == ShardScan.State.DONE:
            outcomes.update(each.outcomes)
            reasons.update(each.reasons)
            exact, near = exact + each.exact, near + each.near
    flags = Flag.objects.filter(matches__last_scan=scan)
    all_rows, done = rows["all"] or 0, rows["done"] or 0
    return Progress(
        rows=all_rows,
        rows_done=done,
        outcomes=dict(outcomes),
        reasons=dict(reasons),
        exact=exact,
        near=near,
        flags=flags.values("pk").distinct().count(),
        cases=flags.values("case").distinct().count(),
        shards=sum(states.values()),
        shards_done=states[ShardScan.State.DONE],
        shards_failed=states[ShardScan.State.FAILED],
        seconds_left=_seconds_left(scan, all_rows, done),
    )


def as_json(scan: Scan) -> dict[str, Any]:
    """The object that `scan --json` prints (design.md)."""
    now = of(scan)
    return {
        "scan": scan.pk,
        "state": scan.state,
        "entries": now.rows,
        "outcomes": now.outcomes,
        "matches": {"exact": now.exact, "near": now.near},
        "flags": now.flags,
        "cases": now.cases,
    }


def _seconds_left(scan: Scan, rows: int, done: int) -> int | None:
    if scan.state != Scan.State.RUNNING or not done or done >= rows:
        return None
    spent = (timezone.now() - scan.started_at).total_seconds()
    return round(spent * (rows - done) / done)
