"""The H1 switch: fetching and previews are open only while a recorded legal basis says so."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class LegalBasisQuerySet(models.QuerySet["LegalBasis"]):
    def current(self) -> "LegalBasisQuerySet":
        return self.filter(ended_at__isnull=True, until__gt=timezone.now())

    def for_previews(self) -> "LegalBasisQuerySet":
        """In force, and whole: previews want the jurisdiction as well."""
        return self.current().exclude(jurisdiction="")


class LegalBasis(models.Model):
    """Why fetching and previews are allowed here, under which law, who answers, until when."""

    basis = models.TextField()
    jurisdiction = models.CharField(
        max_length=100, blank=True, help_text="Whose law it is. Empty opens no preview."
    )
    officer = models.CharField(max_length=200)
    until = models.DateTimeField()
    recorded_at = models.DateTimeField(auto_now_add=True)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True)

    objects = LegalBasisQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "legal bases"

    def __str__(self) -> str:
        return f"legal basis {self.pk}"
