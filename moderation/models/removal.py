"""Entries asked out of a dataset, the manifests that say so, the receipts of who applied them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from .dataset import Revision
from .decision import Decision
from .entry import Entry
from .sealed import SealedObject


class RemovalQuerySet(models.QuerySet["Removal"]):
    def standing(self) -> "RemovalQuerySet":
        return self.exclude(state=Removal.State.WITHDRAWN)

    def unverified(self) -> "RemovalQuerySet":
        return self.filter(state__in=[Removal.State.DUE, Removal.State.LISTED])


class Removal(models.Model):
    class State(models.TextChoices):
        DUE = "due", "Confirmed, not yet in a manifest"
        LISTED = "listed", "In a manifest"
        VERIFIED = "verified", "Verified gone"
        WITHDRAWN = "withdrawn", "Withdrawn"

    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="removals")
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="removals")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DUE)
    asked_at = models.DateTimeField(auto_now_add=True)
    verified_at = models.DateTimeField(null=True)
    verified_in = models.ForeignKey(
        Revision, on_delete=models.PROTECT, null=True, related_name="verified_removals"
    )

    objects = RemovalQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["entry"], condition=~Q(state="withdrawn"), name="one_standing_removal"
            )
        ]

    def __str__(self) -> str:
        return f"removal {self.pk}"


class Manifest(models.Model):
    """A signed, numbered file of removals for one revision; its bytes lie in the evidence store."""

    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="manifests")
    number = models.PositiveIntegerField()
    sealed = models.OneToOneField(SealedObject, on_delete=models.PROTECT)
    sha256 = models.CharField(max_length=64)
    line_count = models.PositiveBigIntegerField()
    built_at = models.DateTimeField(auto_now_add=True)
    built_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)

    class Meta:
        ordering = ["revision", "number"]
        constraints = [
            models.UniqueConstraint(fields=["revision", "number"], name="one_manifest_number")
        ]

    def __str__(self) -> str:
        return f"manifest {self.pk}"


class ManifestLine(models.Model):
    manifest = models.ForeignKey(Manifest, on_delete=models.CASCADE, related_name="lines")
    removal = models.ForeignKey(Removal, on_delete=models.PROTECT, related_name="lines")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["manifest", "removal"], name="one_line_per_removal")
        ]

    def __str__(self) -> str:
        return f"manifest line {self.pk}"


class Receipt(models.Model):
    """Proof that a manifest was applied to a set of shards."""

    manifest = models.ForeignKey(Manifest, on_delete=models.PROTECT, related_name="receipts")
    rows_in = models.PositiveBigIntegerField()
    rows_out = models.PositiveBigIntegerField()
    removed = models.PositiveBigIntegerField()
    provisional = models.PositiveBigIntegerField(
        default=0, help_text="Left out beside the lines of the manifest, while people decide."
    )
    unlisted = models.PositiveBigIntegerField(
        default=0, help_text="Left out likewise: confirmed since the manifest was built."
    )
    checksums = models.JSONField(help_text="Name of each file written to its SHA-256.")
    applied_at = models.DateTimeField(auto_now_add=True)
    applied_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)

    def __str__(self) -> str:
        return f"receipt {self.pk}"
