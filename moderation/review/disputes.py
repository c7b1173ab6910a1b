"""A known hash that two people hold wrong: disputed with its list owner, and disabled here.

A dispute is raised by the decision, told to the owner by a list manager, and ended with what came
of it. An outcome sends back to people the closed cases that were decided the other way.
"""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from moderation.hash_lists import values
from moderation.hash_lists.withdrawals import REPORTED
from moderation.models import Case, CustodyEvent, Decision, Dispute, HashList, KnownHash, Match
from moderation.models.case import CaseQuerySet
from moderation.review import decisions

# Which verdict an outcome goes against.
AGAINST = {
    Dispute.Outcome.UPHELD: Decision.Verdict.CONFIRMED,
    Dispute.Outcome.REJECTED: Decision.Verdict.CLEARED,
}


def raise_over(decision: Decision) -> list[Dispute]:
    """Dispute and disable every known hash that is equal to a file of the case; return what is new.

    What its list has withdrawn needs no dispute; one that runs already carries this case too.
    """
    equal = (
        Match.objects.supplied()
        .filter(flag__case=decision.case_id)
        .exclude(algorithm__in=decisions.PERCEPTUAL)
    )
    standing = KnownHash.objects.filter(pk__in=equal.values("known_hash"), removed_in=None)
    locked = list(standing.select_for_update(no_key=True).order_by("pk"))
    running = Dispute.objects.unended().filter(known_hash__in=locked)
    disputed = set(running.values_list("known_hash", flat=True))
    return [_raise(known, decision) for known in locked if known.pk not in disputed]


def retract(decision: Decision) -> int:
    """Take back the disputes that a decision of the case before this one raised; return how many.

    The case was kept because its known hash was held wrong, and now is a removal.
    """
    mine = Dispute.objects.unended().filter(decision__case=decision.case_id)
    rows = list(mine.select_for_update(of=("self",), no_key=True).order_by("pk"))
    for dispute in rows:
        _end(dispute, Dispute.Outcome.RETRACTED, by=None, note="")
    return len(rows)


@transaction.atomic
def tell(disputes: list[int], *, by: User, how: Dispute.Told, file_sha256: str = "") -> int:
    """Note that the owner was told of these disputes; return how many. Ended ones are left out."""
    rows = Dispute.objects.unended().filter(pk__in=disputes).order_by("pk")
    count = 0
    for dispute in rows.select_for_update(no_key=True):
        before = {"state": dispute.state}
        dispute.move("tell", told_at=timezone.now(), told_how=how, told_by=by)
        _record("dispute_told", dispute, by=by, before=before, file_sha256=file_sha256)
        count += 1
    return count


@transaction.atomic
def end(dispute: Dispute, *, by: User, outcome: Dispute.Outcome, note: str = "") -> list[Case]:
    """Close a dispute with what the owner said, and return the cases that go back to people.

    Where the owner stands by the value, it is in force again. Where the owner agrees, it stays
    disabled until a version withdraws it.

    Raises:
        DisputeConflict: it has ended already.
    """
    affected = list(
        _decided_against(dispute, outcome)
        .select_for_update(of=("self",), no_key=True)
        .order_by("pk")
    )
    locked = Dispute.objects.select_for_update(no_key=True).get(pk=dispute.pk)
    _end(locked, outcome, by=by, note=note.strip())
    for case in affected:
        decisions.new_round(case, "reopen", because=f"dispute_{outcome.value} {dispute.pk}", by=by)
    return affected


def of_list(hash_list: HashList) -> list[Dispute]:
    """The disputes about values of a list: what still runs first, then the newest."""
    rows = Dispute.objects.filter(known_hash__hash_list=hash_list)
    rows = rows.select_related("known_hash", "decision", "told_by__person", "ended_by__person")
    return sorted(rows.order_by("-pk"), key=lambda each: each.state == Dispute.State.ENDED)


def _raise(known: KnownHash, decision: Decision) -> Dispute:
    disabled = not known.is_disabled()
    if disabled:
        note = "Two people hold it wrong: disputed with the list owner."
        values.disable(known, by=None, until=None, note=note)
    dispute = Dispute.objects.create(known_hash=known, decision=decision, disabled=disabled)
    _record("dispute_raised", dispute, by=None)
    return dispute


def _end(dispute: Dispute, outcome: Dispute.Outcome, *, by: User | None, note: str) -> None:
    before = {"state": dispute.state}
    dispute.move("end", ended_at=timezone.now(), ended_by=by, outcome=outcome, note=note)
    stands = outcome in (Dispute.Outcome.REJECTED, Dispute.Outcome.RETRACTED)
    if stands and dispute.disabled:
        values.lift(dispute.known_hash, by=by)
    _record("dispute_ended", dispute, by=by, before=before, reason=note)


def _decided_against(dispute: Dispute, outcome: Dispute.Outcome) -> CaseQuerySet:
    """The closed cases with a file equal to the disputed value that were decided the other way, and
    of which nothing was reported yet."""
    verdict = AGAINST.get(outcome)
    if verdict is None:
        return Case.objects.none()
    matches = Match.objects.filter(known_hash=dispute.known_hash_id)
    stands = Decision.objects.standing().filter(case=OuterRef("pk"), verdict=verdict)
    cases = Case.objects.filter(state=Case.State.CLOSED, pk__in=matches.values("flag__case"))
    return cases.filter(Exists(stands)).exclude(reports__state__in=REPORTED)


def _record(
    action: str,
    dispute: Dispute,
    *,
    by: User | None,
    before: dict[str, str] | None = None,
    reason: str = "",
    file_sha256: str = "",
) -> None:
    after = {"state": dispute.state, "known_hash": dispute.known_hash_id}
    if action == "dispute_raised":
        after["decision"] = dispute.decision_id
    if dispute.outcome:
        after["outcome"] = dispute.outcome
    CustodyEvent.objects.append(
        action, dispute, by=by, before=before, after=after, reason=reason, file_sha256=file_sha256
    )
