"""The database's side of the evidence store: which sealed bytes exist, and their keys."""

import uuid

from django.db import models


class SealedObjectQuerySet(models.QuerySet["SealedObject"]):
    def readable(self) -> "SealedObjectQuerySet":
        return self.filter(wrapped_key__isnull=False)

    def unused(self) -> "SealedObjectQuerySet":
        """Nothing refers to them: whoever sealed them was stopped before it could."""
        links = [each.name for each in SealedObject._meta.related_objects]
        return self.filter(**{f"{name}__isnull": True for name in links})

    def to_erase(self) -> "SealedObjectQuerySet":
        """Their key is destroyed, their file not yet known to be gone."""
        return self.filter(shredded_at__isnull=False, erased_at__isnull=True)


class SealedObject(models.Model):
    """Encrypted bytes in the evidence store. Without its wrapped key nobody can read them (H11)."""

    class Kind(models.TextChoices):
        PREVIEW = "preview"
        PAYLOAD = "payload"
        MANIFEST = "manifest"
        EXPORT = "export"
        HEAD = "head"  # of the chain of custody

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    sha256 = models.CharField(max_length=64, help_text="Of the plain bytes.")
    size = models.PositiveBigIntegerField()
    wrapped_key = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    shredded_at = models.DateTimeField(null=True, help_text="When its key was destroyed.")
    erased_at = models.DateTimeField(null=True, help_text="When its file was deleted, after that.")

    objects = SealedObjectQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["shredded_at"],
                name="sealed_to_erase",
                condition=models.Q(shredded_at__isnull=False, erased_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"sealed {self.kind} {self.pk}"
