"""The decision that stands for a case, what it does to entries and removals, and a new round.

Which answers lead to it: `rounds`.
"""

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from moderation.models import (
    Case,
    CustodyEvent,
    Decision,
    Entry,
    HashList,
    Match,
    Removal,
    Review,
)
from moderation.models.case import CaseConflict, HarmClass
from moderation.models.entry import EntryQuerySet
from moderation.scanning import priorities
from moderation.signals import case_confirmed, case_reopened

REMOVALS_AT_ONCE = 2000
PERCEPTUAL = ("pdq", "phash")  # near matches, even at distance 0 (H12)
BY_LEAD = "lead: "  # what a lead wrote comes after it
NEW_ROUND = {"reopen": "case_reopened", "wake": "case_woken", "requeue": "case_requeued"}
COMES_BACK = ("reopen", "wake")  # from where nobody worked on it; what is sent back never left
_SERIOUS_FIRST = list(HarmClass)  # the order in which the classes are told


class SamePerson(Exception):
    """One person cannot stand on both sides of a verdict (H5)."""


def exact_matches(case: Case) -> bool:
    """Whether equal digests, not only look-alikes, tie the case to a list of others: what was
    decided here cannot prove itself."""
    matches = Match.objects.supplied().filter(flag__case=case)
    return matches.exclude(algorithm__in=PERCEPTUAL).exists()


def trusted_exact(case: Case) -> bool:
    """Whether a trusted list, whose owner's analysts saw the picture, matches exactly."""
    matches = Match.objects.filter(
        flag__case=case, version__hash_list__trust=HashList.Trust.TRUSTED
    )
    return matches.exclude(algorithm__in=PERCEPTUAL).exists()


def code_is_open(case: Case) -> bool:
    """Whether two people's removal stands, and a lead has yet to say under which answer and class
    it goes on record."""
    if case.state != Case.State.DISPUTED:
        return False
    last = case.reviews.standing().last()
    return last is not None and last.why_another == Review.Another.CODES


def confirm(case: Case, *, first: Review, second: Review, final: bool = True) -> Decision:
    """Decide a locked case as known harm: decision, a removal due for every entry.

    Code and class are a lead's where a lead is among the two, else the second answer's. ``final``:
    the case is closed and the signal sent, which drafts the report. Otherwise the removal stands
    just the same, under the more serious class, and a lead says code and class before that.

    Raises:
        SamePerson: both answers are one person's.
    """
    lead = Review.Stage.LEAD
    said = first if first.stage == lead and second.stage != lead else second
    serious = min((first.harm_class, second.harm_class), key=_seriousness)
    decision = _decide(
        case,
        Decision.Verdict.CONFIRMED,
        said.answer,
        said.harm_class if final else serious,
        first=first,
        second=second,
        event="close" if final else "dispute",
    )
    quarantine(case)
    ask_removals(decision)
    if final:
        case_confirmed.send(sender=Case, case=case, decision=decision)
    return decision


def clear(case: Case, *, first: Review, second: Review) -> Decision:
    """Close a locked case as no harm: its entries leave quarantine.

    Removals of its entries that are not verified yet are withdrawn; what is verified gone stays so.

    Raises:
        SamePerson: both answers are one person's.
    """
    decision = _decide(
        case,
        Decision.Verdict.CLEARED,
        second.answer,
        case.harm_class,
        first=first,
        second=second,
        event="close",
    )
    restore(_entries(case))
    return decision


def quarantine(case: Case) -> None:
    """Leave the entries of a case out of everything we serve or build."""
    _entries(case).filter(quarantined_at=None).update(quarantined_at=timezone.now())


def restore(entries: EntryQuerySet) -> None:
    """End the quarantine of entries, and withdraw their removals that are not verified yet."""
    Removal.objects.unverified().filter(entry__in=entries).update(state=Removal.State.WITHDRAWN)
    entries.update(quarantined_at=None)


def ask_removals(decision: Decision) -> int:
    """Ask every entry of a confirmed case out of its revision; return how many were new.

    Safe to run again, also for entries that joined the case later; an entry whose removal already
    stands keeps that one.
    """
    asked = Removal.objects.standing().filter(entry=OuterRef("pk"))
    due = Entry.objects.filter(flag__case=decision.case_id).filter(~Exists(asked)).order_by("pk")
    made = Removal.objects.bulk_create(
        [Removal(entry_id=pk, decision=decision) for pk in due.values_list("pk", flat=True)],
        batch_size=REMOVALS_AT_ONCE,
        ignore_conflicts=True,
    )
    return len(made)


@transaction.atomic
def reopen(case: Case, *, because: str, by: User | None = None) -> Case:
    """Open a closed case for a new round and return it. For a merged one see `merging.separate`.

    Raises:
        CaseConflict: the case is not closed.
    """
    locked = Case.objects.select_for_update(no_key=True).get(pk=case.pk)
    if locked.state != Case.State.CLOSED:
        raise CaseConflict(f"case {case.pk} is {locked.state}, not closed")
    new_round(locked, "reopen", because=because, by=by)
    return locked


def new_round(
    case: Case,
    event: str,
    *,
    because: str,
    by: User | None = None,
    told: dict[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Put a locked case back to open, where nobody has answered it yet.

    The answers of earlier rounds no longer count. The old decision and its removals stand until
    the new round decides: nothing is restored silently, and only a new decision supersedes. Rated
    anew at once; what had left people's work is due as if it had come now.

    Args:
        event: reopen, wake or requeue.
        because: ids and codes, and after BY_LEAD what a lead wrote in plain words.
        told: more for the custody event.

    Raises:
        CaseConflict: the event does not fit the state.
    """
    before = {"state": case.state}
    if event in COMES_BACK:
        changes["due_since"] = timezone.now()
    case.move(event, closed_at=None, came_from="", reopened_because=because[:300], **changes)
    case.reviews.update(superseded=True)
    case.reviews.exclude(draft={}).update(draft={})
    CustodyEvent.objects.append(
        NEW_ROUND[event],
        case,
        by=by,
        before=before,
        after={"state": case.state, **(told or {})},
        reason=because[:300],
    )
    priorities.rate(case)
    case_reopened.send(sender=Case, case=case)


def _decide(
    case: Case,
    verdict: Decision.Verdict,
    code: str,
    harm_class: str,
    *,
    first: Review,
    second: Review,
    event: str,
) -> Decision:
    if first.reviewer_id == second.reviewer_id:
        raise SamePerson(f"case {case.pk}: one person answered twice")
    before = {"state": case.state}
    case.reviews.exclude(draft={}).update(draft={})  # what nobody will go on writing
    closed_at = timezone.now() if event == "close" else None
    case.move(event, closed_at=closed_at, harm_class=harm_class, came_from="")
    decision = Decision.objects.create(
        case=case,
        verdict=verdict,
        code=code,
        harm_class=harm_class,
        first=first.reviewer,
        second=second.reviewer,
        supersedes=case.decisions.standing().last(),
    )
    CustodyEvent.objects.append(
        f"case_{verdict.value}" if event == "close" else "case_code_open",
        case,
        by=None,
        before=before,
        after={
            "state": case.state,
            "decision": decision.pk,
            "reviews": [first.pk, second.pk],
        },
    )
    return decision


def _entries(case: Case) -> EntryQuerySet:
    return Entry.objects.filter(flag__case=case)


def _seriousness(harm_class: str) -> int:
    return _SERIOUS_FIRST.index(HarmClass(harm_class or HarmClass.UNKNOWN))
