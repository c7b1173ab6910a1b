"""Rest from looks: after L3, before the end of a shift, and breaks. What a person sets is theirs.

None of it is a proof against somebody who wants round it, nor is it meant to be one: it takes the
next look out of the way, and asks nobody why.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from moderation.models import Case, Reveal, Review, Wellness
from moderation.review import leases

L3 = 3
A_DAY = timedelta(hours=24)  # after a night, a look of the day before keeps nothing shut
LONGEST_SHIFT = 12  # hours
AFTER_SHIFT = timedelta(hours=8)  # who works on after its end has no L3 either


def evidence_alone(case: Case, *, by: User) -> str:
    """Why this case is one for its evidence alone; empty where it is not.

    After a look at L3 the next CASES_AFTER_L3 cases are that a person takes, within a day.
    """
    look = _last_l3(by)
    if look is None or look.case_id == case.pk:
        return ""
    others = _taken_since(look, beside=case)
    if others >= settings.CASES_AFTER_L3:
        return ""
    more = settings.CASES_AFTER_L3 - others - 1
    words = f"this case and the next {more if more > 1 else ''}".rstrip() if more else "this case"
    return f"You have looked at L3: {words} {'are' if more else 'is'} for the evidence alone."


def after_l3(*, by: User) -> bool:
    """Whether the next case that this person takes is one for its evidence alone."""
    look = _last_l3(by)
    return look is not None and _taken_since(look) < settings.CASES_AFTER_L3


def _last_l3(person: User) -> Reveal | None:
    """The last look at L3 within a day."""
    looks = Reveal.objects.filter(reviewer=person, level=L3, opened_at__gt=timezone.now() - A_DAY)
    return looks.order_by("-opened_at").first()


def _taken_since(look: Reveal, *, beside: Case | None = None) -> int:
    """How many cases its person took since, but for that of the look and the one named."""
    since = Review.objects.filter(reviewer=look.reviewer_id, claimed_at__gt=look.opened_at)
    left_out = [look.case_id] if beside is None else [look.case_id, beside.pk]
    return since.exclude(case__in=left_out).values("case").distinct().count()


def shift_ending(wellness: Wellness) -> str:
    """Why there is no L3 at this time of a shift; empty where there is, or no end was set."""
    end = wellness.shift_ends_at
    quiet = timedelta(minutes=settings.SHIFT_QUIET_MINUTES)
    if end is None or not end - quiet <= timezone.now() < end + AFTER_SHIFT:
        return ""
    return (
        f"Your shift ends at {end:%H:%M} UTC: no L3 in its last {settings.SHIFT_QUIET_MINUTES} "
        "minutes. You set its end under Me."
    )


def set_shift(*, by: User, hours: float | None) -> None:
    """Set when one's shift ends, so many hours from now; None takes it back."""
    ends = timezone.now() + timedelta(hours=hours) if hours is not None else None
    Wellness.objects.update_or_create(person=by, defaults={"shift_ends_at": ends})


def break_due(*, by: User, wellness: Wellness | None = None) -> bool:
    """Whether CASES_TO_BREAK were answered since the last break, its suggestion, or in a day;
    ``wellness`` is the person's row, where it was read."""
    own = wellness or Wellness.objects.of(by)
    since = max(timezone.now() - A_DAY, own.breaks_counted_from or timezone.now() - A_DAY)
    answered = Review.objects.filter(reviewer=by, answered_at__gt=since, ended="answered")
    return answered[: settings.CASES_TO_BREAK].count() >= settings.CASES_TO_BREAK


def count_anew(*, by: User) -> None:
    """Count the cases until a break is suggested from now on."""
    Wellness.objects.update_or_create(person=by, defaults={"breaks_counted_from": timezone.now()})


@transaction.atomic
def take_break(*, by: User, draft: dict[str, Any]) -> bool:
    """Give the case one works on back with its draft kept; what is on hold stays. Return whether
    there was one."""
    leases.lock_people(by)
    count_anew(by=by)
    case = Case.objects.worked_on_by(by).select_for_update(no_key=True).first()
    if case is None:
        return False
    if draft:
        case.reviews.filter(reviewer=by, ended="").update(draft=draft)
    leases.let_go(case, by=by)
    return True
