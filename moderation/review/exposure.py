"""Looks at previews above L0: each a deliberate act, logged, counted, and good for one opening.

Filters are not known to protect anybody, so the aim is fewer looks, not softer ones. A report's
"viewed by us" is counted from the Reveal rows written here (H13).
"""

import hashlib
import math
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Max, Q
from django.db.models.functions import Now

from moderation import permissions
from moderation.evidence import refusing, store
from moderation.media.preview import SIDES, Copy, enlarge
from moderation.models import (
    Case,
    CustodyEvent,
    Entry,
    Grant,
    KnownHash,
    LegalBasis,
    ListPrecision,
    Match,
    Preview,
    Reveal,
    Wellness,
)
from moderation.models.case import HarmClass
from moderation.models.entry import copy_words
from moderation.review import budget, decisions, leases, resting, withdrawn
from moderation.scanning import priorities

OUTLINE = "L0 · outline"
SHOWN_SIDE = 384  # pixels, of the smooth enlargement on the page
HELD_LEVEL = 3  # shown only while held
LISTS_TOLD = 2  # of those near, the ones by which most was decided
AS_FAR = "Look only as far as your answer needs."
NOT_NOW = "not_now"  # the one code for limits, rest and choices: which of them is the person's own
NOT_GRANTED = "You hold no grant for this level and harm class; a lead or an operator gives one."
CAPABILITY = {
    1: permissions.PREVIEW_L1,
    2: permissions.PREVIEW_L2,
    3: permissions.PREVIEW_L3,
}


class Why(NamedTuple):
    """Why something is locked, in words for the person and in a code for the chain; false where
    it is open."""

    words: str = ""
    code: str = ""

    def __bool__(self) -> bool:
        return bool(self.words)


OPEN = Why()


class Refused(Exception):
    """No look; ``code`` says why in the chain of custody."""

    def __init__(self, words: str, code: str) -> None:
        super().__init__(words)
        self.code = code


class Locked(Refused):
    """This level is not open to this person for this case now; the message says why."""


class NoTicket(Refused):
    """No such ticket for this person and session, used already, too old, or locked meanwhile."""


@dataclass(frozen=True)
class Level:
    """One step of the preview stage: open, or locked with the reason."""

    number: int
    label: str
    locked: str
    drawing: bool = False
    code: str = ""  # of what locks it


def levels(case: Case, entry: Entry, *, by: User) -> list[Level]:
    """Return the steps L0 to L3 as this person finds them for this entry of the case.

    L2 is two steps, grey and a drawing; one where both are locked for the same reason.
    """
    steps = _steps(case, entry, by=by)
    grey = next(step for step in steps if step.number == 2 and not step.drawing)
    return [
        step for step in steps if not (step.drawing and step.locked and step.locked == grey.locked)
    ]


def reveal(
    case: Case, entry: Entry, *, by: User, level: int, session: str, drawing: bool = False
) -> str:
    """Log one look and return its ticket: once, TICKET_SECONDS, this person, session and case.

    Raises:
        Locked: the level is not open; the message is for the person, and the refusal on record.
    """
    try:
        return _reveal(case, entry, by=by, level=level, session=session, drawing=drawing)
    except Locked as locked:
        refusing.note(case, by=by, tried=f"preview_l{level}", because=locked.code)
        raise


@transaction.atomic
def _reveal(case: Case, entry: Entry, *, by: User, level: int, session: str, drawing: bool) -> str:
    locked, _ = leases.lock_with_own(case, by=by)  # one at a time, so a limit is a limit
    if not Entry.objects.filter(pk=entry.pk, flag__case=locked).exists():
        raise Locked("This entry belongs to another case.", "other_case")
    step = _step(locked, entry, by=by, level=level, drawing=drawing)
    if step is None or level == 0:
        raise Locked("There is no such level.", "no_such_level")
    if step.locked:
        raise Locked(step.locked, step.code)
    if level == HELD_LEVEL and (seconds := seconds_to_rest(by=by)):
        raise Locked(f"Another look at L3 is possible in {seconds} seconds.", NOT_NOW)
    ticket = secrets.token_urlsafe(32)
    row = Reveal.objects.create(
        case=locked,
        entry=entry,
        reviewer=by,
        level=level,
        drawing=drawing,
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
        }
        | _if_drawing(row),
    )
    return ticket


