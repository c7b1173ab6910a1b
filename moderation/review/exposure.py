"""Looks at previews above L0: each a deliberate act, logged, counted, and good for one opening.

Filters are not known to protect anybody, so the aim is fewer looks, not softer ones. A report's
"viewed by us" is counted from the Reveal rows written here (H13).
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import Now

from moderation import permissions
from moderation.evidence import store
from moderation.media.preview import enlarge
from moderation.models import Case, CustodyEvent, Entry, Grant, LegalBasis, Preview, Reveal
from moderation.review import decisions, leases

OUTLINE = "L0 · outline"
SHOWN_SIDE = 384  # pixels, of the smooth enlargement on the page
NOT_GRANTED = "You hold no grant for this level and harm class; a lead or an operator gives one."
CAPABILITY = {1: permissions.PREVIEW_L1, 2: permissions.PREVIEW_L2}


class Locked(Exception):
    """This level is not open to this person for this case now; the message says why."""


class NoTicket(Exception):
    """No such ticket for this person and session, used already, or too old."""


@dataclass(frozen=True)
class Level:
    """One step of the preview stage: open, or locked with the reason."""

    number: int
    label: str
    locked: str


def levels(case: Case, entry: Entry, *, by: User) -> list[Level]:
    """Return the steps L0 to L2 as this person finds them for this entry of the case."""
    shredded = dict(Preview.objects.filter(entry=entry).values_list("level", "sealed__shredded_at"))
    shared = _locked_for_all(case, entry, by=by)
    granted = Grant.objects.level(by, case.harm_class)
    steps = [Level(0, OUTLINE, "")]
    for preview in Preview.Level:
        locked = shared
        if not by.has_perm(CAPABILITY[preview.value]):
            locked = "Your role has no previews at this level."
        elif preview.value > granted:
            locked = NOT_GRANTED
        elif preview.value not in shredded:
            locked = "No preview was made: the picture was never read."
        elif gone := shredded[preview.value]:
            locked = f"Preview deleted on {gone:%-d %b %Y} under the retention rule."
        elif not locked and preview.value == 2 and _assessed_elsewhere(case):
            locked = "A trusted list matches exactly; its analysts have assessed the picture."
        steps.append(Level(preview.value, f"L{preview.value} · {preview.label}, grey", locked))
    return steps


@transaction.atomic
def reveal(case: Case, entry: Entry, *, by: User, level: int, session: str) -> str:
    """Log one look and return its ticket: once, TICKET_SECONDS, this person, session and case.

    Raises:
        Locked: the level is not open; the message is for the person.
    """
    locked, _ = leases.lock_with_own(case, by=by)  # one at a time, so the daily limit is a limit
    if not Entry.objects.filter(pk=entry.pk, flag__case=locked).exists():
        raise Locked("This entry belongs to another case.")
    step = {step.number: step for step in levels(locked, entry, by=by)}.get(level)
    if step is None or level == 0:
        raise Locked("There is no such level.")
    if step.locked:
        raise Locked(step.locked)
    ticket = secrets.token_urlsafe(32)
    row = Reveal.objects.create(
        case=locked,
        entry=entry,
        reviewer=by,
        level=level,
        ticket_digest=_digest(ticket, session),
    )
    CustodyEvent.objects.append(
        "preview_revealed",
        locked,
        by=by,
        after={
            "reveal": row.pk,
            "entry": entry.pk,
            "level": level,
            "exact_match": locked.exact,
        },
    )
    return ticket


def open_ticket(ticket: str, *, by: User, session: str) -> bytes:
    """Use a ticket up and return the preview as PNG, enlarged smoothly to SHOWN_SIDE pixels.

    A preview that cannot be opened was not looked at: nothing is written, and the ticket stays.

    Raises:
        NoTicket: unknown, of another person or session, used already, too old, or lease over.
        Unreadable: the sealed bytes were shredded, are missing or were changed.
    """
    oldest = Now() - timedelta(seconds=settings.TICKET_SECONDS)
    with transaction.atomic():
        good = Reveal.objects.filter(
            ticket_digest=_digest(ticket, session),
            reviewer=by,
            opened_at__isnull=True,
            issued_at__gt=oldest,
            case__leased_by=by,
            case__lease_kind=Case.Lease.WORK,
            case__lease_expires_at__gt=Now(),
        )
        row = good.select_related("case").first()
        if row is None or row.level > Grant.objects.level(by, row.case.harm_class):
            raise NoTicket("the ticket is used, too old, or not yours")
        preview = Preview.objects.select_related("sealed").get(entry=row.entry_id, level=row.level)
        shown = enlarge(store.open_sealed(preview.sealed), side=SHOWN_SIDE)
        if not good.filter(pk=row.pk).update(opened_at=Now()):
            raise NoTicket("the ticket was used meanwhile")
        facts = {"reveal": row.pk, "level": row.level, "exact_match": row.case.exact}
        CustodyEvent.objects.append("preview_opened", row.case, by=by, after=facts)
    return shown


def advice(case: Case) -> str:
    """What a person should know before they look; true of this very case."""
    if decisions.trusted_exact(case):
        return (
            "You need not look. A trusted list matches exactly: its analysts have seen this very "
            "file, and the evidence alone can carry your answer."
        )
    if decisions.exact_matches(case):
        return (
            "The match is exact, so the list holds this very file; but the list is not a trusted "
            "one. Look only as far as your answer needs."
        )
    return (
        "A near match says that two pictures look alike, not that they are the same. "
        "Look only as far as your answer needs."
    )


def views(case: Case, *, by: User) -> dict[str, int]:
    """How often previews of the case were opened: ``mine`` by this person, ``all`` by anyone."""
    return case.reveals.filter(opened_at__isnull=False).aggregate(
        all=Count("pk"), mine=Count("pk", filter=Q(reviewer=by))
    )


def left_today(*, by: User) -> int:
    """How many looks this person has left of REVEALS_PER_DAY, over the last 24 hours."""
    since = Now() - timedelta(hours=24)
    used = Reveal.objects.filter(reviewer=by, issued_at__gt=since).count()
    return max(0, settings.REVEALS_PER_DAY - used)


def _locked_for_all(case: Case, entry: Entry, *, by: User) -> str:
    if not Case.objects.worked_on_by(by).filter(pk=case.pk).exists():
        return "Take the case first: only its holder may look."
    # Made-up pictures need no permission to be looked at; everything else waits for one (H1).
    if not entry.revision.dataset.synthetic and not LegalBasis.objects.for_previews().exists():
        return "No legal basis with its jurisdiction is recorded; an operator records one."
    if not left_today(by=by):
        return "You have reached your limit of looks for 24 hours."
    return ""


def _assessed_elsewhere(case: Case) -> bool:
    return case.state != Case.State.DISPUTED and decisions.trusted_exact(case)


def _digest(ticket: str, session: str) -> bytes:
    """SHA-256 over ticket and session: the row alone opens nothing, nor does another session."""
    return hashlib.sha256(f"{ticket}\n{session}".encode()).digest()
