"""Handing a case over: to a named person, back to the queue with a note, or to a lead who takes it.
A lead assigns one that nobody holds.

A case that was handed over or assigned is leased to its receiver and waits, first in their list and
first for their Next; not taken within HOLD_HOURS it is anybody's again, by the database's clock.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from moderation import permissions
from moderation.models import Case, CustodyEvent, Grant, Review
from moderation.models.person import pseudonym_of
from moderation.review import leases, queue

NOT_NOW = "This person may not work on this case now. Choose somebody else."
BACKEND = "django.contrib.auth.backends.ModelBackend"


class NoReceiver(Exception):
    """This person cannot be handed the case; the message says why."""


def receivers(case: Case, *, by: User) -> "QuerySet[User]":
    """Whom one may name: those with the capability for this stage and a grant for the class.

    Nobody where a second person is asked: whoever were missing from the list, or sent back from it,
    would be known as the first. Elsewhere those are out who have answered in this round, and in
    every round those who may know somebody concerned; which of them it is, nobody is told.
    """
    needed = queue.NEEDS.get(Case.State(case.state))
    if needed is None or case.state == Case.State.PROPOSED:
        return User.objects.none()
    answered = case.reviews.standing().values("reviewer")
    concerned = case.reviews.concerned().values("reviewer")
    granted = Grant.objects.live().filter(harm_classes__contains=[case.harm_class])
    able = User.objects.filter(pk__in=granted.values("person"), person__isnull=False)
    for capability in (needed, permissions.DECIDE, permissions.CASE_OPEN):
        having = User.objects.with_perm(capability, backend=BACKEND)
        able = able.filter(pk__in=having.values("pk"))
    able = able.exclude(pk=by.pk).exclude(pk__in=answered).exclude(pk__in=concerned)
    return able.select_related("person").order_by("person__pseudonym")


@transaction.atomic
def hand_over(
    case: Case, *, by: User, token: str, to: User | None, note: str, draft: dict[str, Any]
) -> None:
    """End one's work on the case and lease it to ``to``, or give it to the queue; the note stays.

    Raises:
        CaseConflict: the lease has ended, or belongs to another tab or person.
        NoReceiver: ``to`` is none of its `receivers`.
    """
    leases.lock_people(by, *([to] if to is not None else []))
    locked = leases.lock_worked_on(case, by=by, token=token)
    if to is not None and not receivers(locked, by=by).filter(pk=to.pk).exists():
        raise NoReceiver(NOT_NOW)
    locked.reviews.filter(reviewer=by, ended="").update(note=note, draft=draft)
    leases.let_go(
        locked,
        by=by,
        ended=Review.Ended.HANDED,
        action="case_handed_over",
        after={"to": pseudonym_of(to) if to is not None else "queue"},
    )
    if to is not None:
        time = timedelta(hours=settings.HOLD_HOURS)
        leases.keep(locked, person=to, kind=Case.Lease.HANDED, time=time)


@transaction.atomic
def assign(case: Case, *, by: User, to: User, note: str) -> None:
    """As a lead, lease a case that nobody holds to ``to``, with a note, as if handed over.

    The lead's own review says so: Next does not give them the case in this round.

    Raises:
        NotYours: not somebody who assigns, or the case is held by now.
        NoReceiver: ``to`` is none of its `receivers`; the message does not say why.
    """
    if not by.has_perm(permissions.CASE_ASSIGN):
        raise queue.NotYours("Only a lead assigns a case.")
    leases.lock_people(by, to)
    locked = Case.objects.select_for_update(no_key=True).get(pk=case.pk)
    if Case.objects.leased().filter(pk=locked.pk).exists():
        raise queue.NotYours("Somebody holds this case by now. Take it over instead.")
    if not receivers(locked, by=by).filter(pk=to.pk).exists():
        raise NoReceiver(NOT_NOW)
    leases.record_left(locked)
    locked.reviews.create(
        reviewer=by,
        stage=queue.STAGE[Case.State(locked.state)],
        ended=Review.Ended.HANDED,
        note=note,
    )
    CustodyEvent.objects.append("case_assigned", locked, by=by, after={"to": pseudonym_of(to)})
    time = timedelta(hours=settings.HOLD_HOURS)
    leases.keep(locked, person=to, kind=Case.Lease.HANDED, time=time)


@transaction.atomic
def take_over(case: Case, *, by: User) -> Case:
    """Lease a case that somebody else holds, works on or was handed, to this lead; return it.

    The holder's review ends, and what they had written stays on it.

    Raises:
        NotYours: not a lead, or not fit for them; the message says why.
    """
    if not by.has_perm(permissions.DECIDE_FINAL):
        raise queue.NotYours("Only a lead takes a case over.")
    locked, others = leases.lock_with_own(case, by=by)
    holder = locked.leased_by if Case.objects.leased().filter(pk=locked.pk).exists() else None
    if holder is None or holder.pk == by.pk:
        return queue.claim(locked, by=by)
    if not queue.fit_for(by).filter(pk=locked.pk).exists():
        raise queue.refusal(locked, user=by)
    leases.put_down(others, by=by)
    leases.let_go(
        locked,
        by=by,
        held_by=holder,
        ended=Review.Ended.TAKEN_OVER,
        action="case_taken_over",
        after={"from": pseudonym_of(holder)},
    )
    return queue.lease(locked, by=by)


def note_on(case: Case, *, by: User) -> str:
    """Why this person has it on hold; else the note of a hand-over, for whoever takes it next.

    A note from another stage is not shown: a second person stays blind.
    """
    own = case.reviews.filter(reviewer=by, ended="").exclude(note="").last()
    if own is not None:
        return own.note
    last = case.reviews.filter(superseded=False).exclude(ended="").last()
    if last is None or last.ended != Review.Ended.HANDED:
        return ""
    return last.note if last.stage == queue.STAGE.get(Case.State(case.state)) else ""
