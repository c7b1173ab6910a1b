"""Passing a case on: skipped for a reason, or not for this person, which needs none.

It goes back to the queue, and Next does not give it to this person again in this round; by hand
they may still take it. Whoever may know somebody concerned is out for good, in every round. That a
case was not for somebody stands nowhere but on their own review: in the chain it reads as a plain
release (H3).
"""

from django.contrib.auth.models import User
from django.db import models, transaction

from moderation.models import Case, Review
from moderation.review import leases


class SkipReason(models.TextChoices):
    UNCLEAR = "unclear", "The evidence is not clear to me"
    LANGUAGE = "language", "I do not read the language"
    CONCERNED = "concerned", "I may know somebody concerned"
    OTHER_SKILL = "other_skill", "It needs somebody with other experience"
    BROKEN = "broken", "Something on the page does not work"


@transaction.atomic
def skip(case: Case, *, by: User, token: str, reason: SkipReason) -> None:
    """Give the case back for a reason that goes on record.

    Raises:
        CaseConflict: the lease has ended, or belongs to another tab or person.
    """
    leases.lock_people(by)
    locked = leases.lock_worked_on(case, by=by, token=token)
    if reason == SkipReason.CONCERNED:
        locked.reviews.filter(reviewer=by, ended="").update(concerned=True)
    leases.let_go(locked, by=by, ended=Review.Ended.SKIPPED, reason=f"skipped_{reason.value}")


@transaction.atomic
def not_for_me(case: Case, *, by: User, token: str) -> None:
    """Give the case back; nobody asks why.

    Raises:
        CaseConflict: the lease has ended, or belongs to another tab or person.
    """
    leases.lock_people(by)
    locked = leases.lock_worked_on(case, by=by, token=token)
    leases.let_go(locked, by=by, ended=Review.Ended.NOT_FOR_ME)
