"""What holds from when until when, unless it is withdrawn: grants of either kind."""

from datetime import timedelta
from typing import Self, TypeVar

from django.db import models
from django.db.models.functions import Now

Row = TypeVar("Row", bound=models.Model, covariant=True)


class DatedQuerySet(models.QuerySet[Row]):
    """Of rows with ``starts_at``, ``ends_at`` and ``withdrawn_at``."""

    def live(self) -> Self:
        """In force now, by the database's clock."""
        return self.filter(starts_at__lte=Now(), ends_at__gt=Now(), withdrawn_at__isnull=True)

    def running_out(self, days: int) -> Self:
        """In force, and no longer than so many days."""
        return self.live().filter(ends_at__lte=Now() + timedelta(days=days))
