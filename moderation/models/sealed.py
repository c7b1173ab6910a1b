"""The database's side of the evidence store: which sealed bytes exist, and their keys."""

import uuid

from django.db import models
from django.utils import timezone


class SealedObjectQuerySet(models.QuerySet["SealedObject"]):
    def readable(self) -> "SealedObjectQuerySet":
        return self.filter(wrapped_key__isnull=False)

    def due(self) -> "SealedObjectQuerySet":
        """Past their retention and not under a legal hold (H10)."""
        return self.readable().filter(keep_until__lt=timezone.now(), legal_hold=False)


class SealedObject(models.Model):
    """Encrypted bytes in the evidence store. Without its wrapped key nobody can read them (H11)."""

    class Kind(models.TextChoices):
        PREVIEW = "preview"
        PAYLOAD = "payload"
        MANIFEST = "manifest"
        EXPORT = "export"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    sha256 = models.CharField(max_length=64, help_text="Of the plain bytes.")
    size = models.PositiveBigIntegerField()
    wrapped_key = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    keep_until = models.DateTimeField(null=True)
    legal_hold = models.BooleanField(default=False)
    shredded_at = models.DateTimeField(null=True)

    objects = SealedObjectQuerySet.as_manager()

    def __str__(self) -> str:
        return f"sealed {self.kind} {self.pk}"
