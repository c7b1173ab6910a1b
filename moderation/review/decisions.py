"""From settled answers to the decision that stands (console.md 1, 2.3, 2.4).

Two different people stand behind every verdict: removals (H5) and keeps alike, so that "waits for a
second person" says nothing of the first answer. The second sees nothing of it either: agreement
means that two people reached the same verdict on their own.
"""

from dataclasses import dataclass

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
from moderation.signals import case_confirmed, case_reopened

REMOVALS_AT_ONCE = 2000
PERCEPTUAL = ("pdq", "phash")  # near matches, even at distance 0 (H12)
_SERIOUS_FIRST = list(HarmClass)  # the order in which the classes are told


class SamePerson(Exception):
    """One person cannot stand on both sides of a verdict (H5)."""


@dataclass(frozen=True)
class Step:
    """Where a settled answer leads: an event of the case, or a verdict with who is behind it."""

    event: str
    verdict: str = ""
    with_: Review | None = None


def exact_matches(case: Case) -> bool:
    """Whether equal digests, not only look-alikes, tie the case to a list."""
    matches = Match.objects.filter(flag__case=case)
    return matches.exclude(algorithm__in=PERCEPTUAL).exists()


def trusted_exact(case: Case) -> bool:
    """Whether a trusted list, whose owner's analysts saw the picture, matches exactly."""
    matches = Match.objects.filter(
        flag__case=case, version__hash_list__trust=HashList.Trust.TRUSTED
    )
    return matches.exclude(algorithm__in=PERCEPTUAL).exists()


def next_step(review: Review, *, earlier: list[Review]) -> Step:
    """Return where this settled answer leads, given the other standing answers of the round.

    The second of two people with the same verdict closes the case. Until then the first waits for
    another person, two who differ wait for a lead, and a lead who is alone with an escalated case
    asks one more person.

    Args:
        review: the answer that has just settled.
        earlier: the standing answers before it, oldest first.
    """
    if review.answer == Review.Answer.ESCALATE:
        return Step("escalate")
    removes = review.answer in Review.REMOVALS
    alike = [
        other
        for other in earlier
        if other.answer != Review.Answer.ESCALATE
        and (other.answer in Review.REMOVALS) == removes
        and other.reviewer_id != review.reviewer_id
    ]
    if alike:
        verdict = Decision.Verdict.CONFIRMED if removes else Decision.Verdict.CLEARED
        return Step("close", verdict, alike[-1])
    return Step("dispute" if review.stage == Review.Stage.SECOND else "propose")


def follow(review: Review, *, case: Case) -> None:
    """Move a locked case on from an answer that has just settled."""
    earlier = list(
        case.reviews.standing().exclude(pk=review.pk).select_related("reviewer").order_by("pk")
    )
    step = next_step(review, earlier=earlier)
    if step.with_ is not None:
        close = confirm if step.verdict == Decision.Verdict.CONFIRMED else clear
        close(case, first=step.with_, second=review)
    else:
        if review.answer in Review.REMOVALS:  # provisional at once (console.md 2.3)
            _entries(case).filter(quarantined_at=None).update(quarantined_at=timezone.now())
        _record(case, step.event, review)


def confirm(case: Case, *, first: Review, second: Review) -> Decision:
    """Close a locked case as known harm: decision, a removal due for every entry, the signal.

    The code is the second answer's, a lead's where a lead decided; of two harm classes the more
    serious one stands, as it decides whom a report goes to and reporters check it once more.

    Raises:
        SamePerson: both answers are one person's.
    """
    serious = min((first.harm_class, second.harm_class), key=_seriousness)
    decision = _decide(
        case, Decision.Verdict.CONFIRMED, second.answer, serious, first=first, second=second
    )
    _entries(case).filter(quarantined_at=None).update(quarantined_at=timezone.now())
    ask_removals(decision)
    case_confirmed.send(sender=Case, case=case, decision=decision)
    return decision


def clear(case: Case, *, first: Review, second: Review) -> Decision:
    """Close a locked case as no harm: its entries leave quarantine.

    Removals of a superseded decision that are not verified yet are withdrawn; what is verified
    gone stays so.

    Raises:
        SamePerson: both answers are one person's.
    """
    decision = _decide(
        case,
        Decision.Verdict.CLEARED,
        Review.Answer.KEEP_FALSE_MATCH,
        case.harm_class,
        first=first,
        second=second,
    )
    _entries(case).update(quarantined_at=None)
    Removal.objects.unverified().filter(decision__case=case).update(state=Removal.State.WITHDRAWN)
    return decision


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
    """Open a closed case for a new round and return it; ``because`` holds ids and codes only.

    The answers of earlier rounds no longer count. The old decision and its removals stand until
    the new round decides: nothing is restored silently, and only a new decision supersedes.

    Raises:
        CaseConflict: the case is not closed.
    """
    locked = Case.objects.select_for_update(no_key=True).get(pk=case.pk)
    if locked.state != Case.State.CLOSED:
        raise CaseConflict(f"case {case.pk} is {locked.state}, not closed")
    locked.move("reopen", closed_at=None, came_from="", reopened_because=because[:300])
    locked.reviews.update(superseded=True)
    CustodyEvent.objects.append(
        "case_reopened",
        locked,
        by=by,
        before={"state": Case.State.CLOSED.value},
        after={"state": locked.state},
        reason=because[:300],
    )
    case_reopened.send(sender=Case, case=locked)
    return locked


def _decide(
    case: Case,
    verdict: Decision.Verdict,
    code: str,
    harm_class: str,
    *,
    first: Review,
    second: Review,
) -> Decision:
    if first.reviewer_id == second.reviewer_id:
        raise SamePerson(f"case {case.pk}: one person answered twice")
    before = {"state": case.state}
    case.reviews.exclude(draft={}).update(draft={})  # what nobody will go on writing
    case.move("close", closed_at=timezone.now(), harm_class=harm_class, came_from="")
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
        f"case_{verdict.value}",
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


def _record(case: Case, event: str, review: Review) -> None:
    before = {"state": case.state}
    case.move(event, came_from="")
    CustodyEvent.objects.append(
        f"case_{case.state}",
        case,
        by=None,
        before=before,
        after={"state": case.state, "review": review.pk},
    )


def _entries(case: Case) -> EntryQuerySet:
    return Entry.objects.filter(flag__case=case)


def _seriousness(harm_class: str) -> int:
    return _SERIOUS_FIRST.index(HarmClass(harm_class or HarmClass.UNKNOWN))
