"""Doorways for Celery: take ids, load, step aside when the work is done, call one function."""

import logging

from celery import shared_task
from django.conf import settings
from django.db import OperationalError
from kombu.exceptions import OperationalError as BrokerError

from moderation.datasets import removals
from moderation.datasets.ledger import LedgerCorrupt
from moderation.datasets.readers import DatasetError
from moderation.evidence import chain_checks, retention
from moderation.files import LocationError
from moderation.hash_lists import decided, precision
from moderation.hash_lists.withdrawals import cases_to_reopen, versions_to_heed
from moderation.matching.index import IndexCorrupt
from moderation.models import CaseTally, ChainCheck, HashListVersion, ListPrecision, Scan, ShardScan
from moderation.models.case import CaseConflict
from moderation.review import answers, decisions, queue, waiting
from moderation.scanning import indexes, pipeline, planning, priorities, rescans, sweeping
from moderation.scanning.heartbeat import Stopped

logger = logging.getLogger(__name__)


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5)
def enqueue_scan(scan_id: int) -> None:
    """Put due shards of a scan into the queue, a bounded number at a time."""
    scan = Scan.objects.filter(pk=scan_id, state=Scan.State.RUNNING).first()
    if scan is not None:
        feed(scan)


@shared_task
def scan_shard(shard_scan_id: int) -> None:
    """Scan one shard where no fetching is asked for: runs near the ledgers."""
    do_shard(shard_scan_id)
    enqueue_scan.delay(ShardScan.objects.values_list("scan", flat=True).get(pk=shard_scan_id))


@shared_task
def scan_shard_fetching(shard_scan_id: int) -> None:
    """Scan one shard and fetch its links: runs where egress is allowed."""
    scan_shard(shard_scan_id)


@shared_task
def resume_lost() -> None:
    """Every minute: whatever a flushed queue or a killed worker lost is put back."""
    for scan in Scan.objects.filter(state=Scan.State.RUNNING):
        feed(scan)


@shared_task
def rescan_due() -> None:
    """On a schedule, and when a list was loaded: what a new version withdrew goes back to people,
    what it added is compared with the ledgers, and a file of known hashes that the lists have
    outgrown is built anew while others go on with the old one."""
    for version in versions_to_heed():
        reopen_withdrawn(version)
    for each in rescans.due():
        try:
            scan = rescans.start(each, by=None)
        except planning.ScanRefused:
            logger.info("rescan of revision %s waits for the scan under way", each.revision.pk)
            continue
        feed(scan)
    indexes.build_outgrown()


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5)
def fan_out() -> None:
    """Every hour: what was decided here goes onto our own list, and scans look for it elsewhere."""
    if decided.gather():
        notice_lists()


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5)
def settle_answer(review_id: int) -> None:
    """After the time for undo: the answer takes effect, unless it was undone."""
    answers.settle(review_id)


@shared_task
def settle_due() -> None:
    """Every minute: settle answers whose own task was lost, note leases that ran out, and put
    together what was noted of the counts."""
    answers.settle_due()
    queue.record_expired()
    CaseTally.objects.sum_up()


@shared_task
def weigh_lists() -> None:
    """Every quarter of an hour: what people decided about each list's matches, and the priorities
    of the cases that wait where it moved a weight."""
    precision.count()
    for each in ListPrecision.objects.filter(weighed=False).order_by("pk"):
        priorities.weigh_again(each)


@shared_task
def wake_waiting() -> None:
    """Every hour: cases that nobody could tell are open again after WAIT_DAYS."""
    waiting.wake_due()


@shared_task
def delete_due() -> None:
    """Every hour: shred previews past their time, and what a stopped process left sealed; delete
    index files that nobody needs."""
    retention.delete_due()
    sweeping.sweep()


@shared_task
def check_chain_if_due() -> None:
    """Every hour: check the chain of custody where the last result is a day old. So a schedule that
    is begun anew every morning checks it all the same."""
    if chain_checks.due():
        check, new = chain_checks.begin(by=None)
        if new:
            chain_checks.run(check)


@shared_task
def check_chain(check_id: int) -> None:
    """Run a check that somebody asked for."""
    check = ChainCheck.objects.running().filter(pk=check_id).first()
    if check is not None:
        chain_checks.run(check)


def notice_lists() -> bool:
    """A list was loaded or changed: look for what is due now. False when the queue does not answer;
    then the schedule does it within minutes."""
    try:
        rescan_due.delay()
    except BrokerError:
        logger.warning("the queue does not answer: rescans start by the schedule")
        return False
    return True


def reopen_withdrawn(version: HashListVersion) -> int:
    """Reopen cases closed before this version withdrew what they rest on; return how many."""
    because = f"known_hash_withdrawn version {version.pk}"
    reopened = 0
    # Once per version and case, also where nobody's answer is in the chain.
    for case in cases_to_reopen(version).exclude(reopened_because=because):
        try:
            decisions.reopen(case, because=because)
        except CaseConflict:
            logger.info("case %s changed meanwhile and is not reopened", case.pk)
            continue
        reopened += 1
    return reopened


def feed(scan: Scan) -> None:
    """Enqueue what is due, or close a scan that has nothing left to do."""
    for shard_scan in planning.to_enqueue(scan, limit=settings.SCAN_QUEUE_LIMIT):
        task = scan_shard_fetching if scan.kind == Scan.Kind.CONTENT else scan_shard
        task.delay(shard_scan.pk)
    close_if_done(scan)


def do_shard(shard_scan_id: int) -> None:
    """Claim and scan one shard; whatever goes wrong ends on its row."""
    shard_scan = ShardScan.objects.select_related("scan", "shard__revision").get(pk=shard_scan_id)
    if not shard_scan.claim_now():
        return
    logger.info("shard scan %s, attempt %s", shard_scan.pk, shard_scan.attempts)
    try:
        pipeline.scan_shard(shard_scan)
    except Stopped:
        planning.given_back(shard_scan)
    except LedgerCorrupt as error:
        # Derived data: forget it, and the next attempt reads the shard itself.
        shard_scan.shard.forget_ledger()
        planning.failed(shard_scan, str(error), final=False)
    except (pipeline.ShardChanged, DatasetError) as error:
        planning.failed(shard_scan, str(error), final=True)
    except (IndexCorrupt, LocationError, OSError, OperationalError) as error:
        logger.exception("shard scan %s failed", shard_scan.pk)
        planning.failed(shard_scan, type(error).__name__, final=False)
    except Exception as error:
        logger.exception("shard scan %s failed", shard_scan.pk)
        planning.failed(shard_scan, f"Unexpected: {type(error).__name__}. See the log.", final=True)


def close_if_done(scan: Scan) -> None:
    """Verify removals and wake waiting cases by a scan that has nothing left to do, and end it.

    Whether something is left is asked first: if the last shard were done between these steps by
    another worker, the scan would end without them, and nobody comes back to an ended one.
    """
    if scan.shard_scans.unfinished().exists():
        return
    if planning.is_done(scan) and not scan.revision.shards.filter(ledger="").exists():
        try:
            removals.verify(scan.revision)
        except LedgerCorrupt:
            logger.exception("removals of revision %s not verified", scan.revision_id)
        try:
            waiting.wake_answered(scan)
        except LedgerCorrupt:
            logger.exception("waiting cases of revision %s not looked at", scan.revision_id)
    planning.end_if_done(scan)
