"""What a review ends with: given, perhaps undone, settled once the time for undo is over.

An answer has no effect for ANSWER_GRACE_SECONDS. `settle` may run late, twice or never on time:
it acts only while the row still says so, and `settle_due` finds what a lost task left behind.
"""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from moderation.models import Case, CustodyEvent, Flag, Grant, Review
from moderation.models.case import CaseConflict, ReviewQuerySet
from moderation.review import decisions, leases, merging, offers, queue, rounds


@transaction.atomic
def give(
    case: Case,
    *,
    by: User,
    token: str,
    edit_no: int,
    answer: str,
    harm_class: str = "",
    reason: str = "",
    duplicate_of: int | None = None,
    idempotency_key: str,
) -> Review:
    """Write the answer, end the lease and start the time for undo; return the review.

    The same answer with the same idempotency key changes nothing and returns the review as it
    stands.
    ``harm_class`` counts for removals alone, ``duplicate_of`` (the number of the other case) for
    DUPLICATE_OF. Schedule `settle` for ``settles_at``.

    Raises:
        CaseConflict: the lease has ended or is another tab's, the case was changed meanwhile, or
            the key came with another answer, or with one that was undone.
        offers.Refused: not offered for this case at this stage, or something is missing from it.
        NotYours: the capability was taken away meanwhile.
        SamePerson: their own answer already stands in this round.
    """
    locked = Case.objects.select_for_update(no_key=True).get(pk=case.pk)
    repeated = Review.objects.filter(idempotency_key=idempotency_key).first()
    if repeated is not None:
        if repeated.reviewer_id != by.pk or repeated.case_id != case.pk:
            raise CaseConflict(f"case {case.pk}: the idempotency key was used elsewhere")
        if repeated.ended == Review.Ended.UNDONE:
            raise CaseConflict(f"case {case.pk}: that answer was undone")
        said, told = (answer, reason.strip()), (repeated.answer, repeated.reason)
        if (
            said != told
            or (answer in Review.REMOVALS and harm_class not in ("", repeated.harm_class))
            or (answer == Review.Answer.DUPLICATE_OF and duplicate_of != repeated.duplicate_of_id)
        ):
            raise CaseConflict(f"case {case.pk}: another answer was given with that key")
        return repeated
    if locked.edit_no != edit_no:
        raise CaseConflict(f"case {case.pk} is at edit {locked.edit_no}, not {edit_no}")
    held = Case.objects.worked_on_by(by).filter(pk=case.pk, lease_token=token)
    review = locked.reviews.filter(reviewer=by, ended="").last()
    if not token or review is None or not held.exists():
        raise CaseConflict(f"case {case.pk}: the lease has ended")
    if not by.has_perm(queue.NEEDS[Case.State(locked.state)]):
        raise queue.NotYours(queue.why_not(locked, user=by))
    if locked.reviews.standing().filter(reviewer=by).exists():
        raise decisions.SamePerson(f"case {case.pk}: this person has answered")
    reason = reason.strip()
    if answer in Review.REMOVALS:
        review.harm_class = harm_class or locked.harm_class
    offers.check(
        locked, stage=review.stage, answer=answer, harm_class=review.harm_class, reason=reason
    )
    if answer == Review.Answer.DUPLICATE_OF:
        review.duplicate_of = merging.other_case(locked, duplicate_of, by=by)
    review.answer = answer
    review.reason = reason
    review.draft = {}
    review.idempotency_key = idempotency_key
    review.ended = Review.Ended.ANSWERED
    review.answered_at = queue.database_now()
    review.settles_at = review.answered_at + timedelta(seconds=settings.ANSWER_GRACE_SECONDS)
    review.save()
    before = {"state": locked.state}
    locked.move(
        "answer",
        came_from=locked.state,
        leased_by=None,
        lease_kind="",
        lease_token="",
        lease_expires_at=None,
    )
    after = {"state": locked.state, "review": review.pk, "answer": answer}
    if review.harm_class:
        after["harm_class"] = review.harm_class
    if review.duplicate_of_id is not None:
        after["duplicate_of"] = review.duplicate_of_id
    CustodyEvent.objects.append("answer_given", locked, by=by, before=before, after=after)
    return review


def undoable(*, by: User, granted: list[str] | None = None) -> Review | None:
    """The person's latest answer that can still be undone."""
    return waiting(by=by, granted=granted).last()


def waiting(*, by: User, granted: list[str] | None = None) -> ReviewQuerySet:
    """All answers of the person that can still be undone: in time, the cases still theirs to work
    on by role and grant. ``granted``: their harm classes, where a page has read them already."""
    unsettled = Review.objects.unsettled().filter(reviewer=by, settles_at__gt=Now())
    theirs = unsettled.filter(
        case__came_from__in=queue.states_of(by),
        case__harm_class__in=Grant.objects.classes(by) if granted is None else granted,
    )
    return theirs.select_related("case")


@transaction.atomic
def undo(review: Review, *, by: User) -> Case:
    """Take one's answer back within its grace; return the case, leased again, a new review begun.

    A case claimed meanwhile goes back to the queue, unmarked.

    Raises:
        CaseConflict: it is not, or no longer, among those `waiting` for this person.
    """
    case, others = leases.lock_with_own(review.case, by=by)
    if not waiting(by=by).filter(pk=review.pk).update(ended=Review.Ended.UNDONE):
        raise CaseConflict(f"review {review.pk} can no longer be undone")
    leases.put_down(others, by=by)
    before = {"state": case.state}
    case.move("undo", to=case.came_from, came_from="")
    leases.lend(case, to=by)
    draft = {
        "answer": review.answer,
        "harm_class": review.harm_class,
        "reason": review.reason,
        "duplicate_of": review.duplicate_of_id,
    }
    again = case.reviews.create(
        reviewer=by,
        stage=review.stage,
        draft={name: said for name, said in draft.items() if said},
    )
    CustodyEvent.objects.append(
        "answer_undone",
        case,
        by=by,
        before=before,
        after={"state": case.state, "undone": review.pk, "review": again.pk},
    )
    return case


@transaction.atomic
def settle(review_id: int) -> bool:
    """Give an answer its effect once its grace is over; False, and nothing done, otherwise.

    Undone, settled already, too early or gone: each is simply not due.
    """
    given = Review.objects.filter(pk=review_id).select_related("case").first()
    if given is None:
        return False
    case = merging.lock(given)
    due = Review.objects.unsettled().filter(pk=review_id, settles_at__lte=Now())
    if case.state != Case.State.ANSWERED or not due.update(settled_at=Now()):
        return False
    review = Review.objects.select_related("reviewer").get(pk=review_id)
    CustodyEvent.objects.append("answer_settled", case, by=None, after={"review": review.pk})
    rounds.follow(review, case=case)
    return True


def settle_due() -> int:
    """Settle every answer whose grace is over, each in its own transaction; return how many."""
    due = Review.objects.unsettled().filter(settles_at__lte=Now()).order_by("settles_at")
    return sum(settle(pk) for pk in list(due.values_list("pk", flat=True)))


def reach(case: Case) -> dict[str, int]:
    """How far an answer goes: entries, revisions and linked entries of the case's group."""
    flags = Flag.objects.filter(case=case)
    return {
        "entries": flags.count(),
        "revisions": flags.values("entry__revision").distinct().count(),
        "links": flags.filter(entry__url_key__isnull=False).count(),
    }
