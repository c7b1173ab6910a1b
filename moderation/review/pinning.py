"""Pinning: a lead says that a case comes before all others, and why; it ends when it is closed."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from moderation import permissions
from moderation.models import Case, CustodyEvent


class NotPinned(Exception):
    """The case cannot be pinned, or unpinned, now; the message says why in one line."""


@transaction.atomic
def pin(case: Case, *, by: User, reason: str) -> None:
    """Let the case come first for whoever may take it, and put the reason on record.

    Raises:
        NotPinned: not a lead, no longer in work, or pinned already.
    """
    locked = _locked(case, by=by)
    if locked.state not in Case.IN_WORK:
        raise NotPinned("Only a case that waits for a person can be pinned.")
    if locked.pinned_at is not None:
        raise NotPinned("It is pinned already.")
    Case.objects.filter(pk=locked.pk).update(pinned_at=timezone.now(), pinned_because=reason)
    CustodyEvent.objects.append("case_pinned", locked, by=by, reason=reason)


@transaction.atomic
def unpin(case: Case, *, by: User) -> None:
    """Let the case come when its priority says.

    Raises:
        NotPinned: not a lead, or not pinned.
    """
    locked = _locked(case, by=by)
    if locked.pinned_at is None:
        raise NotPinned("It is not pinned.")
    Case.objects.filter(pk=locked.pk).update(pinned_at=None, pinned_because="")
    CustodyEvent.objects.append("case_unpinned", locked, by=by)


def _locked(case: Case, *, by: User) -> Case:
    if not by.has_perm(permissions.DECIDE_FINAL):
        raise NotPinned("Only a lead pins a case.")
    return Case.objects.select_for_update(no_key=True).get(pk=case.pk)
