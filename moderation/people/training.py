"""Recording who was trained in what, when and until when; and striking out a wrong record."""

from datetime import date, timedelta

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from moderation.models import CustodyEvent, Grant, Training
from moderation.models.training import LONGEST_DAYS
from moderation.permissions import PREVIEW_GRANT

USUAL_DAYS = 365
SOON = 30  # days before its end from which a training is shown as running out


class TrainingRefused(Exception):
    """The training cannot be recorded as it stands; the message says why."""


def best(person: User) -> Training | None:
    """Return the person's valid training that counts longest, None without one."""
    return Training.objects.valid().filter(person=person).order_by("-until", "-pk").first()


@transaction.atomic
def record(
    person: User, *, what: str, held_on: date, until: date | None = None, by: User
) -> Training:
    """Write down a training that took place; it counts USUAL_DAYS where nothing else is said.

    Raises:
        PermissionDenied: one's own, or by somebody who grants no previews.
        TrainingRefused: not held yet, over already, or counting too long.
    """
    if by.pk == person.pk or not by.has_perm(PREVIEW_GRANT):
        raise PermissionDenied
    today = timezone.localdate()
    until = until or held_on + timedelta(days=USUAL_DAYS)
    if held_on > today:
        raise TrainingRefused("The training has not taken place yet.")
    if until <= held_on or until < today:
        raise TrainingRefused("The training must count until after today.")
    if until > held_on + timedelta(days=LONGEST_DAYS):
        raise TrainingRefused(f"A training counts {LONGEST_DAYS} days at most.")
    training = Training.objects.create(
        person=person, what=what, held_on=held_on, until=until, recorded_by=by
    )
    CustodyEvent.objects.append(
        "training_recorded",
        person,
        by=by,
        after={
            "training": training.pk,
            "held_on": held_on.isoformat(),
            "until": until.isoformat(),
        },
    )
    return training


@transaction.atomic
def strike(training: Training, *, by: User) -> bool:
    """Strike out a wrong record, and end the grants of previews given on it; False the second time.

    Raises PermissionDenied for one's own, or by somebody who may not.
    """
    if by.pk == training.person_id or not by.has_perm(PREVIEW_GRANT):
        raise PermissionDenied
    now = timezone.now()
    open_ = Training.objects.filter(pk=training.pk, struck_at__isnull=True)
    if not open_.update(struck_at=now):
        return False
    grants = Grant.objects.live().filter(training=training, level__gt=0)
    ended = sorted(grants.values_list("pk", flat=True))
    Grant.objects.filter(pk__in=ended).update(withdrawn_at=now)
    CustodyEvent.objects.append(
        "training_struck",
        training.person,
        by=by,
        after={"training": training.pk, "grants": ended},
    )
    return True
