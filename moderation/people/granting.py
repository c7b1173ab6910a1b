"""Giving and withdrawing grants: dated, for named harm classes, and never to oneself."""

from datetime import UTC, datetime, time, timedelta

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from moderation.models import CustodyEvent, Grant, Training
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
from moderation.review import queue

from . import training

BEFORE = timedelta(minutes=1)  # the database's clock may be a little behind ours
SOON = 14  # days before its end from which a grant is shown as running out
FINDS_BY_GRANT = (CASE_OPEN, REPORT_COMPOSE, REPORT_APPROVE, REPORT_EXPORT)
WITH_CASES = [name for name, held in ROLES.items() if set(held) & set(FINDS_BY_GRANT)]
WITH_PREVIEWS = [name for name, held in ROLES.items() if CASE_OPEN in held]


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
    wellbeing_checked: bool = False,
) -> Grant:
    """Write a grant from now on for so many days; previews on a valid training, and no longer.

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
    renewed = Grant.objects.filter(person=to, level__gt=0).exists()
    if level and renewed and not wellbeing_checked:
        raise GrantRefused("Renewing previews needs a wellbeing check that took place.")
    now = timezone.now()
    ends_at = now - BEFORE + timedelta(days=days)
    on = training.best(to) if level else None
    if level and on is None:
        raise GrantRefused("Previews need a valid training: record it first, below.")
    if on is not None and ends_at > (over := _end_of(on)):
        left = max(0, (over - now).days)
        raise GrantRefused(
            f"The training counts until {on.until:%d %b %Y}: give at most {left} days, or record"
            " a newer training first."
        )
    grant = Grant.objects.create(
        person=to,
        harm_classes=sorted(set(classes)),
        level=level,
        starts_at=now - BEFORE,
        ends_at=ends_at,
        given_by=by,
        training=on,
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
            "training": on.pk if on else None,
            "trained_on": on.held_on.isoformat() if on else None,
            "wellbeing_checked": wellbeing_checked,
        },
    )
    return grant


@transaction.atomic
def withdraw(grant: Grant, *, by: User) -> bool:
    """End a grant now; return False where it had ended already.

    Cases in the person's hands that no other grant covers go back to the queue, drafts kept.

    Raises:
        PermissionDenied: one's own, or by somebody who may not.
    """
    if by.pk == grant.person_id or not by.has_perm(PREVIEW_GRANT):
        raise PermissionDenied
    if not Grant.objects.live().filter(pk=grant.pk).update(withdrawn_at=timezone.now()):
        return False
    queue.take_back(grant.person, by=by, only_past=True)
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
    made_up = _made_up_training(person) if opens else None
    Grant.objects.create(
        person=person,
        harm_classes=sorted(HarmClass.values),
        level=max(Grant.Level.values) if opens else 0,
        starts_at=now - BEFORE,
        ends_at=now - BEFORE + timedelta(days=PREVIEW_DAYS),
        training=made_up,
        wellbeing_checked=True,
    )


def _made_up_training(person: User) -> Training:
    today = timezone.localdate()
    return Training.objects.create(
        person=person,
        what="Made-up training",
        held_on=today,
        until=today + timedelta(days=training.USUAL_DAYS),
    )


def _end_of(on: Training) -> datetime:
    """The moment after the training's last day."""
    return datetime.combine(on.until + timedelta(days=1), time(), tzinfo=UTC)
