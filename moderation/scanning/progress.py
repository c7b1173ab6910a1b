"""How far a scan is: the figures that the page, the terminal and --json show."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from moderation.models import CustodyEvent, Flag, Scan, ShardScan

from .pace import SECONDS

LEAST_SECONDS = 10.0  # that a scan must run before its pace says anything


@dataclass(frozen=True)
class Progress:
    """Counts of one scan. ``rate`` is of rows a second in the last minute; it and ``seconds_left``
    are None while nothing can be said. ``held`` are the entries that now wait for their hosts.

    ``passed_over`` says of how many of the matches why they are on no flag. ``flags`` are those on
    entries that it matched, ``raised`` the ones among them that no scan had raised before.
    """

    rows: int
    rows_done: int
    outcomes: dict[str, int]
    reasons: dict[str, int]
    exact: int
    near: int
    passed_over: dict[str, int]
    flags: int
    raised: int
    cases: int
    shards: int
    shards_done: int
    shards_failed: int
    rate: float | None
    held: int
    seconds_left: int | None

    @property
    def percent(self) -> int:
        return 100 if not self.rows else min(100, self.rows_done * 100 // self.rows)

    @property
    def on_flags(self) -> int:
        """The matches that are not passed over."""
        return self.exact + self.near - sum(self.passed_over.values())

    @property
    def known(self) -> int:
        """The flags on matched entries that an earlier scan had raised."""
        return self.flags - self.raised


def of(scan: Scan) -> Progress:
    """Count a scan. Finished shards give all figures, a running one its rows."""
    rows = scan.shard_scans.aggregate(all=Sum("shard__rows"), done=Sum("rows_done"))
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    passed_over: Counter[str] = Counter()
    states: Counter[str] = Counter()
    exact = near = held = 0
    recent = 0.0
    now = timezone.now()
    for each in scan.shard_scans.iterator():
        states[each.state] += 1
        recent += _recent(each, now)
        held += each.held_rows if each.state == ShardScan.State.RUNNING else 0
        if each.state == ShardScan.State.DONE:
            outcomes.update(each.outcomes)
            reasons.update(each.reasons)
            passed_over.update(each.passed_over)
            exact, near = exact + each.exact, near + each.near
    flagged = _kept(scan) or found(scan)
    all_rows, done = rows["all"] or 0, rows["done"] or 0
    rate = _rate(scan, recent, now)
    return Progress(
        rows=all_rows,
        rows_done=done,
        outcomes=dict(outcomes),
        reasons=dict(reasons),
        exact=exact,
        near=near,
        passed_over=dict(passed_over),
        flags=flagged["flags"],
        raised=_raised(scan).count(),
        cases=flagged["cases"],
        shards=sum(states.values()),
        shards_done=states[ShardScan.State.DONE],
        shards_failed=states[ShardScan.State.FAILED],
        rate=rate,
        held=held if scan.state == Scan.State.RUNNING else 0,
        seconds_left=round((all_rows - done) / rate) if rate and done < all_rows else None,
    )


def found(scan: Scan) -> dict[str, int]:
    """Count the flags that the scan's matches are on, and the cases of those.

    To be kept when the scan ends: a later scan that finds the same takes the matches over.
    """
    flags = Flag.objects.filter(Q(matches__last_scan=scan) | Q(matches__scan=scan))
    return {
        "flags": flags.values("pk").distinct().count(),
        "cases": flags.values("case").distinct().count(),
    }


def passed_over(scan: Scan) -> dict[str, int]:
    """Count the matches of finished shards that raise no flag, by reason."""
    counts: Counter[str] = Counter()
    done = scan.shard_scans.filter(state=ShardScan.State.DONE)
    for each in done.values_list("passed_over", flat=True).iterator():
        counts.update(each)
    return dict(counts)


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
        **({"passed_over": now.passed_over} if now.passed_over else {}),
    }


def _kept(scan: Scan) -> dict[str, int]:
    """What was counted when the scan ended; nothing before that."""
    if not scan.finished_at:
        return {}
    ended = CustodyEvent.objects.filter(
        action="scan_ended", object_type="scan", object_id=str(scan.pk)
    ).last()
    return (
        {name: ended.after[name] for name in ("flags", "cases") if name in ended.after}
        if ended
        else {}
    )


def _raised(scan: Scan) -> QuerySet[Flag]:
    """The flags whose first match this scan found."""
    own = Flag.objects.filter(matches__scan=scan).exclude(matches__scan__lt=scan.pk)
    return own.distinct()


def _recent(shard_scan: ShardScan, now: datetime) -> float:
    """The rows of a shard that were done in the last minute: what was done in the minute before it
    was last heard of, less the part of that minute which is longer ago."""
    if shard_scan.heard_at is None or not shard_scan.recent_rows:
        return 0.0
    age = (now - shard_scan.heard_at).total_seconds()
    return shard_scan.recent_rows * max(0.0, min(1.0, 1 - age / SECONDS))


def _rate(scan: Scan, recent: float, now: datetime) -> float | None:
    if scan.state != Scan.State.RUNNING:
        return None
    begun = scan.started_at
    if begun < now - timedelta(seconds=SECONDS):
        resumed = CustodyEvent.objects.filter(
            action="scan_resumed", object_type="scan", object_id=str(scan.pk)
        ).last()
        begun = resumed.at if resumed else begun
    ran = (now - begun).total_seconds()
    return recent / min(ran, SECONDS) if ran >= LEAST_SECONDS else None
