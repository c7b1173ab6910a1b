"""A lease in the case's row: written, ended, put on record; the verbs around it are elsewhere.

Locks are taken in one order: the people by number, then their cases by number, then the chain of
custody. A lease ends by the database's clock. Every kind stands in the same columns: in work, on
hold, or handed over and not taken yet.
"""

import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q
from django.db.models.functions import Now

from moderation.models import Case, CustodyEvent, Person, Review
from moderation.models.case import CaseConflict
from moderation.models.person import pseudonym_of


def lock_people(*people: User) -> None:
    """Let one step of a person in at a time: two presses of a button must not lease two cases."""
    for person in people:
        pseudonym_of(person)  # makes the row on the first occasion
    rows = Person.objects.filter(user__in=people).order_by("pk")
    list(rows.select_for_update(no_key=True))


def lock_with_own(case: Case, *, by: User) -> tuple[Case, list[Case]]:
    """Lock the person, this case and the one they work on, run out or not; return it and those."""
    lock_people(by)
    own = Q(leased_by=by, lease_kind=Case.Lease.WORK)
    rows = Case.objects.filter(Q(pk=case.pk) | own).order_by("pk")
    cases = {row.pk: row for row in rows.select_for_update(no_key=True)}
    return cases.pop(case.pk), list(cases.values())


def lock_worked_on(case: Case, *, by: User, token: str) -> Case:
    """Lock a case that this very tab works on; the people are locked already.

    Raises:
        CaseConflict: the lease has ended, or belongs to another tab or person.
    """
    locked = Case.objects.select_for_update(no_key=True).get(pk=case.pk)
    held = Case.objects.worked_on_by(by).filter(pk=case.pk, lease_token=token)
    if not token or not held.exists():
        raise CaseConflict(f"case {case.pk}: the lease has ended")
    return locked


def lend(case: Case, *, to: User) -> None:
    """Write a fresh lease for work into a locked case's row; the caller makes the review."""
    keep(
        case,
        person=to,
        kind=Case.Lease.WORK,
        time=timedelta(seconds=settings.LEASE_SECONDS),
        token=secrets.token_urlsafe(32),
    )


def keep(case: Case, *, person: User, kind: str, time: timedelta, token: str = "") -> None:
    """Write a lease of any kind, from now on, into a locked case's row."""
    Case.objects.filter(pk=case.pk).update(
        leased_by=person, lease_kind=kind, lease_token=token, lease_expires_at=Now() + time
    )
    case.refresh_from_db(fields=["leased_by", "lease_kind", "lease_token", "lease_expires_at"])


def let_go(
    case: Case,
    *,
    by: User | None,
    held_by: User | None = None,
    ended: str = Review.Ended.RELEASED,
    action: str = "case_released",
    **event: Any,
) -> None:
    """End a lease whose row is locked, by default one's own; the case waits as before."""
    _clear(case)
    case.reviews.filter(reviewer=held_by or by, ended="").update(ended=ended)
    CustodyEvent.objects.append(action, case, by=by, **event)


def put_down(cases: list[Case], *, by: User) -> None:
    """End what a person worked on, in rows that are locked, so that they can work on another."""
    live = set(Case.objects.worked_on_by(by).values_list("pk", flat=True))
    for case in cases:
        if case.pk in live:
            let_go(case, by=by)
        else:
            record_left(case)
            _clear(case)


def record_left(case: Case) -> None:
    """Put on record that the time of a locked case's unfinished review ran out."""
    for review in case.reviews.filter(ended="").order_by("pk"):
        expire(review)


def expire(review: Review) -> None:
    review.ended = Review.Ended.EXPIRED
    review.save(update_fields=["ended"])
    CustodyEvent.objects.append("lease_expired", review.case, by=None, after={"review": review.pk})


def _clear(case: Case) -> None:
    Case.objects.filter(pk=case.pk).update(
        leased_by=None, lease_kind="", lease_token="", lease_expires_at=None
    )
