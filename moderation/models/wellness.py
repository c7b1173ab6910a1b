"""What a person has set for themselves about looks and breaks, and where their looks stand.

Private: nobody but the person reads it, and no custody event tells of it. A lead learns one thing
alone, that the person asks for their exposure to be set back.
"""

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from .case import HarmClass

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class WellnessManager(models.Manager["Wellness"]):
    def of(self, person: "User") -> "Wellness":
        """The person's row, or a fresh one that is not saved yet."""
        return self.filter(person=person).first() or Wellness(person=person)


class Wellness(models.Model):
    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="wellness"
    )
    day_limit = models.DecimalField(max_digits=6, decimal_places=1, null=True)
    week_limit = models.DecimalField(max_digits=6, decimal_places=1, null=True)
    opted_out = ArrayField(
        models.CharField(max_length=20, choices=HarmClass.choices), default=list, blank=True
    )
    highest = models.JSONField(default=dict, help_text="By harm class: no level above this one.")
    drawings = ArrayField(
        models.CharField(max_length=20, choices=HarmClass.choices),
        default=list,
        blank=True,
        help_text="Harm classes in which L2 begins as a drawing.",
    )
    shift_ends_at = models.DateTimeField(null=True)
    breaks_counted_from = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True, help_text="Evidence alone until a lead resets it.")
    asked_at = models.DateTimeField(null=True, help_text="When they asked a lead for that.")
    points_counted_from = models.DateTimeField(null=True, help_text="When a lead last reset it.")

    objects = WellnessManager()

    class Meta:
        verbose_name_plural = "wellness"

    def __str__(self) -> str:
        return f"wellness {self.pk}"
