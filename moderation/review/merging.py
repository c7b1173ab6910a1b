"""One picture in two cases: one becomes part of the other, and can become a case of its own again.

The flags move, so that whatever asks a case for its entries finds them all, and remember the case
they came from. Merges happen one at a time, under the lock that grouping holds: a case only ever
becomes part of one that is part of none, so no chain of cases leads back to its beginning.
"""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from moderation.models import Case, CustodyEvent, Decision, Entry, Flag, Match, Review
from moderation.models.case import CaseConflict
from moderation.review import decisions, leases, offers, queue
from moderation.scanning import grouping, priorities
from moderation.signals import case_confirmed, case_reopened

ALIKE = 5  # cases that are suggested
MERGED_MEANWHILE = "merged_meanwhile"  # why a round ended that named what became part of the case


class NotADuplicate(offers.Refused):
    """The case that was named cannot be the one that this is part of."""

    field = "duplicate_of"


class UnderHold(CaseConflict):
    """What a case is part of is under legal hold, which keeps all that is sealed for it (H10)."""


def root_of(case_id: int) -> int:
    """The case that a case is part of in the end; itself where it is part of none."""
    while (parent := _parent_of(case_id)) is not None:
        case_id = parent
    return case_id


def alike(case: Case, entry: Entry, *, by: User) -> list[Case]:
    """Other cases that by their hashes may show the same picture, of those the person may open."""
    found = [each.pk for each in grouping.cases_of(entry) if each.pk != case.pk][:ALIKE]
    cases = queue.openable_by(by).in_bulk(found)
    return [cases[pk] for pk in found if pk in cases]


def other_case(case: Case, number: int | None, *, by: User) -> Case:
    """Return the case that a person names as the same picture; raises NotADuplicate."""
    if number is None:
        raise NotADuplicate("Name the other case by its number.")
    if number == case.pk:
        raise NotADuplicate("That is this case. Name the other one.")
    other = queue.openable_by(by).filter(pk=number).first()
    if other is None:
        raise NotADuplicate(f"There is no case {number} that you may open.")
    if other.merged_into_id is not None:
        root = root_of(number)
        name = "this one" if root == case.pk else f"case {root}"
        raise NotADuplicate(f"Case {number} is part of {name}.")
    return other


def lock(review: Review) -> Case:
    """Lock the case of an answer that settles, and what a duplicate names; return the case.

    Whoever moves flags waits first for other groupings, then locks cases by their number.
    """
    wanted = [review.case_id]
    if review.duplicate_of_id is not None:
        grouping.lock()
        wanted.append(root_of(review.duplicate_of_id))
    return _locked(wanted)[review.case_id]


def same_files(case: Case, other_id: int) -> bool:
    """Whether every file of the case is one of the other's too, by equal digests."""
    return grouping.same_files(case, Case(pk=other_id))


def merge(case: Case, *, into: int, by: list[Review]) -> None:
    """Make a locked case part of another one, locked too; its entries follow what is decided there.

    What was decided about the other stands for the entries that come: a removal reaches them, a
    keep lifts their quarantine. A known hash that nobody judged there opens it again.
    """
    other = Case.objects.get(pk=into)
    before = {"state": case.state}
    unjudged = _known_hashes(case) - _known_hashes(other)
    case.move("merge", merged_into=other, came_from="", closed_at=timezone.now())
    case.reviews.exclude(draft={}).update(draft={})
    case.flags.filter(merged_from=None).update(merged_from=case)
    moved = list(case.flags.values_list("pk", flat=True))
    case.flags.update(case=other)
    CustodyEvent.objects.append(
        "case_merged",
        case,
        by=None,
        before=before,
        after={
            "state": case.state,
            "into": into,
            "entries": len(moved),
            "reviews": [review.pk for review in by],
        },
    )
    CustodyEvent.objects.append(
        "case_joined", other, by=None, after={"case": case.pk, "entries": len(moved)}
    )
    _inherit(other, moved, unjudged=unjudged)
    _drop_counterpart(other, case)
    _keep_from_concerned(other, case)
    priorities.rate(other)


