"""Putting a case on hold: it stays with its person for hours, and Next gives them another.

A hold is a kind of lease. `queue.claim` goes on with it; the database's clock ends it.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Min

from moderation.models import Case, CustodyEvent
from moderation.review import leases, queue


class HoldRefused(Exception):
    """As many cases, or this one for as long, as a person may hold; the message says what to do."""


@transaction.atomic
def hold(
    case: Case, *, by: User, token: str, hours: int, reason: str, draft: dict[str, Any]
) -> datetime:
    """Turn the person's work lease into a hold and return its end.

    However often they put it on hold, in one round it ends HOLD_HOURS after they first did.

    Raises:
        CaseConflict: the lease has ended, or belongs to another tab or person.
        HoldRefused: they have as many as one person may, or had this one as long.
    """
    leases.lock_people(by)
    locked = leases.lock_worked_on(case, by=by, token=token)
    if Case.objects.on_hold().filter(leased_by=by).count() >= settings.HOLDS_EACH:
        raise HoldRefused(
            "You have as many cases on hold as one person may. Go on with one of them first: they "
            "stand under My cases."
        )
    now = queue.database_now()
    own = locked.reviews.filter(reviewer=by, superseded=False)
    since = own.aggregate(first=Min("held_since"))["first"] or now
    left = since + timedelta(hours=settings.HOLD_HOURS) - now
    if left <= timedelta(0):
        raise HoldRefused(
            f"You first put this case on hold {settings.HOLD_HOURS} hours ago, and that is as long "
            "as one person may keep it. Answer it, hand it over or release it."
        )
    leases.keep(locked, person=by, kind=Case.Lease.HOLD, time=min(timedelta(hours=hours), left))
    own.filter(ended="").update(note=reason, draft=draft, held_since=since)
    until = locked.lease_expires_at
    assert until is not None  # noqa: S101  written just above
    CustodyEvent.objects.append(
        "case_held", locked, by=by, after={"until": until.isoformat()}, reason=reason
    )
    return until
