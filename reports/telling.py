"""Confirmed cases that no report can carry: who told the hotline on another channel, and when.

A report is of links; a case without any is told by phone or mail, by a person. That this was done
stands in the chain of custody, under the case.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Cast
from django.utils import timezone

from moderation.models import Case, CustodyEvent
from reports.agencies import environments
from reports.models import ReportRefused, refuse_links

ACTION = "hotline_told"
CHANNELS = {"phone": "Phone", "mail": "Mail", "other": "Another channel"}
SHOWN = 25


@dataclass(frozen=True)
class Told:
    """One record of it."""

    case: int
    by: str  # pseudonym
    at: datetime
    channel: str
    reference: str


def was_told() -> Exists:
    """For a queryset of cases: whether the hotline was told of the case as it now stands closed."""
    events = CustodyEvent.objects.filter(
        action=ACTION,
        object_type="case",
        object_id=Cast(OuterRef("pk"), models.CharField()),
        at__gte=OuterRef("closed_at"),
    )
    return Exists(events)


def told(classes: Collection[str]) -> list[Told]:
    """Return what was recorded of cases of these harm classes, the newest first, SHOWN at most."""
    events = CustodyEvent.objects.filter(action=ACTION, object_type="case").order_by("-seq")
    cases = Case.objects.filter(
        pk__in=map(int, events.values_list("object_id", flat=True)), harm_class__in=classes
    )
    events = events.filter(object_id__in=map(str, cases.values_list("pk", flat=True)))
    return [
        Told(
            case=int(event.object_id),
            by=event.actor,
            at=datetime.fromisoformat(event.after["told_at"]),
            channel=CHANNELS[event.after["channel"]],
            reference=event.after["reference"],
        )
        for event in events[:SHOWN]
    ]


def record(
    case: Case, *, by: User, channel: str, reference: str, told_at: datetime
) -> CustodyEvent:
    """Record that a person has told the hotline of a confirmed case on another channel.

    Raises:
        ReportRefused: the case is not closed, it has a report, or was told already; no reference,
            no such channel, a link or hash in the reference, or a time before the case was closed
            or to come.
    """
    reference = reference.strip()[:100]
    if not reference:
        raise ReportRefused("Enter the reference that the hotline gave.")
    refuse_links(reference, split=False)
    if channel not in CHANNELS:
        raise ReportRefused("Choose the channel: phone, mail or another one.")
    with transaction.atomic():
        locked = Case.objects.select_for_update(no_key=True).get(pk=case.pk)
        if locked.reports.live().exists():
            raise ReportRefused(f"Case {case.pk} has a report: record its reference there.")
        if Case.objects.filter(was_told(), pk=case.pk).exists():
            raise ReportRefused(
                f"It is on record already that the hotline knows of case {case.pk}."
            )
        if locked.closed_at is None or told_at < locked.closed_at.replace(second=0, microsecond=0):
            raise ReportRefused("The time is before the case was confirmed: check it.")
        if told_at > timezone.now():
            raise ReportRefused("The time lies in the future: check it (times are UTC).")
        return CustodyEvent.objects.append(
            ACTION,
            locked,
            by=by,
            after={
                "channel": channel,
                "reference": reference,
                "told_at": told_at.isoformat(),
                "environment": environments.environment_now(),
            },
        )
