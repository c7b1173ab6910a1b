"""Putting a case on hold: it stays with its person for hours, and Next gives them another.

A hold is a kind of lease. `queue.claim` goes on with it; the database's clock ends it.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from moderation.models import Case, CustodyEvent
from moderation.review import leases


class TooManyHolds(Exception):
    """The person has HOLDS_EACH cases on hold; the message says what to do."""


@transaction.atomic
def hold(
    case: Case, *, by: User, token: str, hours: int, reason: str, draft: dict[str, Any]
) -> datetime:
    """Turn the person's work lease into a hold of at most HOLD_HOURS and return its end.

    Raises:
        CaseConflict: the lease has ended, or belongs to another tab or person.
        TooManyHolds: they have as many as one person may.
    """
    leases.lock_people(by)
    locked = leases.lock_worked_on(case, by=by, token=token)
    if Case.objects.on_hold().filter(leased_by=by).count() >= settings.HOLDS_EACH:
        raise TooManyHolds(
            "You have as many cases on hold as one person may. Go on with one of them first: they "
            "stand under My cases."
        )
    time = timedelta(hours=min(hours, settings.HOLD_HOURS))
    leases.keep(locked, person=by, kind=Case.Lease.HOLD, time=time)
    locked.reviews.filter(reviewer=by, ended="").update(note=reason, draft=draft)
    until = locked.lease_expires_at
    assert until is not None  # noqa: S101  written just above
    CustodyEvent.objects.append(
        "case_held", locked, by=by, after={"until": until.isoformat()}, reason=reason
    )
    return until