@transaction.atomic
def separate(case: Case, *, because: str, by: User) -> Case:
    """Make a merged case one of its own again, open for a new round, and return it.

    The entries that came with it go back with it, also those of cases that were part of it before.
    Removals that were asked meanwhile stand until it is decided.

    Raises:
        CaseConflict: the case is part of none.
        UnderHold: what it is part of is, and its entries would leave the hold with it.
    """
    grouping.lock()
    root = root_of(case.pk)
    rows = _locked([case.pk, root])
    locked, other = rows[case.pk], rows[root]
    if locked.state != Case.State.MERGED:
        raise CaseConflict(f"case {case.pk} is {locked.state}, not merged")
    if other.legal_hold_since is not None:
        raise UnderHold(f"case {root} is under legal hold")
    flags = Flag.objects.filter(merged_from__in=_with_parts(case.pk), case=other)
    count = flags.update(case=locked)
    locked.flags.filter(merged_from=locked).update(merged_from=None)
    decisions.new_round(
        locked, "reopen", because=because, by=by, told={"entries": count}, merged_into=None
    )
    CustodyEvent.objects.append(
        "case_parted", other, by=by, after={"case": locked.pk, "entries": count}
    )
    priorities.rate(other)
    if other.state != Case.State.CLOSED:
        _move_edit_on(other)
        return locked
    # What was drafted about the other speaks of entries that are looked at anew.
    case_reopened.send(sender=Case, case=other)
    decision = other.decisions.standing().last()
    if decision is not None and decision.verdict == Decision.Verdict.CONFIRMED:
        case_confirmed.send(sender=Case, case=other, decision=decision)
    return locked


def _inherit(other: Case, flags: list[int], *, unjudged: set[int]) -> None:
    if other.state == Case.State.WAITING and unjudged:
        _look_anew(other, "wake", unjudged)
    elif other.state != Case.State.CLOSED:
        _move_edit_on(other)
    else:
        decision = other.decisions.standing().last()
        if decision is not None and decision.verdict == Decision.Verdict.CONFIRMED:
            decisions.quarantine(other)
            decisions.ask_removals(decision)
            case_confirmed.send(sender=Case, case=other, decision=decision)
        elif unjudged:
            _look_anew(other, "reopen", unjudged)
        else:
            decisions.restore(Entry.objects.filter(flag__in=flags))


def _drop_counterpart(other: Case, case: Case) -> None:
    """Have a case answered anew that waits for a second to agree that it is part of itself.

    Somebody named this one there, and it has just become part of it: no second could agree.
    """
    if other.state != Case.State.PROPOSED:
        return
    named = other.reviews.standing().filter(answer=Review.Answer.DUPLICATE_OF)
    if not any(root_of(pk) == other.pk for pk in named.values_list("duplicate_of", flat=True)):
        return
    other.refresh_from_db()  # `_inherit` moved its edit on
    if other.leased_by is not None:
        leases.let_go(other, by=None, held_by=other.leased_by)
    decisions.new_round(other, "requeue", because=f"{MERGED_MEANWHILE} case {case.pk}")


def _keep_from_concerned(other: Case, case: Case) -> None:
    """Leave the other case, too, to those who do not know somebody concerned by what joined it."""
    known = Review.objects.concerned().filter(case=other).values("reviewer")
    people = case.reviews.concerned().exclude(reviewer__in=known).values_list("reviewer", flat=True)
    for person in people.order_by().distinct():
        other.reviews.create(
            reviewer_id=person,
            stage=Review.Stage.FIRST,
            ended=Review.Ended.SKIPPED,
            superseded=True,
            concerned=True,
        )
        if other.leased_by is not None and other.leased_by_id == person:
            leases.let_go(other, by=None, held_by=other.leased_by)


def _look_anew(other: Case, event: str, unjudged: set[int]) -> None:
    told = {"known_hashes": sorted(unjudged)}
    decisions.new_round(other, event, because="new_match", told=told)


def _move_edit_on(case: Case) -> None:
    """Refuse as stale what somebody is just answering about other entries than there are now."""
    Case.objects.filter(pk=case.pk).update(edit_no=F("edit_no") + 1)


def _known_hashes(case: Case) -> set[int]:
    matches = Match.objects.supplied().filter(flag__case=case).order_by()
    return set(matches.values_list("known_hash", flat=True).distinct())


def _with_parts(case_id: int) -> list[int]:
    """The case, and all that became part of it, at whatever remove."""
    found, look = [case_id], [case_id]
    while look:
        look = list(Case.objects.filter(merged_into__in=look).values_list("pk", flat=True))
        found += look
    return found


def _parent_of(case_id: int) -> int | None:
    return Case.objects.filter(pk=case_id).values_list("merged_into", flat=True).first()


def _locked(numbers: list[int]) -> dict[int, Case]:
    rows = Case.objects.filter(pk__in=numbers).order_by("pk").select_for_update(no_key=True)
    return {row.pk: row for row in rows}