def open_ticket(ticket: str, *, by: User, session: str) -> bytes:
    """Use a ticket up and return the preview as PNG, enlarged smoothly to SHOWN_SIDE pixels.

    A preview that cannot be opened was not looked at: nothing is written, and the ticket stays.
    What locks a level locks its tickets as well: a legal basis that ended a moment ago, too.

    Raises:
        NoTicket: unknown, of another person or session, used already, too old, lease over, or its
            level locked since; or for L3, too soon after another. The refusal is on record.
        Unreadable: the sealed bytes were shredded, are missing or were changed.
    """
    try:
        return _open_ticket(ticket, by=by, session=session)
    except NoTicket as refused:
        mine = Reveal.objects.filter(ticket_digest=_digest(ticket, session), reviewer=by)
        row = mine.select_related("case").first()
        refusing.note(
            row.case if row is not None else by,
            by=by,
            tried="preview_ticket",
            because=refused.code,
        )
        raise


def _open_ticket(ticket: str, *, by: User, session: str) -> bytes:
    oldest = Now() - timedelta(seconds=settings.TICKET_SECONDS)
    with transaction.atomic():
        leases.lock_people(by)  # of two tickets for L3, one has to wait
        good = Reveal.objects.filter(
            ticket_digest=_digest(ticket, session),
            reviewer=by,
            opened_at__isnull=True,
            issued_at__gt=oldest,
            case__leased_by=by,
            case__lease_kind=Case.Lease.WORK,
            case__lease_expires_at__gt=Now(),
        )
        row = good.select_related("case", "entry__revision__dataset").first()
        if row is None:
            raise NoTicket("the ticket is used, too old, or not yours", "bad_ticket")
        step = _step(row.case, row.entry, by=by, level=row.level, drawing=row.drawing, asked=row)
        if step is None or step.locked:
            raise NoTicket("the level is locked by now", step.code if step else "no_such_level")
        if row.level == HELD_LEVEL and seconds_to_rest(by=by):
            raise NoTicket("another look at this level was just opened", NOT_NOW)
        copy = Copy(row.level, row.drawing)
        preview = Preview.objects.select_related("sealed").get(
            entry=row.entry_id, level=copy.level, drawing=copy.drawing
        )
        shown = enlarge(store.open_sealed(preview.sealed), copy, side=SHOWN_SIDE)
        if not good.filter(pk=row.pk).update(opened_at=Now()):
            raise NoTicket("the ticket was used meanwhile", "bad_ticket")
        facts = {"reveal": row.pk, "level": row.level, "exact_match": row.case.exact}
        CustodyEvent.objects.append(
            "preview_opened", row.case, by=by, after=facts | _if_drawing(row)
        )
        budget.note_stop(by=by)
    return shown


def may_stand(case: Case, *, by: User) -> int:
    """The highest level at which a look that is open on the page may stay: that of the grant, and
    none above L0 once the legal basis has ended."""
    real = Entry.objects.filter(flag__case=case, revision__dataset__synthetic=False)
    if real.exists() and not LegalBasis.objects.for_previews().exists():
        return 0
    return Grant.objects.level(by, case.harm_class)


def seconds_to_rest(*, by: User) -> int:
    """How long until this person may look at L3 again: L3_PAUSE_SECONDS after the last look could
    have ended. When it did end, only their hand knows."""
    last = Reveal.objects.filter(reviewer=by, level=HELD_LEVEL, opened_at__isnull=False)
    passed: timedelta | None = last.aggregate(passed=Now() - Max("opened_at"))["passed"]
    if passed is None:
        return 0
    whole = timedelta(seconds=settings.L3_SECONDS + settings.L3_PAUSE_SECONDS)
    return max(0, math.ceil((whole - passed).total_seconds()))


def advice(case: Case) -> str:
    """What a person should know before they look; true of this very case."""
    if decisions.trusted_exact(case):
        if why := at_odds(case):
            return f"A trusted list matches exactly, but {why}. {AS_FAR}"
        return (
            "You need not look. A trusted list matches exactly: its analysts have seen this very "
            "file, and the evidence alone can carry your answer."
        )
    if decisions.exact_matches(case):
        return (
            "The match is exact, so the list holds this very file; but the list is not a trusted "
            f"one. {AS_FAR}"
        )
    near = "A near match says that two pictures look alike, not that they are the same."
    return " ".join([near, *sufficed(case), AS_FAR])


def at_odds(case: Case) -> str:
    """Why the lists' word on a case is not one, to follow a "but"; empty where it is.

    They give different classes, or the value behind a match was taken back or is disabled here.
    """
    matches = Match.objects.supplied().filter(flag__case=case)
    told = {classed.harm_class for classed in priorities.classes(matches)}
    if len(told - {HarmClass.UNKNOWN.value}) > 1:
        return "the lists do not say of which class it is with one voice"
    if withdrawn.lost(matches).exists():
        return "a list has taken back a known hash of this case"
    if matches.filter(known_hash__in=KnownHash.objects.disabled()).exists():
        return "a known hash of this case is disabled here"
    return ""


