"""A dataset, its revisions, and the shards (files) each revision is made of."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from moderation import files


class Dataset(models.Model):
    """A published collection of links or pictures."""

    name = models.CharField(max_length=200, unique=True)
    synthetic = models.BooleanField(
        default=False, help_text="Made-up data for demos and training; never reported for real."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class RevisionQuerySet(models.QuerySet["Revision"]):
    def named(self, name: str) -> "RevisionQuerySet":
        """The revision written ``NAME@LABEL``; empty when there is no such one or no ``@``."""
        dataset, _, label = name.rpartition("@")
        return self.filter(dataset__name=dataset, label=label)


class Revision(models.Model):
    """One release of a dataset."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="revisions")
    label = models.CharField(max_length=100)
    registered_at = models.DateTimeField(auto_now_add=True)

    objects = RevisionQuerySet.as_manager()

    class Meta:
        ordering = ["dataset__name", "registered_at"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "label"], name="one_label_per_dataset")
        ]

    def __str__(self) -> str:
        return f"{self.dataset.name}@{self.label}"


class Shard(models.Model):
    """One file (or one folder of pictures) of a revision; it stays where it is."""

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="shards")
    number = models.PositiveIntegerField(help_text="Counts from 0 inside the revision.")
    form = models.CharField(max_length=40)
    location = models.CharField(max_length=1000)
    columns = models.JSONField(default=dict, help_text="Field to column, as registered.")
    rows = models.PositiveBigIntegerField()
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    checksum = models.CharField(max_length=64, help_text="SHA-256 in hex.")
    ledger = models.CharField(max_length=1000, blank=True)
    ledger_checksum = models.CharField(max_length=64, blank=True)
    lacks = ArrayField(
        models.CharField(max_length=20),
        default=list,
        help_text="Algorithms of which its ledger is known to have no value.",
    )

    class Meta:
        ordering = ["revision", "number"]
        constraints = [
            models.UniqueConstraint(fields=["revision", "number"], name="one_shard_number"),
            models.UniqueConstraint(fields=["revision", "location"], name="one_shard_location"),
        ]

    def __str__(self) -> str:
        return f"shard {self.pk}"

    def forget_ledger(self) -> None:
        """Its ledger cannot be relied on: the next scan reads the shard itself."""
        self.ledger = self.ledger_checksum = ""
        self.lacks = []
        self.save(update_fields=["ledger", "ledger_checksum", "lacks"])

    @property
    def name(self) -> str:
        """The last part of the location: what a person calls the file."""
        return files.name_of(self.location)
