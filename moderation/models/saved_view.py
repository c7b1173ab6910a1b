"""A saved view: filters of the queue or the audit page, kept under a name."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

from .custody import plain_words

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def of(self, user: "User") -> "SavedViewQuerySet":
        """The person's own, and what others share."""
        return self.filter(models.Q(owner=user) | models.Q(shared=True))


class SavedView(models.Model):
    """What to look at, and never what may be seen: the page decides that for whoever opens it."""

    class Page(models.TextChoices):
        QUEUE = "queue", "Queue"
        AUDIT = "audit", "Audit"

    name = models.CharField(max_length=60, validators=[plain_words])
    page = models.CharField(max_length=10, choices=Page.choices)
    query = models.CharField(max_length=1000, help_text="As it stands in the page's address.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views"
    )
    shared = models.BooleanField(default=False, help_text="With all who may open the page.")

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "page", "name"], name="one_view_of_a_name")
        ]

    def __str__(self) -> str:
        return f"saved view {self.pk}"
