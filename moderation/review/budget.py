"""The exposure budget: points for looks, limits of a day and a week, the stop, and its reset.

Counted from the Reveal rows over the last 24 hours and 7 days: looks that were opened, and tickets
that still can be. Private to the person (console.md 3): whoever else wants to know has to be told.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from moderation.models import CustodyEvent, Reveal, Wellness
from moderation.permissions import WELLNESS_TEAM
from moderation.review import leases

DAY, WEEK = timedelta(hours=24), timedelta(days=7)
TOO_LOW = (
    "Your own limit is lower than what this look costs. It opens when a lead resets your limits: "
    "you can ask for that under Me."
)
STOPPED = (
    "You have reached the exposure limit. From here you work on the evidence alone, until a lead "
    "resets it: you can ask for that under Me."
)


class NotLower(Exception):
    """People may only lower their own limits; the message says which was not."""


class NotAsked(Exception):
    """The person has not asked for a reset, or it was reset already."""


@dataclass(frozen=True)
class Used:
    """The looks at one level, and what they count."""

    level: int
    day: int
    week: int
    price: Decimal

    @property
    def day_points(self) -> Decimal:
        return _plain(self.day * self.price)

    @property
    def week_points(self) -> Decimal:
        return _plain(self.week * self.price)


@dataclass(frozen=True)
class Standing:
    """Where a person's looks stand against their limits."""

    used: tuple[Used, ...]
    day_limit: Decimal
    week_limit: Decimal
    stopped: bool

    @property
    def day(self) -> Decimal:
        return _plain(sum((each.day_points for each in self.used), Decimal(0)))

    @property
    def week(self) -> Decimal:
        return _plain(sum((each.week_points for each in self.used), Decimal(0)))

    @property
    def share(self) -> float:
        """Of the limit that is nearer, 0 to 1."""
        if self.stopped or not self.day_limit or not self.week_limit:
            return 1.0
        return min(1.0, float(max(self.day / self.day_limit, self.week / self.week_limit)))

    @property
    def near(self) -> bool:
        """Whether a banner says so."""
        return self.share >= settings.EXPOSURE_BANNER

    @property
    def spent(self) -> bool:
        """Whether no look is left, not even the cheapest."""
        return bool(self.locked(min(settings.EXPOSURE_POINTS)))

    def locked(self, level: int) -> str:
        """Why no look at this level is left; empty where one is."""
        if self.stopped:
            return STOPPED
        price = settings.EXPOSURE_POINTS[level]
        if price > min(self.day_limit, self.week_limit):
            return TOO_LOW
        if self.day + price > self.day_limit:
            return "This look would go past your limit for 24 hours."
        if self.week + price > self.week_limit:
            return "This look would go past your limit for 7 days."
        return ""


def standing(
    *, by: User, wellness: Wellness | None = None, besides: Reveal | None = None
) -> Standing:
    """Return where this person's looks stand; ``wellness`` is their row, where it was read.

    ``besides``: a look that is not counted, as it is the one asked about.
    """
    own = wellness or Wellness.objects.of(by)
    now = timezone.now()
    since = max(now - WEEK, own.points_counted_from or now - WEEK)
    live = Q(issued_at__gt=now - timedelta(seconds=settings.TICKET_SECONDS))
    looks = Reveal.objects.filter(reviewer=by, issued_at__gt=since)
    looks = looks.filter(live | Q(opened_at__isnull=False))
    if besides is not None:
        looks = looks.exclude(pk=besides.pk)
    rows = looks.values("level").annotate(
        day=Count("pk", filter=Q(issued_at__gt=now - DAY)), week=Count("pk")
    )
    counts = {row["level"]: row for row in rows}
    none = {"day": 0, "week": 0}
    return Standing(
        used=tuple(
            Used(level, counts.get(level, none)["day"], counts.get(level, none)["week"], price)
            for level, price in settings.EXPOSURE_POINTS.items()
        ),
        day_limit=_lower(own.day_limit, settings.EXPOSURE_PER_DAY),
        week_limit=_lower(own.week_limit, settings.EXPOSURE_PER_WEEK),
        stopped=own.stopped_at is not None,
    )


def note_stop(*, by: User) -> None:
    """Stop a person whose looks have reached a limit of the installation; a lead resets it.

    At a limit of their own nothing is written: as time passes, room comes back beneath it.
    """
    now = standing(by=by)
    if now.day >= settings.EXPOSURE_PER_DAY or now.week >= settings.EXPOSURE_PER_WEEK:
        Wellness.objects.update_or_create(person=by, defaults={"stopped_at": timezone.now()})


@transaction.atomic
def lower(*, by: User, day: Decimal | None, week: Decimal | None) -> None:
    """Set one's own limits, each no higher than it is now; None leaves one as it is.

    Raises:
        NotLower: one of them would rise; nothing is changed.
    """
    leases.lock_people(by)
    own = Wellness.objects.of(by)
    now = standing(by=by, wellness=own)
    for wanted, limit, words in ((day, now.day_limit, "day"), (week, now.week_limit, "week")):
        if wanted is not None and wanted > limit:
            raise NotLower(f"Your limit for a {words} is {limit} points, and can only be lowered.")
    own.day_limit = own.day_limit if day is None else day
    own.week_limit = own.week_limit if week is None else week
    own.save()


@transaction.atomic
def ask(*, by: User) -> bool:
    """Ask the leads for a reset; False where there is nothing to reset."""
    leases.lock_people(by)
    own = Wellness.objects.of(by)
    if own.stopped_at is None and own.day_limit is None and own.week_limit is None:
        return False
    own.asked_at = own.asked_at or timezone.now()
    own.save()
    return True


@transaction.atomic
def reset(person: User, *, by: User, reason: str) -> None:
    """Count a person's points from now on, and give them the installation's limits again.

    Raises:
        PermissionDenied: by somebody who may not, or for oneself.
        NotAsked: the person has not asked, or it was reset already.
    """
    if person.pk == by.pk or not by.has_perm(WELLNESS_TEAM):
        raise PermissionDenied
    leases.lock_people(person)
    reset_now = (
        asking()
        .filter(person=person)
        .update(
            stopped_at=None,
            asked_at=None,
            day_limit=None,
            week_limit=None,
            points_counted_from=timezone.now(),
        )
    )
    if not reset_now:
        raise NotAsked
    CustodyEvent.objects.append("exposure_reset", person, by=by, reason=reason)


def _lower(own: Decimal | None, everybody: Decimal) -> Decimal:
    return _plain(everybody if own is None else min(own, everybody))


def _plain(points: Decimal) -> Decimal:
    """The same number as people write it: 60 and 0.3, not 60.0 and 0.30."""
    return Decimal(f"{points.normalize():f}")


def asking() -> QuerySet[Wellness]:
    """Of whom a lead knows: those who ask for a reset, the longest first."""
    return Wellness.objects.filter(asked_at__isnull=False).order_by("asked_at")
