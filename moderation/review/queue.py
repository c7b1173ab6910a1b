"""Who works on which case: claim, renew, release, and expired leases put on record.

A lease lives in the case's row and ends by the database's clock. Nothing frees an expired one:
the next claim simply takes the case, and `record_expired` only writes down what happened.
Locks are taken in one order: the person, then their cases, then the chain of custody.
"""

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from moderation import permissions
from moderation.models import Case, CustodyEvent, Grant, Person, Review
from moderation.models.case import CaseConflict, CaseQuerySet
from moderation.models.person import pseudonym_of

RULE = (
    "Start next takes the most urgent case that nobody holds and that you have not answered: "
    "first by priority, then the oldest."
)

STAGE = {
    Case.State.OPEN: Review.Stage.FIRST,
    Case.State.PROPOSED: Review.Stage.SECOND,
    Case.State.DISPUTED: Review.Stage.LEAD,
    Case.State.ESCALATED: Review.Stage.LEAD,
}
NEEDS = {
    Case.State.OPEN: permissions.DECIDE,
    Case.State.PROPOSED: permissions.DECIDE_SECOND,
    Case.State.DISPUTED: permissions.DECIDE_FINAL,
    Case.State.ESCALATED: permissions.DECIDE_FINAL,
}


class NotYours(Exception):
    """The case is not this person's to take; the message says why in one line."""


def visible_to(user: User) -> CaseQuerySet:
    """The cases this person may see as rows of the queue: of the harm classes granted to them."""
    if not user.has_perm(permissions.CASE_LIST):
        return Case.objects.none()
    return Case.objects.filter(harm_class__in=Grant.objects.classes(user))


def openable_by(user: User) -> CaseQuerySet:
    """The cases whose page this person may open: of the harm classes granted to them.

    The one they hold stays open to its end when their grant ends meanwhile.
    """
    if not user.has_perm(permissions.CASE_OPEN):
        return Case.objects.none()
    held = Q(leased_by=user, lease_expires_at__gt=Now())
    return Case.objects.filter(Q(harm_class__in=Grant.objects.classes(user)) | held)


def workable_by(user: User) -> CaseQuerySet:
    """The cases this person may take now: right state and class, free, not answered by them.

    Whoever already answered in this round is out, so no person can stand behind a removal twice.
    """
    answered = Review.objects.standing().filter(case=OuterRef("pk"), reviewer=user)
    granted = Case.objects.filter(
        state__in=states_of(user), harm_class__in=Grant.objects.classes(user)
    )
    return granted.unleased().filter(~Exists(answered))


def states_of(user: User) -> list[str]:
    """The states in which this person's capabilities let them take a case."""
    return [str(state) for state, needed in NEEDS.items() if user.has_perm(needed)]


