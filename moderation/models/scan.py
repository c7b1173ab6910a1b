"""One pass over a revision, and its unit of work: one shard."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from .dataset import Revision, Shard
from .hash_list import HashListVersion


class ScanQuerySet(models.QuerySet["Scan"]):
    def live(self) -> "ScanQuerySet":
        return self.filter(state__in=[Scan.State.RUNNING, Scan.State.PAUSED])


class Scan(models.Model):
    """A pass over a revision against given list versions."""

    class Kind(models.TextChoices):
        HASH_ONLY = "hash_only", "Hashes only"
        CONTENT = "content", "With fetching"

    class Reason(models.TextChoices):
        NEW_REVISION = "new_revision", "New revision"
        NEW_LIST_VERSION = "new_list_version", "New list version"
        RULES = "rules", "Passed over before"
        REQUESTED = "requested", "Asked for"

    class State(models.TextChoices):
        RUNNING = "running"
        PAUSED = "paused"
        FINISHED = "finished"
        CANCELLED = "cancelled"
        FAILED = "failed"

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="scans")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    reason = models.CharField(max_length=20, choices=Reason.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    only_due = models.BooleanField(
        default=False, help_text="A rescan: compares only what a shard has not been compared with."
    )
    versions = models.ManyToManyField(HashListVersion, related_name="scans")
    algorithm_version = models.CharField(max_length=40)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True, help_text="Says what to do; ids only.")

    objects = ScanQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["revision"],
                condition=Q(state__in=["running", "paused"]),
                name="one_live_scan_per_revision",
            )
        ]

    def __str__(self) -> str:
        return f"scan {self.pk}"


class ShardScanQuerySet(models.QuerySet["ShardScan"]):
    def unfinished(self) -> "ShardScanQuerySet":
        return self.filter(state__in=[ShardScan.State.DUE, ShardScan.State.RUNNING])

    def claimable(self) -> "ShardScanQuerySet":
        """Due, or claimed by a worker that has not been heard of for too long."""
        silent = Now() - timedelta(seconds=settings.SCAN_SILENCE_SECONDS)
        return self.filter(scan__state=Scan.State.RUNNING).filter(
            Q(state=ShardScan.State.DUE) | Q(state=ShardScan.State.RUNNING, heard_at__lt=silent)
        )


class ShardScan(models.Model):
    """One shard in one scan. ``claim`` names the worker's attempt: only it may write the result."""

    class State(models.TextChoices):
        DUE = "due"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    scan = models.ForeignKey(Scan, on_delete=models.CASCADE, related_name="shard_scans")
    shard = models.ForeignKey(Shard, on_delete=models.CASCADE, related_name="shard_scans")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DUE)
    claim = models.UUIDField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    heard_at = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(null=True)
    rows_done = models.PositiveBigIntegerField(default=0)
    recent_rows = models.PositiveBigIntegerField(
        default=0, help_text="Those of rows_done in the minute before heard_at."
    )
    held_rows = models.PositiveBigIntegerField(
        default=0, help_text="Entries whose hosts asked for a pause, or have enough to do."
    )
    outcomes = models.JSONField(default=dict, help_text="Outcome to count.")
    reasons = models.JSONField(default=dict, help_text="Reason to count.")
    exact = models.PositiveBigIntegerField(default=0, help_text="Exact matches, all there are.")
    near = models.PositiveBigIntegerField(default=0, help_text="Near matches, all there are.")
    passed_over = models.JSONField(
        default=dict, help_text="Reason to count of the matches that raise no flag."
    )
    error = models.CharField(max_length=300, blank=True)
    finished_at = models.DateTimeField(null=True)

    objects = ShardScanQuerySet.as_manager()

    class Meta:
        ordering = ["shard__number"]
        constraints = [
            models.UniqueConstraint(fields=["scan", "shard"], name="one_shard_scan"),
        ]
        indexes = [models.Index(fields=["state", "heard_at"])]

    def __str__(self) -> str:
        return f"shard scan {self.pk}"

    def claim_now(self) -> bool:
        """Take this unit of work for one attempt; False when another has it or it is over."""
        claim = uuid.uuid4()
        taken = (
            ShardScan.objects.claimable()
            .filter(pk=self.pk)
            .update(
                state=self.State.RUNNING,
                claim=claim,
                attempts=F("attempts") + 1,
                heard_at=Now(),
                rows_done=0,
                recent_rows=0,
                held_rows=0,
            )
        )
        if taken:
            self.refresh_from_db()
        return bool(taken)

    def still_mine(self) -> "ShardScanQuerySet":
        """This row, as long as no other worker has claimed it."""
        return ShardScan.objects.filter(pk=self.pk, claim=self.claim, state=self.State.RUNNING)
