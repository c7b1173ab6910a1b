"""Who has which case now, and why: a person's own, and for leads everybody's."""

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User

from moderation.models import Case, Grant, Review
from moderation.models.case import CaseQuerySet
from moderation.review import queue

DECIDED = 20
LATELY = timedelta(days=7)
SHOWN = 200  # of others' cases; the soonest to end come first


@dataclass(frozen=True)
class Kept:
    """A case under a lease, and the note that goes with it: why on hold, or from who handed it."""

    case: Case
    note: str

    @property
    def named(self) -> bool:
        return named(self.case)


def named(case: Case) -> bool:
    """Whether a lead reads who holds it. Not while the first person is at work: a lead may be the
    second one, who is blind to that (docs/decisions/0041)."""
    return case.state != Case.State.OPEN


def kept_by(user: User) -> dict[str, list[Kept]]:
    """The person's own cases by the kind of their lease, each kind with the soonest to end first.

    Handed ones that they may not take are not among them. One that they said no to before is: Next
    leaves it out, and nobody else would see that it waits.
    """
    own = Case.objects.leased_to(user).order_by("lease_expires_at", "pk")
    handed = own.filter(lease_kind=Case.Lease.HANDED, pk__in=queue.fit_for(user).values("pk"))
    return {
        "handed": _with_notes(handed),
        "work": _with_notes(own.filter(lease_kind=Case.Lease.WORK)),
        "hold": _with_notes(own.filter(lease_kind=Case.Lease.HOLD)),
    }


def held_by_others(user: User) -> list[Kept]:
    """What somebody else holds of the cases that this person may see."""
    cases = queue.openable_by(user).leased().exclude(leased_by=user)
    return _with_notes(cases.order_by("lease_expires_at", "pk")[:SHOWN])


def decided_lately(user: User) -> list[Review]:
    """One's answers whose case was decided in the last LATELY, the newest first: what others said
    may be read beside them now."""
    answers = Review.objects.standing().filter(
        reviewer=user,
        case__state=Case.State.CLOSED,
        case__closed_at__gt=queue.database_now() - LATELY,
        case__harm_class__in=Grant.objects.classes(user),
    )
    return list(answers.select_related("case").order_by("-case__closed_at")[:DECIDED])


def _with_notes(cases: CaseQuerySet) -> list[Kept]:
    rows = list(cases.select_related("leased_by__person"))
    last = (
        Review.objects.filter(case__in=rows, superseded=False)
        .order_by("case", "-pk")
        .distinct("case")
        .values_list("case", "note")
    )
    notes = dict(last)
    return [Kept(case, notes.get(case.pk, "")) for case in rows]
