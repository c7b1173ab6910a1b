"""The H1 switch: fetching is on only while a recorded legal basis says so."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class LegalBasisQuerySet(models.QuerySet["LegalBasis"]):
    def current(self) -> "LegalBasisQuerySet":
        return self.filter(ended_at__isnull=True, until__gt=timezone.now())


class LegalBasis(models.Model):
    """Why fetching is allowed here, who answers for it, and until when."""

    basis = models.TextField()
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
