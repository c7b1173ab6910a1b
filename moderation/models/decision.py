"""The outcome that stands for a case. Never edited: a later decision supersedes it."""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from .case import Case, HarmClass, Review
from .triggers import NoTruncate


class DecisionQuerySet(models.QuerySet["Decision"]):
    def standing(self) -> "DecisionQuerySet":
        return self.filter(superseded_by__isnull=True)


class Decision(models.Model):
    class Verdict(models.TextChoices):
        CONFIRMED = "confirmed"
        CLEARED = "cleared"
        ESCALATED = "escalated"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="decisions")
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    code = models.CharField(max_length=20, choices=Review.Answer.choices)
    harm_class = models.CharField(max_length=20, choices=HarmClass.choices)
    first = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True
    )
    at = models.DateTimeField(auto_now_add=True)
    supersedes = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="superseded_by"
    )

    objects = DecisionQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            # H5 and docs/decisions/0006: two different people stand behind every verdict.
            models.CheckConstraint(
                condition=Q(second__isnull=False) & ~Q(first=F("second")),
                name="two_people_decide",
            )
        ]
        triggers = [
            pgtrigger.Protect(
                name="decisions_stand", operation=pgtrigger.Update | pgtrigger.Delete
            ),
            NoTruncate(name="never_emptied"),
        ]

    def __str__(self) -> str:
        return f"decision {self.pk}"
