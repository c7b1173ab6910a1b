"""Giving and withdrawing grants: dated, for named harm classes, and never to oneself."""

from datetime import date, timedelta

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from moderation.models import CustodyEvent, Grant
from moderation.models.case import HarmClass
from moderation.models.grant import CASE_DAYS, PREVIEW_DAYS
from moderation.permissions import (
    CASE_OPEN,
    PREVIEW_GRANT,
    REPORT_APPROVE,
    REPORT_COMPOSE,
    REPORT_EXPORT,
    ROLES,
)

BEFORE = timedelta(minutes=1)  # the database's clock may be a little behind ours
SOON = 14  # days before its end from which a grant is shown as running out
FINDS_BY_GRANT = (CASE_OPEN, REPORT_COMPOSE, REPORT_APPROVE, REPORT_EXPORT)
WITH_CASES = [name for name, held in ROLES.items() if set(held) & set(FINDS_BY_GRANT)]


class GrantRefused(Exception):
    """The grant cannot be given as it stands; the message says why."""


@transaction.atomic
def give(
    to: User,
    *,
    by: User,
    classes: list[str],
    level: int,
    days: int,
    trained_on: date | None = None,
    wellbeing_checked: bool = False,
) -> Grant:
    """Write a grant from now on for so many days.

    Raises:
        PermissionDenied: to oneself, or by somebody who may not.
        GrantRefused: too long, without its training, or renewed without a wellbeing check.
    """
    if by.pk == to.pk or not by.has_perm(PREVIEW_GRANT):
        raise PermissionDenied
    if not to.is_active or not any(to.has_perm(each) for each in FINDS_BY_GRANT):
        raise GrantRefused("Only who opens cases or sees reports needs a grant.")
    if level and not to.has_perm(CASE_OPEN):
        raise GrantRefused("Only who opens cases has previews: choose evidence alone.")
    most = PREVIEW_DAYS if level else CASE_DAYS
    if not 0 < days <= most:
        raise GrantRefused(f"At this level a grant lasts 1 to {most} days.")
    if not classes:
        raise GrantRefused("Name at least one harm class.")
    if level and trained_on is None:
        raise GrantRefused("Previews need a training on record: give its date.")
    if trained_on and trained_on > timezone.localdate():
        raise GrantRefused("The training has not taken place yet.")
    renewed = Grant.objects.filter(person=to, level__gt=0).exists()
    if level and renewed and not wellbeing_checked:
        raise GrantRefused("Renewing previews needs a wellbeing check that took place.")
    now = timezone.now()
    grant = Grant.objects.create(
        person=to,
        harm_classes=sorted(set(classes)),
        level=level,
        starts_at=now - BEFORE,
        ends_at=now - BEFORE + timedelta(days=days),
        given_by=by,
        trained_on=trained_on,
        wellbeing_checked=wellbeing_checked,
    )
    CustodyEvent.objects.append(
        "grant_given",
        to,
        by=by,
        after={
            "grant": grant.pk,
            "harm_classes": grant.harm_classes,
            "level": level,
            "until": grant.ends_at.isoformat(),
            "trained_on": trained_on.isoformat() if trained_on else None,
            "wellbeing_checked": wellbeing_checked,
        },
    )
    return grant


@transaction.atomic
def withdraw(grant: Grant, *, by: User) -> bool:
    """End a grant now; return False where it had ended already.

    Raises:
        PermissionDenied: one's own, or by somebody who may not.
    """
    if by.pk == grant.person_id or not by.has_perm(PREVIEW_GRANT):
        raise PermissionDenied
    if not Grant.objects.live().filter(pk=grant.pk).update(withdrawn_at=timezone.now()):
        return False
    CustodyEvent.objects.append("grant_withdrawn", grant.person, by=by, after={"grant": grant.pk})
    return True


def give_everything(person: User) -> None:
    """Grant a made-up person every harm class, and previews to whoever opens cases, where no grant
    is in force."""
    if Grant.objects.live().filter(person=person).exists():
        return
    now = timezone.now()
    roles = person.groups.values_list("name", flat=True)
    opens = any(CASE_OPEN in ROLES.get(role, ()) for role in roles)
    Grant.objects.create(
        person=person,
        harm_classes=sorted(HarmClass.values),
        level=max(Grant.Level.values) if opens else 0,
        starts_at=now - BEFORE,
        ends_at=now - BEFORE + timedelta(days=PREVIEW_DAYS),
        trained_on=now.date(),
        wellbeing_checked=True,
    )