def database_now() -> datetime:
    """The database's clock, which alone decides when a lease or an answer's grace has ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


@transaction.atomic
def claim_next(*, by: User) -> Case | None:
    """Return the case this person holds, else the next one for them, now leased; None if none.

    The token is in ``case.lease_token``.
    """
    _lock_person(by)
    held = Case.objects.leased_to(by).first()
    if held is not None:
        return held
    case = (
        workable_by(by)
        .by_priority()
        .select_for_update(skip_locked=True, of=("self",), no_key=True)
        .first()
    )
    return _lease(case, by=by) if case is not None else None


@transaction.atomic
def claim(case: Case, *, by: User) -> Case:
    """Lease this very case and return it; a live lease of one's own is returned as it is.

    Another case that the person holds goes back to the queue: one work lease per person.

    Raises:
        NotYours: not in a state for this person, answered by them already, or held by another.
    """
    locked, others = lock_with_own(case, by=by)
    for other in others:
        let_go(other, by=by)
    if Case.objects.leased_to(by).filter(pk=locked.pk).exists():
        return locked
    if not workable_by(by).filter(pk=locked.pk).exists():
        raise NotYours(why_not(locked, user=by))
    return _lease(locked, by=by)


def why_not(case: Case, *, user: User) -> str:
    """Why this person cannot take the case now, in one line; empty when they can."""
    if case.state == Case.State.ANSWERED:
        if case.reviews.unsettled().filter(reviewer=user).exists():
            return "You have just answered it. That takes effect once the time for undo is over."
        return "It was just answered. What follows is known once the time for undo is over."
    if case.state not in NEEDS:
        return "The case is closed."
    if not user.has_perm(NEEDS[Case.State(case.state)]):
        if case.state in Case.FOR_LEADS:
            return "This case waits for a lead."
        return "Your role does not answer cases at this stage."
    if case.reviews.standing().filter(reviewer=user).exists():
        return "You have already answered this case. Somebody else answers it next."
    if case.harm_class not in Grant.objects.classes(user):
        return "You hold no grant for its harm class; a lead or an operator gives one."
    if not Case.objects.unleased().filter(pk=case.pk).exists():
        return "Another person is working on it."
    return ""


@transaction.atomic
def renew(case: Case, *, by: User, token: str) -> datetime:
    """Prolong a live lease to LEASE_SECONDS from now and return its new end.

    Raises:
        CaseConflict: the lease has ended, or belongs to another tab or person.
    """
    expires = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    mine = Case.objects.leased_to(by).filter(pk=case.pk, lease_token=token).exclude(lease_token="")
    if not mine.update(lease_expires_at=expires):
        raise CaseConflict(f"case {case.pk}: the lease has ended")
    until: datetime | None = Case.objects.values_list("lease_expires_at", flat=True).get(pk=case.pk)
    assert until is not None  # noqa: S101  written in this transaction
    return until


@transaction.atomic
def release(case: Case, *, by: User, token: str) -> None:
    """Give the case back unanswered. A lease that has already ended is left as it is."""
    locked = Case.objects.select_for_update(no_key=True).get(pk=case.pk)
    held = Case.objects.leased_to(by).filter(pk=case.pk, lease_token=token)
    if token and held.exists():
        let_go(locked, by=by)


@transaction.atomic
def take_back(person: User, *, by: User) -> int:
    """Give every case that somebody holds back to the queue and return how many they were."""
    _lock_person(person)
    held = Case.objects.leased_to(person).order_by("pk").select_for_update(no_key=True)
    count = 0
    for case in held:
        let_go(case, by=by, held_by=person)
        count += 1
    return count


@transaction.atomic
def record_expired() -> int:
    """Mark reviews whose lease has run out and return how many; the leases stay as they are."""
    overdue = (
        Review.objects.filter(ended="", case__leased_by=F("reviewer"))
        .filter(case__lease_expires_at__lte=Now())
        .select_related("case")
        .select_for_update(skip_locked=True, of=("case",), no_key=True)
        .order_by("pk")
    )
    count = 0
    for review in overdue:
        _expire(review)
        count += 1
    return count


def _lock_person(by: User) -> None:
    """Let one claim of a person in at a time: two presses of a button must not lease two cases."""
    pseudonym_of(by)  # makes the row on the first occasion
    Person.objects.select_for_update(no_key=True).get(user=by)


def _lease(case: Case, *, by: User) -> Case:
    """Write lease, review and custody event for a case whose row is locked."""
    for left in case.reviews.filter(ended="").order_by("pk"):
        _expire(left)
    lend(case, to=by)
    review = case.reviews.create(reviewer=by, stage=STAGE[Case.State(case.state)])
    CustodyEvent.objects.append(
        "case_claimed", case, by=by, after={"review": review.pk, "stage": review.stage}
    )
    return case


def lend(case: Case, *, to: User) -> None:
    """Write a fresh lease into a locked case's row; the caller makes the review."""
    Case.objects.filter(pk=case.pk).update(
        leased_by=to,
        lease_token=secrets.token_urlsafe(32),
        lease_expires_at=Now() + timedelta(seconds=settings.LEASE_SECONDS),
    )
    case.refresh_from_db(fields=["leased_by", "lease_token", "lease_expires_at"])


def lock_with_own(case: Case, *, by: User) -> tuple[Case, list[Case]]:
    """Lock the person, this case and every case they hold; return it and those others."""
    _lock_person(by)
    held = Q(leased_by=by, lease_expires_at__gt=Now())
    rows = Case.objects.filter(Q(pk=case.pk) | held).order_by("pk")
    cases = {row.pk: row for row in rows.select_for_update(no_key=True)}
    return cases.pop(case.pk), list(cases.values())


def let_go(case: Case, *, by: User, held_by: User | None = None) -> None:
    """End a lease whose row is locked, by default one's own; the case waits as before."""
    Case.objects.filter(pk=case.pk).update(leased_by=None, lease_token="", lease_expires_at=None)
    case.reviews.filter(reviewer=held_by or by, ended="").update(ended=Review.Ended.RELEASED)
    CustodyEvent.objects.append("case_released", case, by=by)


def _expire(review: Review) -> None:
    review.ended = Review.Ended.EXPIRED
    review.save(update_fields=["ended"])
    CustodyEvent.objects.append("lease_expired", review.case, by=None, after={"review": review.pk})
