"""Leave of one person to start scans that fetch, from when until when (console.md 2.5).

Beside the capability of their role, and beside the legal basis, without which nobody fetches (H1).
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from ..permissions import SCAN_FETCH
from .dated import DatedQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FETCH_DAYS = 90  # at most


class FetchGrantQuerySet(DatedQuerySet["FetchGrant"]):
    def let(self, person: "User") -> bool:
        """Whether this person may start a scan that fetches now, as far as it is up to them."""
        return person.has_perm(SCAN_FETCH) and self.live().filter(person=person).exists()


class FetchGrant(models.Model):
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="fetch_grants"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="fetch_grants_given",
        help_text="Nobody for a made-up installation's own.",
    )
    withdrawn_at = models.DateTimeField(null=True)

    objects = FetchGrantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at"))
                & Q(ends_at__lte=F("starts_at") + timedelta(days=FETCH_DAYS)),
                name="fetch_grant_ends",
            ),
            models.CheckConstraint(
                condition=Q(given_by__isnull=True) | ~Q(given_by=F("person")),
                name="nobody_lets_themselves_fetch",
            ),
        ]

    def __str__(self) -> str:
        return f"grant {self.pk} of fetching"
