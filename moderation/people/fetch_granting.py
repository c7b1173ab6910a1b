"""Letting a named person start scans that fetch: dated, and never oneself.

It is for those who answer for the legal basis: who records that says by whom it is used.
"""

from datetime import timedelta

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from moderation.models import CustodyEvent, FetchGrant
from moderation.models.fetch_grant import FETCH_DAYS
from moderation.permissions import ROLES, SCAN_FETCH, SETTINGS_MANAGE

from .granting import BEFORE, GrantRefused

FETCHING = [name for name, held in ROLES.items() if SCAN_FETCH in held]


@transaction.atomic
def give(to: User, *, by: User, days: int) -> FetchGrant:
    """Let somebody fetch from now on for so many days.

    Raises:
        PermissionDenied: to oneself, or by somebody who may not.
        GrantRefused: too long, or to somebody whose role has no such scans.
    """
    if by.pk == to.pk or not by.has_perm(SETTINGS_MANAGE):
        raise PermissionDenied
    if not to.is_active or not to.has_perm(SCAN_FETCH):
        raise GrantRefused("Only a list manager starts scans that fetch.")
    if not 0 < days <= FETCH_DAYS:
        raise GrantRefused(f"A grant of fetching lasts 1 to {FETCH_DAYS} days.")
    grant = _write(to, by=by, days=days)
    CustodyEvent.objects.append(
        "fetching_granted",
        to,
        by=by,
        after={"grant": grant.pk, "until": grant.ends_at.isoformat()},
    )
    return grant


@transaction.atomic
def withdraw(grant: FetchGrant, *, by: User) -> bool:
    """End a grant now; return False where it had ended already.

    Raises:
        PermissionDenied: one's own, or by somebody who may not.
    """
    if by.pk == grant.person_id or not by.has_perm(SETTINGS_MANAGE):
        raise PermissionDenied
    live = FetchGrant.objects.live().filter(pk=grant.pk)
    if not live.update(withdrawn_at=timezone.now()):
        return False
    CustodyEvent.objects.append(
        "fetching_withdrawn", grant.person, by=by, after={"grant": grant.pk}
    )
    return True


def let_made_up(person: User) -> None:
    """Let a made-up person fetch whose role has such scans, where no grant is in force."""
    roles = set(person.groups.values_list("name", flat=True))
    if roles & set(FETCHING) and not FetchGrant.objects.live().filter(person=person).exists():
        _write(person, by=None, days=FETCH_DAYS)


def _write(to: User, *, by: User | None, days: int) -> FetchGrant:
    starts_at = timezone.now() - BEFORE
    return FetchGrant.objects.create(
        person=to, starts_at=starts_at, ends_at=starts_at + timedelta(days=days), given_by=by
    )
