"""Checking the chain of custody once a day and on request, and keeping its head elsewhere.

A chain that was cut at its end, or written anew, is intact in itself. So each check that finds it
intact seals a note of its head in the evidence store, and the next one asks whether the chain still
holds what the last note says.
"""

import json
import logging

from django.contrib.auth.models import User
from django.db.models import Max
from django.utils import timezone

from moderation import files
from moderation.evidence import sealing, store
from moderation.models import ChainCheck, CustodyEvent, SealedObject
from moderation.models.chain_check import EVERY, LOST_AFTER
from moderation.models.custody import Chain, in_groups

logger = logging.getLogger(__name__)

FORM = "breakwater head of the chain 1"
State, Why = ChainCheck.State, ChainCheck.Why


def begin(*, by: User | None) -> tuple[ChainCheck, bool]:
    """Return the check under way, or a new one; and whether it is new: then have `run` run it.

    One whose worker has not been heard of is given up first.
    """
    now = timezone.now()
    silent = ChainCheck.objects.running().filter(seen_at__lt=now - LOST_AFTER)
    silent.update(state=State.LOST, finished_at=now)
    newest = CustodyEvent.objects.aggregate(newest=Max("seq"))["newest"]
    return ChainCheck.objects.get_or_create(
        state=State.RUNNING, defaults={"requested_by": by, "expected": newest or 0}
    )


def due() -> bool:
    """Whether the last result is a day old, or there is none."""
    last = ChainCheck.objects.with_result().first()
    return last is None or last.started_at <= timezone.now() - EVERY


def give_up(check: ChainCheck) -> None:
    """End a check without a result; one that has ended stays as it is."""
    mine = ChainCheck.objects.running().filter(pk=check.pk)
    mine.update(state=State.LOST, finished_at=timezone.now())


def run(check: ChainCheck) -> ChainCheck:
    """Recompute the chain, keep what was found and, where it is intact, its head; return the row.

    It is said in the log as well: a broken chain as an error.
    """
    mine = ChainCheck.objects.running().filter(pk=check.pk)

    def seen(events: int) -> None:
        mine.update(events=events, seen_at=timezone.now())

    try:
        noted = _last_note()
        chain = CustodyEvent.objects.check_chain(seen=seen)
        sealed = None
        found = _found(chain, noted)
        if found["state"] == State.INTACT and chain.events:
            sealed = _seal(check, chain)
        ended = mine.update(**found, sealed=sealed, finished_at=timezone.now())
    except BaseException:
        give_up(check)
        raise
    if not ended:
        logger.warning("check %s of the chain was given up meanwhile", check.pk)
    check.refresh_from_db()
    return check


def _found(chain: Chain, noted: tuple[int, str] | None) -> dict[str, object]:
    """The columns of a result: what is broken, and how that was found."""
    found: dict[str, object] = {"events": chain.events, "head": bytes.fromhex(chain.head)}
    if not chain.intact:
        logger.error("custody chain: broken at event %s", chain.broken_at)
        return found | {"state": State.BROKEN, "why": Why.EVENT, "broken_at": chain.broken_at}
    if noted is not None and not CustodyEvent.objects.holds(events=noted[0], head=noted[1]):
        logger.error("custody chain: event %s is not the one that was noted", noted[0])
        return found | {"state": State.BROKEN, "why": Why.NOTE, "broken_at": noted[0]}
    logger.info("custody chain: %d events, head %s", chain.events, chain.head_in_groups)
    return found | {"state": State.INTACT}


def _seal(check: ChainCheck, chain: Chain) -> SealedObject | None:
    """Keep a note of the head in the evidence store; None where the store does not take it."""
    note = {
        "form": FORM,
        "check": check.pk,
        "at": timezone.now().isoformat(),
        "events": chain.events,
        "head": in_groups(chain.head),
    }
    try:
        return store.seal(json.dumps(note).encode(), SealedObject.Kind.HEAD)
    except (OSError, files.LocationError):
        logger.exception("custody chain: the evidence store did not take the head")
        return None


def _last_note() -> tuple[int, str] | None:
    """Events and head of the newest note that the evidence store gives back; None for none."""
    kept = ChainCheck.objects.with_result().filter(sealed__isnull=False).select_related("sealed")
    last = kept.first()
    if last is None or last.sealed is None:
        return None
    try:
        note = json.loads(store.open_sealed(last.sealed))
    except sealing.Unreadable:
        logger.error("custody chain: the note of check %s cannot be read", last.pk)
        return None
    return int(note["events"]), str(note["head"]).replace("-", "")
