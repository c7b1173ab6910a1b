"""A training that somebody took part in, and how long it counts: previews are granted on one."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

LONGEST_DAYS = 731  # that one training may count


class TrainingQuerySet(models.QuerySet["Training"]):
    def valid(self) -> "TrainingQuerySet":
        """Counting today, its last day included."""
        return self.filter(struck_at__isnull=True, until__gte=timezone.localdate())

    def running_out(self, days: int) -> "TrainingQuerySet":
        """Valid, soon not, and no later one of the same person takes its place."""
        later = Training.objects.filter(
            person=models.OuterRef("person"),
            struck_at__isnull=True,
            until__gt=models.OuterRef("until"),
        )
        soon = timezone.localdate() + timedelta(days=days)
        return self.valid().filter(~models.Exists(later), until__lte=soon)


class Training(models.Model):
    """What somebody was trained in, when, and the last day on which that counts."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="trainings"
    )
    what = models.CharField(max_length=120)
    held_on = models.DateField()
    until = models.DateField(help_text="The last day on which it counts.")
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Nobody for a made-up installation's own.",
    )
    recorded_at = models.DateTimeField(auto_now_add=True)
    struck_at = models.DateTimeField(null=True, help_text="When a wrong record was struck out.")

    objects = TrainingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(until__gt=F("held_on"))
                & Q(until__lte=F("held_on") + timedelta(days=LONGEST_DAYS)),
                name="training_ends",
            ),
            models.CheckConstraint(
                condition=Q(recorded_by__isnull=True) | ~Q(recorded_by=F("person")),
                name="nobody_records_their_own_training",
            ),
        ]

    def __str__(self) -> str:
        return f"training {self.pk}"
