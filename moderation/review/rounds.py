"""Where the settled answers of one round lead (console.md 1, 2.3, 2.4).

Two different people stand behind every verdict: removals (H5) and keeps alike, so that "waits for a
second person" says nothing of the first answer. The second sees nothing of it either: agreement
means that two people reached the same verdict on their own.
"""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction

from moderation.models import Case, CustodyEvent, Decision, Review
from moderation.models.case import CaseConflict
from moderation.review import decisions, disputes, leases, merging
from moderation.review.codes import CODES

Another, Stage = Review.Another, Review.Stage


@dataclass(frozen=True)
class Step:
    """Where a settled answer leads: an event of the case, and why it asks another person, if it
    does. ``with_``: the other answer behind what is decided."""

    event: str
    with_: Review | None = None
    why: str = ""


def next_step(review: Review, *, earlier: list[Review], case: Case) -> Step:
    """Return where this settled answer leads, given the other standing answers of the round.

    The second of two people who say the same ends the round. Until then the first waits for
    another person, two who differ wait for a lead, and a lead who is alone with an escalated case
    asks one more person. Two who remove, under another answer or class, have removed; what is
    still open then is a lead's, unless a lead is one of them.

    Args:
        review: the answer that has just settled.
        earlier: the standing answers before it, oldest first.
    """
    said = _said(review)
    if not said:
        event = CODES[review.answer].event
        return Step(event, why=Another.ASKED if event == "escalate" else "")
    alike = [
        other
        for other in earlier
        if _said(other) == said and other.reviewer_id != review.reviewer_id
    ]
    if CODES[review.answer].event == "merge":
        assert review.duplicate_of_id is not None  # noqa: S101  as `answers.give` wrote it
        other = merging.root_of(review.duplicate_of_id)
        if alike or merging.same_files(case, other):
            return Step("merge", alike[-1] if alike else None)
    if alike:
        equal = [other for other in alike if _same_code(other, review)]
        with_ = equal[-1] if equal else alike[-1]
        leads = Stage.LEAD in (review.stage, with_.stage)
        if said == Decision.Verdict.CONFIRMED and not equal and not leads:
            return Step("dispute", with_, why=Another.CODES)
        return Step("close", with_)
    if review.stage == Stage.SECOND:
        return Step("dispute", why=Another.VERDICTS)
    return Step("propose", why=_why(review, said))


def follow(review: Review, *, case: Case) -> None:
    """Move a locked case on from an answer that has just settled."""
    earlier = list(
        case.reviews.standing().exclude(pk=review.pk).select_related("reviewer").order_by("pk")
    )
    if review.duplicate_of_id is not None and merging.root_of(review.duplicate_of_id) == case.pk:
        # The other became part of this one meanwhile: there is nothing left to merge.
        because = f"{merging.MERGED_MEANWHILE} case {review.duplicate_of_id}"
        decisions.new_round(case, "requeue", because=because)
        return
    step = next_step(review, earlier=earlier, case=case)
    if step.why:
        review.why_another = step.why
        review.save(update_fields=["why_another"])
    if step.event == "merge":
        _merge(review, step.with_, case=case)
    elif step.with_ is None:
        if review.answer in Review.REMOVALS:  # provisional at once (console.md 2.3)
            decisions.quarantine(case)
        _record(case, step, review)
    elif CODES[review.answer].verdict == Decision.Verdict.CONFIRMED:
        final = step.event == "close"
        decision = decisions.confirm(case, first=step.with_, second=review, final=final)
        disputes.retract(decision)
    else:
        decision = decisions.clear(case, first=step.with_, second=review)
        if decision.code == Review.Answer.KEEP_LIST_ERROR:
            disputes.raise_over(decision)


@transaction.atomic
def send_back(case: Case, *, by: User, token: str, reason: str) -> Case:
    """As the lead who has it: cancel the round and put the case back to open; return it.

    ``reason`` is in plain words and stands on the case.

    Raises:
        CaseConflict: the lease has ended or is another tab's, or it waits for no lead.
    """
    leases.lock_people(by)
    locked = leases.lock_worked_on(case, by=by, token=token)
    if locked.state not in Case.FOR_LEADS:
        raise CaseConflict(f"case {case.pk} is {locked.state}: it waits for no lead")
    leases.let_go(locked, by=by)
    decisions.new_round(locked, "requeue", because=f"{decisions.BY_LEAD}{reason}", by=by)
    return locked


def _merge(review: Review, with_: Review | None, *, case: Case) -> None:
    assert review.duplicate_of_id is not None  # noqa: S101  as `next_step` found it
    if case.legal_hold_since is not None:  # set in the time for undo: what is held stays its own
        decisions.new_round(case, "requeue", because="legal_hold")
        return
    behind = [with_, review] if with_ is not None else [review]
    merging.merge(case, into=merging.root_of(review.duplicate_of_id), by=behind)


def _said(review: Review) -> str:
    """The verdict an answer is for, or the case it names; empty for one that is for neither."""
    code = CODES[review.answer]
    if code.event == "merge" and review.duplicate_of_id is not None:
        return f"merge {merging.root_of(review.duplicate_of_id)}"
    return code.verdict


def _same_code(one: Review, other: Review) -> bool:
    return (one.answer, one.harm_class) == (other.answer, other.harm_class)


def _why(review: Review, said: str) -> str:
    if review.stage == Stage.LEAD:
        return Another.LEAD_ALONE
    reasons = {Decision.Verdict.CONFIRMED: Another.REMOVAL, Decision.Verdict.CLEARED: Another.KEEP}
    return {str(verdict): why for verdict, why in reasons.items()}.get(said, Another.DUPLICATE)


def _record(case: Case, step: Step, review: Review) -> None:
    before = {"state": case.state}
    case.move(step.event, came_from="")
    CustodyEvent.objects.append(
        f"case_{case.state}",
        case,
        by=None,
        before=before,
        after={"state": case.state, "review": review.pk},
        reason=step.why,
    )
