"""What a list owner is told: that two people hold a known hash wrong; and what came of it."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from .decision import Decision
from .hash_list import KnownHash


class DisputeConflict(Exception):
    """The dispute is no longer in the state that the caller saw."""


class DisputeQuerySet(models.QuerySet["Dispute"]):
    def unended(self) -> "DisputeQuerySet":
        """The list owner has not answered, as far as we know."""
        return self.exclude(state=Dispute.State.ENDED)


class Dispute(models.Model):
    """One known hash that a decision holds wrong; disabled here while nobody knows better."""

    class State(models.TextChoices):
        RAISED = "raised", "Owner not told yet"
        TOLD = "told", "Owner told"
        ENDED = "ended", "Ended"

    class Told(models.TextChoices):
        EXPORT = "export", "by a file taken out"
        BY_HAND = "by_hand", "by hand, on another channel"

    class Outcome(models.TextChoices):
        UPHELD = "upheld", "The owner agrees: the known hash is wrong"
        REJECTED = "rejected", "The owner stands by the known hash"
        NO_ANSWER = "no_answer", "No answer: it stays disabled here"
        RETRACTED = "retracted", "Taken back: the case was decided otherwise"

    # (state, event) -> next state. Telling again is no error: a file may be taken out twice.
    TRANSITIONS: dict[tuple[str, str], str] = {
        (State.RAISED, "tell"): State.TOLD,
        (State.TOLD, "tell"): State.TOLD,
        (State.RAISED, "end"): State.ENDED,
        (State.TOLD, "end"): State.ENDED,
    }

    known_hash = models.ForeignKey(KnownHash, on_delete=models.PROTECT, related_name="disputes")
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="disputes")
    state = models.CharField(max_length=10, choices=State.choices, default=State.RAISED)
    disabled = models.BooleanField(help_text="Whether it was this dispute that disabled the value.")
    raised_at = models.DateTimeField(auto_now_add=True)
    told_at = models.DateTimeField(null=True)
    told_how = models.CharField(max_length=10, choices=Told.choices, blank=True)
    told_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    note = models.CharField(max_length=300, blank=True, help_text="What the owner said, in short.")

    objects = DisputeQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["known_hash"], condition=~Q(state="ended"), name="one_dispute_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(state="ended") & ~Q(outcome="") | ~Q(state="ended") & Q(outcome=""),
                name="ended_with_an_outcome",
            ),
        ]

    def __str__(self) -> str:
        return f"dispute {self.pk}"

    def move(self, event: str, **changes: object) -> None:
        """Make the transition ``event`` of a locked row, or raise DisputeConflict."""
        target = self.TRANSITIONS.get((self.state, event))
        if target is None:
            raise DisputeConflict(f"dispute {self.pk}: no {event} from {self.state}")
        for name, value in (changes | {"state": target}).items():
            setattr(self, name, value)
        self.save(update_fields=[*changes, "state"])
