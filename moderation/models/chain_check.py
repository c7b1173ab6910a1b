"""One check of the chain of custody: how far it is, and what it found."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from .custody import in_groups
from .sealed import SealedObject

LOST_AFTER = timedelta(minutes=5)  # without a sign of life
EVERY = timedelta(hours=24)
OVERDUE = timedelta(hours=48)  # since the last result: then a page says that no check has run


class ChainCheckQuerySet(models.QuerySet["ChainCheck"]):
    def running(self) -> "ChainCheckQuerySet":
        return self.filter(state=ChainCheck.State.RUNNING)

    def with_result(self) -> "ChainCheckQuerySet":
        """Those that came to their end, the newest first."""
        return self.filter(state__in=ChainCheck.RESULTS).order_by("-finished_at", "-pk")


class ChainCheck(models.Model):
    class State(models.TextChoices):
        RUNNING = "running"
        INTACT = "intact"
        BROKEN = "broken"
        LOST = "lost"  # its worker ended; it says nothing of the chain

    class Why(models.TextChoices):
        """How a chain that is broken was found out."""

        EVENT = "event"  # one that does not follow from the one before it
        NOTE = "note"  # intact in itself, and not the chain of which a head was noted before

    RESULTS = (State.INTACT, State.BROKEN)

    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Nobody for the schedule's.",
    )
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, help_text="Its last sign of life.")
    finished_at = models.DateTimeField(null=True)
    expected = models.PositiveBigIntegerField(help_text="Events when it began.")
    events = models.PositiveBigIntegerField(default=0, help_text="Of these checked, so far.")
    head = models.BinaryField(null=True)
    broken_at = models.PositiveBigIntegerField(null=True, help_text="The event that does not fit.")
    why = models.CharField(max_length=10, choices=Why.choices, blank=True)
    sealed = models.OneToOneField(
        SealedObject,
        on_delete=models.PROTECT,
        null=True,
        related_name="chain_check",
        help_text="The note of its head in the evidence store.",
    )

    objects = ChainCheckQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="running"), name="one_chain_check"
            )
        ]

    def __str__(self) -> str:
        return f"check {self.pk} of the chain"

    @property
    def head_in_groups(self) -> str:
        return in_groups(bytes(self.head).hex()) if self.head is not None else ""

    @property
    def is_lost(self) -> bool:
        """Whether it says that it runs, and has not been seen for long."""
        silent = self.seen_at < timezone.now() - LOST_AFTER
        return self.state == self.State.RUNNING and silent

    @property
    def is_old(self) -> bool:
        """Whether another one should have had a result since."""
        return self.finished_at is not None and self.finished_at < timezone.now() - OVERDUE
