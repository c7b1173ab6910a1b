"""A scan to one unit of work per shard: start, pause, resume, cancel, and see it end."""

from collections.abc import Sequence

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from moderation.models import (
    CustodyEvent,
    FetchGrant,
    HashList,
    HashListVersion,
    LegalBasis,
    Revision,
    Scan,
    Shard,
    ShardScan,
)

from . import progress

NOT_LET = (
    "Scans that fetch need a grant of fetching: an operator gives list managers one under Team."
)


class ScanRefused(Exception):
    """The scan cannot start or change state; the message says what to do."""


def start(
    revision: Revision,
    *,
    by: User | None,
    fetch: bool = False,
    lists: Sequence[str] | None = None,
    reason: str = Scan.Reason.REQUESTED,
    shards: Sequence[Shard] | None = None,
    only_due: bool = False,
) -> Scan:
    """Start a scan of ``revision`` against the lists in force, or return the live one like it.

    ``lists`` are slugs; ``shards`` narrows a rescan to what is due. Raises ScanRefused.
    """
    if fetch:
        _see_that_let(by)
    if fetch and not LegalBasis.objects.current().exists():
        raise ScanRefused(
            "Fetching is off. Switch it on with:"
            " fetching on --basis TEXT --officer NAME --until DATE"
        )
    versions = _versions(lists)
    chosen = list(revision.shards.all() if shards is None else shards)
    if not chosen:
        raise ScanRefused(f"{revision} has no shards: import its files first.")
    kind = Scan.Kind.CONTENT if fetch else Scan.Kind.HASH_ONLY
    try:
        with transaction.atomic():
            scan = Scan.objects.create(
                revision=revision,
                kind=kind,
                reason=reason,
                only_due=only_due,
                algorithm_version=settings.ALGORITHM_VERSION,
                requested_by=by,
            )
            scan.versions.set(versions)
            ShardScan.objects.bulk_create(ShardScan(scan=scan, shard=shard) for shard in chosen)
            CustodyEvent.objects.append(
                "scan_started",
                scan,
                by=by,
                after={"kind": kind, "reason": reason, "versions": [v.pk for v in versions]},
            )
            return scan
    except IntegrityError:
        live = revision.scans.live().first()
        if live is None or live.kind != kind or set(live.versions.all()) != set(versions):
            raise ScanRefused(
                f"Another scan of {revision} is under way: wait for it, or cancel it."
            ) from None
        return live


def start_or_resume(
    revision: Revision,
    *,
    by: User | None,
    fetch: bool = False,
    lists: Sequence[str] | None = None,
) -> Scan:
    """Go on with the revision's paused or failed scan of this kind and these versions, else start
    one. Raises ScanRefused."""
    kind = Scan.Kind.CONTENT if fetch else Scan.Kind.HASH_ONLY
    last = revision.scans.first()
    if last is not None and last.state in (Scan.State.PAUSED, Scan.State.FAILED):
        same = last.kind == kind and set(last.versions.all()) == set(_versions(lists))
        if same and not last.only_due:
            resume(last, by=by)
            return last
    return start(revision, by=by, fetch=fetch, lists=lists)


def pause(scan: Scan, *, by: User | None) -> None:
    """Stop taking shards; the ones being worked on go back. Raises ScanRefused unless running."""
    _move(scan, Scan.State.RUNNING, Scan.State.PAUSED, "scan_paused", by)


def resume(scan: Scan, *, by: User | None) -> None:
    """Go on with a paused scan, or try a failed one's failed shards again. Raises ScanRefused."""
    if scan.kind == Scan.Kind.CONTENT:
        _see_that_let(by)
    with transaction.atomic():
        if scan.state == Scan.State.FAILED:
            _move(scan, Scan.State.FAILED, Scan.State.RUNNING, "scan_resumed", by)
            scan.shard_scans.filter(state=ShardScan.State.FAILED).update(
                state=ShardScan.State.DUE, attempts=0, error="", queued_at=None
            )
            return
        _move(scan, Scan.State.PAUSED, Scan.State.RUNNING, "scan_resumed", by)
        _give_back(scan)


def cancel(scan: Scan, *, by: User | None) -> None:
    """End a scan early; what it found stays. Raises ScanRefused when it is over already."""
    if scan.state not in (Scan.State.RUNNING, Scan.State.PAUSED):
        raise ScanRefused(f"Scan {scan.pk} is {scan.state}: there is nothing to cancel.")
    with transaction.atomic():
        _move(scan, scan.state, Scan.State.CANCELLED, "scan_cancelled", by)
        _give_back(scan)


