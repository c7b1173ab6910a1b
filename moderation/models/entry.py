"""An entry becomes a row only when it is flagged or reached by a decision."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from .dataset import Revision, Shard
from .sealed import SealedObject


class EntryQuerySet(models.QuerySet["Entry"]):
    def in_quarantine(self) -> "EntryQuerySet":
        return self.filter(quarantined_at__isnull=False)


class Entry(models.Model):
    """One row of a revision: where it stands, its hashes, and what happened to it.

    ``sealed`` holds URL and caption, encrypted (H16); read it with
    ``moderation.evidence.sealing``.
    """

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="entries")
    shard = models.ForeignKey(Shard, on_delete=models.CASCADE, related_name="entries")
    row = models.PositiveBigIntegerField(help_text="Counts from 0 inside the shard.")
    row_key = models.CharField(max_length=200, blank=True)
    url_key = models.BinaryField(null=True, help_text="Keyed hash of the URL, 16 bytes.")
    sealed = models.BinaryField()

    md5 = models.BinaryField(null=True)
    sha1 = models.BinaryField(null=True)
    sha256 = models.BinaryField(null=True)
    pdq = models.BinaryField(null=True)
    pdq_quality = models.PositiveSmallIntegerField(null=True)
    pdq_bands = ArrayField(models.IntegerField(), null=True, help_text="band * 65536 + its value")
    phash = models.BinaryField(null=True)

    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    format = models.CharField(max_length=20, blank=True)
    size = models.PositiveBigIntegerField(null=True)
    provenance = models.JSONField(
        default=list, help_text="Signals with name and strength, never a verdict."
    )
    tie_break = models.FloatField(
        null=True, help_text="The dataset's own score; orders, never decides."
    )

    outcome = models.CharField(max_length=20)
    reason = models.CharField(max_length=40)
    http_status = models.PositiveSmallIntegerField(null=True)
    fetched_at = models.DateTimeField(null=True)
    quarantined_at = models.DateTimeField(null=True)

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "entries"
        constraints = [models.UniqueConstraint(fields=["shard", "row"], name="one_entry_per_row")]
        indexes = [
            models.Index(fields=["url_key"]),
            models.Index(fields=["md5"]),
            models.Index(fields=["sha1"]),
            models.Index(fields=["sha256"]),
            models.Index(fields=["pdq"]),
            GinIndex(fields=["pdq_bands"], name="entry_pdq_bands"),
        ]

    def __str__(self) -> str:
        return f"entry {self.pk}"


class Preview(models.Model):
    """One grey, small copy of an entry's picture, sealed when the entry was scanned."""

    class Level(models.IntegerChoices):
        L1 = 1, "24 px"
        L2 = 2, "64 px"
        L3 = 3, "256 px, blurred"

    entry = models.ForeignKey(Entry, on_delete=models.CASCADE, related_name="previews")
    level = models.PositiveSmallIntegerField(choices=Level.choices)
    drawing = models.BooleanField(default=False, help_text="Of its lines alone, at 128 px.")
    sealed = models.OneToOneField(SealedObject, on_delete=models.PROTECT)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["entry", "level", "drawing"], name="one_preview_of_a_kind"
            ),
            models.CheckConstraint(
                condition=models.Q(drawing=False) | models.Q(level=2), name="drawings_are_l2"
            ),
        ]

    def __str__(self) -> str:
        return f"preview {self.pk}"


def copy_words(level: int, *, drawing: bool = False) -> str:
    """What a preview of that level is, in words."""
    return "line drawing, 128 px" if drawing else f"{Preview.Level(level).label}, grey"
