"""A grant: which harm classes a person works on, up to which preview, from when until when (H4).

Never open-ended and never "all": each names its classes and ends by itself.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Max, Q

from .case import HarmClass
from .dated import DatedQuerySet
from .training import Training

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PREVIEW_DAYS = 90  # at most, for a grant of previews
CASE_DAYS = 366  # at most, for one of cases without previews


class GrantQuerySet(DatedQuerySet["Grant"]):
    def classes(self, person: "User") -> list[str]:
        """The harm classes whose cases the person may see now."""
        granted = self.live().filter(person=person).values_list("harm_classes", flat=True)
        return sorted({each for classes in granted for each in classes})

    def level(self, person: "User", harm_class: str) -> int:
        """The highest preview level open to the person for that class now; 0 without a grant."""
        granted = self.live().filter(person=person, harm_classes__contains=[harm_class])
        return granted.aggregate(level=Max("level"))["level"] or 0


class Grant(models.Model):
    class Level(models.IntegerChoices):
        L0 = 0, "No previews: evidence alone"
        L1 = 1, "Previews up to 24 px"
        L2 = 2, "Previews up to 64 px, or a line drawing of 128 px"
        L3 = 3, "Previews up to 256 px, blurred, only while held"

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="grants"
    )
    harm_classes = ArrayField(models.CharField(max_length=20, choices=HarmClass.choices))
    level = models.PositiveSmallIntegerField(choices=Level.choices)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="grants_given",
        help_text="Nobody for a made-up installation's own.",
    )
    training = models.ForeignKey(
        Training, on_delete=models.PROTECT, null=True, help_text="Previews are granted on one."
    )
    wellbeing_checked = models.BooleanField(
        default=False, help_text="That a check took place; never what was said."
    )
    withdrawn_at = models.DateTimeField(null=True)

    objects = GrantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at"))
                & (
                    Q(ends_at__lte=F("starts_at") + timedelta(days=PREVIEW_DAYS))
                    | Q(level=0, ends_at__lte=F("starts_at") + timedelta(days=CASE_DAYS))
                ),
                name="grant_ends",
            ),
            models.CheckConstraint(
                condition=Q(given_by__isnull=True) | ~Q(given_by=F("person")),
                name="nobody_grants_themselves",
            ),
            models.CheckConstraint(
                condition=Q(level=0) | Q(training__isnull=False), name="previews_by_training"
            ),
            models.CheckConstraint(condition=~Q(harm_classes=[]), name="grant_names_its_classes"),
        ]

    def __str__(self) -> str:
        return f"grant {self.pk}"

    @property
    def class_words(self) -> list[str]:
        return [HarmClass(each).label for each in self.harm_classes]