def _see_that_let(by: User | None) -> None:
    """Raise ScanRefused for a person who may not fetch; the system acts by a command alone."""
    if by is not None and not FetchGrant.objects.let(by):
        raise ScanRefused(NOT_LET)


def to_enqueue(scan: Scan, *, limit: int) -> list[ShardScan]:
    """Mark up to ``limit`` units of work as queued and return them: due and not queued yet, or
    queued or claimed so long ago that the message or the worker must be lost."""
    with transaction.atomic():
        lost = Q(queued_at__isnull=True) | Q(queued_at__lt=Now() - settings.SCAN_LOST_AFTER)
        rows = list(
            ShardScan.objects.claimable()
            .filter(lost, scan=scan)
            .select_for_update(skip_locked=True, of=("self",))
            .order_by("shard__number")[:limit]
        )
        ShardScan.objects.filter(pk__in=[row.pk for row in rows]).update(queued_at=Now())
    return rows


def failed(shard_scan: ShardScan, message: str, *, final: bool) -> None:
    """Note a failed attempt. It is tried again unless ``final`` or out of attempts."""
    over = final or shard_scan.attempts >= settings.SCAN_ATTEMPTS
    shard_scan.still_mine().update(
        state=ShardScan.State.FAILED if over else ShardScan.State.DUE,
        error=message[:300],
        queued_at=None,
    )


def given_back(shard_scan: ShardScan) -> None:
    """The work was stopped half-way: it is due again, from the start of its shard."""
    shard_scan.still_mine().update(state=ShardScan.State.DUE, queued_at=None, claim=None)


def is_done(scan: Scan) -> bool:
    """Whether no unit of work is left and none failed."""
    return not scan.shard_scans.exclude(state=ShardScan.State.DONE).exists()


def end_if_done(scan: Scan) -> bool:
    """Close a running scan whose last shard is done; True for the one caller that closed it."""
    unfinished = ShardScan.objects.unfinished().filter(scan=OuterRef("pk"))
    failures = ShardScan.objects.filter(scan=OuterRef("pk"), state=ShardScan.State.FAILED)
    running = Scan.objects.filter(~Exists(unfinished), pk=scan.pk, state=Scan.State.RUNNING)
    with transaction.atomic():
        first = scan.shard_scans.filter(state=ShardScan.State.FAILED).order_by("shard__number")
        error = first.values_list("error", flat=True).first() or ""
        ended = running.filter(Exists(failures)).update(
            state=Scan.State.FAILED, finished_at=Now(), error=error
        ) or running.update(state=Scan.State.FINISHED, finished_at=Now())
        if ended:
            scan.refresh_from_db()
            CustodyEvent.objects.append(
                "scan_ended",
                scan,
                by=None,
                after={
                    "state": scan.state,
                    **progress.found(scan),
                    "passed_over": progress.passed_over(scan),
                },
            )
    return bool(ended)


def _versions(slugs: Sequence[str] | None) -> list[HashListVersion]:
    lists = HashList.objects.in_force().flagging().select_related("current")
    if slugs is not None:
        lists = lists.filter(slug__in=slugs)
        missing = sorted(set(slugs) - {each.slug for each in lists})
        if missing:
            raise ScanRefused(f"No such hash list in force: {', '.join(missing)}.")
    versions = [each.current for each in lists if each.current]
    if not versions:
        raise ScanRefused("No hash list is in force: load one with load_hash_list first.")
    return versions


def _move(scan: Scan, before: str, after: str, action: str, by: User | None) -> None:
    with transaction.atomic():
        try:
            with transaction.atomic():
                moved = Scan.objects.filter(pk=scan.pk, state=before).update(
                    state=after, finished_at=Now() if after == Scan.State.CANCELLED else None
                )
        except IntegrityError:
            raise ScanRefused("Another scan of this revision is under way.") from None
        if not moved:
            raise ScanRefused(f"Scan {scan.pk} is not {before} any more: look at it again.")
        scan.refresh_from_db()
        CustodyEvent.objects.append(
            action, scan, by=by, before={"state": before}, after={"state": after}
        )


def _give_back(scan: Scan) -> None:
    scan.shard_scans.filter(state=ShardScan.State.RUNNING).update(
        state=ShardScan.State.DUE, claim=None, queued_at=None
    )
    scan.shard_scans.filter(state=ShardScan.State.DUE).update(queued_at=None)
