"""Who works on which case: claim, renew, release, and expired leases put on record.

A lease lives in the case's row and ends by the database's clock. Nothing frees an expired one:
the next claim simply takes the case, and `record_expired` only writes down what happened.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from moderation import permissions
from moderation.models import Case, CustodyEvent, Grant, Review, Wellness
from moderation.models.case import CaseConflict, CaseQuerySet
from moderation.review import budget, leases, resting

RULE = (
    "Start next takes what was handed to you, then what a lead pinned, else the most urgent case "
    "that nobody holds and that you have neither answered nor passed on. While no look is left to "
    "you, or after a look at L3, exact matches with a trusted list come first: they need none."
)
ANSWERED_BEFORE = "You have already answered this case. Somebody else answers it next."

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


class AnsweredBefore(NotYours):
    """They stand behind an answer of this round: another person gives the next one (H5)."""


def classes_of(user: User) -> list[str]:
    """The harm classes of this person's queue: those granted to them that they do not leave out.

    By hand, and where somebody hands it to them, they may still take a case of any granted class.
    """
    return kept_in(Grant.objects.classes(user), Wellness.objects.of(user))


def kept_in(granted: list[str], wellness: Wellness) -> list[str]:
    """Of the classes granted to a person those that they do not leave out."""
    return [each for each in granted if each not in wellness.opted_out]


def visible_to(user: User, *, classes: list[str] | None = None) -> CaseQuerySet:
    """The cases this person may see as rows of the queue; ``classes`` as for `offered_to`."""
    if not user.has_perm(permissions.CASE_LIST):
        return Case.objects.none()
    return Case.objects.filter(harm_class__in=classes_of(user) if classes is None else classes)


def openable_by(user: User) -> CaseQuerySet:
    """The cases whose page this person may open: of the harm classes granted to them.

    What they work on or have on hold stays open to its end when the time of their grant is over
    meanwhile; where a grant is withdrawn it is taken back.
    """
    if not user.has_perm(permissions.CASE_OPEN):
        return Case.objects.none()
    held = Q(
        leased_by=user,
        lease_kind__in=[Case.Lease.WORK.value, Case.Lease.HOLD.value],
        lease_expires_at__gt=Now(),
    )
    return Case.objects.filter(Q(harm_class__in=Grant.objects.classes(user)) | held)


def fit_for(user: User, *, classes: list[str] | None = None) -> CaseQuerySet:
    """The cases this person may work on, whoever holds them: right state and class.

    Whoever already answered in this round is out, so no person can stand behind a removal twice;
    in every round so is who may know somebody concerned. ``classes``: of these alone, which are
    granted to them; by default all that are.
    """
    own = Review.objects.filter(case=OuterRef("pk"), reviewer=user)
    granted = Case.objects.filter(
        state__in=states_of(user),
        harm_class__in=Grant.objects.classes(user) if classes is None else classes,
    )
    return granted.filter(~Exists(own.standing()), ~Exists(own.concerned()))


def workable_by(user: User) -> CaseQuerySet:
    """The cases this person may take now by hand: fit for them, and held by nobody."""
    return fit_for(user).unleased()


def offered_to(user: User, *, classes: list[str] | None = None) -> CaseQuerySet:
    """What Next takes from: of the workable ones those they have not passed on in this round.

    ``classes``: those of `classes_of`, where a page has read them already.
    """
    passed_on = Review.objects.passed_on().filter(case=OuterRef("pk"), reviewer=user)
    fit = fit_for(user, classes=classes_of(user) if classes is None else classes)
    return fit.unleased().filter(~Exists(passed_on))


def without_a_look(cases: CaseQuerySet) -> CaseQuerySet:
    """Of these, those that need none: exact matches with a trusted list, not at odds among people.

    In the words of one index (`case_assessed_order`), so that the first is found wherever it is.
    """
    return cases.filter(state__in=Case.FOR_REVIEWERS, assessed=True)


def handed_to(user: User) -> CaseQuerySet:
    """What was handed to this person and waits to be taken by them; they may still say no."""
    refused = Review.objects.passed_on().exclude(ended=Review.Ended.HANDED)
    mine = refused.filter(case=OuterRef("pk"), reviewer=user)
    handed = Q(leased_by=user, lease_kind=Case.Lease.HANDED, lease_expires_at__gt=Now())
    return fit_for(user, classes=classes_of(user)).filter(handed, ~Exists(mine))


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
    """Return the case this person works on, else the next one for them, now leased; None if none.

    What was handed to them comes first. The token is in ``case.lease_token``.
    """
    leases.lock_people(by)
    held = Case.objects.worked_on_by(by).first()
    if held is not None:
        return held
    over = Case.objects.filter(leased_by=by, lease_kind=Case.Lease.WORK)
    leases.put_down(list(over.select_for_update(no_key=True)), by=by)
    case = _first(handed_to(by)) or _first_offered(by)
    return lease(case, by=by) if case is not None else None


@transaction.atomic
def claim(case: Case, *, by: User) -> Case:
    """Lease this very case for work and return it; what one works on is returned as it is.

    Another case that the person works on goes back to the queue: one work lease per person. What
    they have on hold they go on with, what was handed to them they take.

    Raises:
        NotYours: not in a state for this person, or held by another.
        AnsweredBefore: it waits for another person, as this one has answered.
    """
    locked, others = leases.lock_with_own(case, by=by)
    leases.put_down(others, by=by)
    own = Case.objects.leased_to(by).filter(pk=locked.pk).exists()
    if own and locked.lease_kind == Case.Lease.WORK:
        return locked
    if not (fit_for(by) if own else workable_by(by)).filter(pk=locked.pk).exists():
        raise refusal(locked, user=by)
    if own and locked.lease_kind == Case.Lease.HOLD:
        leases.lend(locked, to=by)
        locked.reviews.filter(reviewer=by, ended="").update(note="")
        CustodyEvent.objects.append("case_resumed", locked, by=by)
        return locked
    return lease(locked, by=by)


def refusal(case: Case, *, user: User) -> NotYours:
    """Return what to raise where this person cannot take the case."""
    words = why_not(case, user=user)
    return AnsweredBefore(words) if words == ANSWERED_BEFORE else NotYours(words)


def why_not(case: Case, *, user: User) -> str:
    """Why this person cannot take the case now, in one line; empty when they can."""
    if case.state == Case.State.ANSWERED:
        if case.reviews.unsettled().filter(reviewer=user).exists():
            return "You have just answered it. That takes effect once the time for undo is over."
        return "It was just answered. What follows is known once the time for undo is over."
    if case.state == Case.State.WAITING:
        return "Nobody could tell. It waits for a scan that sees more, and then is open again."
    if case.state == Case.State.MERGED:
        return "It is not answered by itself."
    if case.state not in NEEDS:
        return "The case is closed."
    if not user.has_perm(NEEDS[Case.State(case.state)]):
        if case.state in Case.FOR_LEADS:
            return "This case waits for a lead."
        return "Your role does not answer cases at this stage."
    if case.reviews.standing().filter(reviewer=user).exists():
        return ANSWERED_BEFORE
    if case.reviews.concerned().filter(reviewer=user).exists():
        return "You said that you may know somebody concerned. It is left to others for good."
    if case.harm_class not in Grant.objects.classes(user):
        return "You hold no grant for its harm class; a lead or an operator gives one."
    if Case.objects.leased().filter(pk=case.pk).exclude(leased_by=user).exists():
        return "Another person is working on it."
    return ""


@transaction.atomic
def renew(case: Case, *, by: User, token: str, draft: dict[str, Any] | None = None) -> datetime:
    """Prolong a live lease to LEASE_SECONDS from now and return its new end.

    ``draft``: the answer as it is being written; it comes back after an expiry.

    Raises:
        CaseConflict: the lease has ended, or belongs to another tab or person.
    """
    expires = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    mine = Case.objects.worked_on_by(by).filter(pk=case.pk, lease_token=token)
    if not token or not mine.update(lease_expires_at=expires):
        raise CaseConflict(f"case {case.pk}: the lease has ended")
    if draft is not None:
        case.reviews.filter(reviewer=by, ended="").update(draft=draft)
    until: datetime | None = Case.objects.values_list("lease_expires_at", flat=True).get(pk=case.pk)
    assert until is not None  # noqa: S101  written in this transaction
    return until


@transaction.atomic
def release(case: Case, *, by: User, token: str) -> bool:
    """Give the case back unanswered; False, and nothing done, where they no longer hold it."""
    locked = Case.objects.select_for_update(no_key=True).get(pk=case.pk)
    held = Case.objects.worked_on_by(by).filter(pk=case.pk, lease_token=token)
    if not token or not held.exists():
        return False
    leases.let_go(locked, by=by)
    return True


@transaction.atomic
def take_back(person: User, *, by: User, only_past: bool = False) -> int:
    """Give every case that somebody holds back to the queue and return how many they were.

    What they have on hold, and what was handed to them, goes back too. ``only_past``: no more than
    what neither their roles nor their grants cover any longer.
    """
    leases.lock_people(person)
    held = Case.objects.leased_to(person)
    if only_past:
        classes = Grant.objects.classes(person)
        held = held.exclude(harm_class__in=classes, state__in=states_of(person))
    held = held.order_by("pk").select_for_update(no_key=True)
    count = 0
    for case in held:
        leases.let_go(case, by=by, held_by=person)
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
        leases.expire(review)
        count += 1
    return count


def lease(case: Case, *, by: User) -> Case:
    """Write lease, review and custody event for a case whose row is locked.

    What they had written comes back where nobody else took the case in between.
    """
    leases.record_left(case)
    leases.lend(case, to=by)
    last = case.reviews.filter(superseded=False).last()
    draft = last.draft if last is not None and last.reviewer_id == by.pk else {}
    review = case.reviews.create(reviewer=by, stage=STAGE[Case.State(case.state)], draft=draft)
    CustodyEvent.objects.append(
        "case_claimed", case, by=by, after={"review": review.pk, "stage": review.stage}
    )
    return case


def _first_offered(user: User) -> Case | None:
    """What Next gives this person; where no look is left to them, what needs none comes first."""
    offered = offered_to(user)
    if resting.after_l3(by=user) or budget.standing(by=user).spent:
        return _first(without_a_look(offered)) or _first(offered)
    return _first(offered)


def _first(cases: CaseQuerySet) -> Case | None:
    """The first in the order of work that nobody else is just taking, its row locked."""
    return (
        cases.by_priority().select_for_update(skip_locked=True, of=("self",), no_key=True).first()
    )