def sufficed(case: Case) -> list[str]:
    """What was usually enough to decide near matches of the lists that are near here, a sentence
    each; nothing of a list by which few were decided."""
    near = Match.objects.filter(flag__case=case, algorithm__in=decisions.PERCEPTUAL)
    counted = ListPrecision.objects.filter(
        hash_list__in=near.values("version__hash_list"), near_level__isnull=False
    )
    return [
        f"For the list {each.hash_list.slug} {_enough(each.near_level)} "
        f"({each.near_reviewed:,} cases)."
        for each in counted.select_related("hash_list").order_by("-near_reviewed")[:LISTS_TOLD]
    ]


def views(case: Case, *, by: User) -> dict[str, int]:
    """How often previews of the case were opened: ``mine`` by this person, ``all`` by anyone."""
    return case.reveals.filter(opened_at__isnull=False).aggregate(
        all=Count("pk"), mine=Count("pk", filter=Q(reviewer=by))
    )


def _step(
    case: Case,
    entry: Entry,
    *,
    by: User,
    level: int,
    drawing: bool,
    asked: Reveal | None = None,
) -> Level | None:
    steps = _steps(case, entry, by=by, asked=asked)
    return next((each for each in steps if (each.number, each.drawing) == (level, drawing)), None)


def _steps(case: Case, entry: Entry, *, by: User, asked: Reveal | None = None) -> list[Level]:
    """Every step as it is now; ``asked``: the look that would be opened, counted already."""
    shredded = {
        Copy(level, drawing): at
        for level, drawing, at in Preview.objects.filter(entry=entry).values_list(
            "level", "drawing", "sealed__shredded_at"
        )
    }
    shared = _locked_for_all(case, entry, by=by)
    own = Wellness.objects.of(by)
    standing = budget.standing(by=by, wellness=own, besides=asked)
    highest = own.highest.get(case.harm_class, HELD_LEVEL)
    granted = Grant.objects.level(by, case.harm_class)
    assessed = not shared and _assessed_elsewhere(case)
    steps = [Level(0, OUTLINE, "")]
    for copy in SIDES:
        locked = shared
        if not by.has_perm(CAPABILITY[copy.level]):
            locked = Why("Your role has no previews at this level.", "no_permission")
        elif copy.level > granted:
            locked = Why(NOT_GRANTED, "no_grant")
        elif not shredded:
            locked = Why("No preview was made: the picture was never read.", "no_preview")
        elif copy not in shredded:
            words = "Not made: the picture was scanned before Breakwater made this copy."
            locked = Why(words, "no_preview")
        elif gone := shredded[copy]:
            words = f"Preview deleted on {gone:%-d %b %Y} under the retention rule."
            locked = Why(words, "preview_deleted")
        elif not locked and copy.level >= 2 and assessed:
            words = "A trusted list matches exactly; its analysts have assessed the picture."
            locked = Why(words, "trusted_exact")
        elif not locked and copy.level > highest:
            words = f"You chose nothing above L{highest} for this harm class, under Me."
            locked = Why(words, NOT_NOW)
        elif not locked and copy.level == HELD_LEVEL and (ending := resting.shift_ending(own)):
            locked = Why(ending, NOT_NOW)
        elif not locked:
            locked = Why(standing.locked(copy.level), NOT_NOW)
        label = f"L{copy.level} · {copy_words(copy.level, drawing=copy.drawing)}"
        steps.append(
            Level(copy.level, label, locked.words, copy.drawing, locked.code if locked else "")
        )
    return steps


def _enough(level: int | None) -> str:
    return f"L{level} was usually enough" if level else "usually no look was needed"


def _if_drawing(row: Reveal) -> dict[str, bool]:
    return {"drawing": True} if row.drawing else {}


def _locked_for_all(case: Case, entry: Entry, *, by: User) -> Why:
    if not Case.objects.worked_on_by(by).filter(pk=case.pk).exists():
        return Why("Take the case first: only its holder may look.", "not_held")
    if resting_now := resting.evidence_alone(case, by=by):
        return Why(resting_now, NOT_NOW)
    # Made-up pictures need no permission to be looked at; everything else waits for one (H1).
    if not entry.revision.dataset.synthetic and not LegalBasis.objects.for_previews().exists():
        words = "No legal basis with its jurisdiction is recorded; an operator records one."
        return Why(words, "no_legal_basis")
    return OPEN


def _assessed_elsewhere(case: Case) -> bool:
    return case.state != Case.State.DISPUTED and decisions.trusted_exact(case) and not at_odds(case)


def _digest(ticket: str, session: str) -> bytes:
    """SHA-256 over ticket and session: the row alone opens nothing, nor does another session."""
    return hashlib.sha256(f"{ticket}\n{session}".encode()).digest()
