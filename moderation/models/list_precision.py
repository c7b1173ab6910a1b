"""How good a list's matches are by what people decided about them, as it was counted last.

A row of its own, so that nobody who changes a list waits for who counts, nor the other way round.
"""

from django.db import models

from .hash_list import HashList

FEW = 5  # decided cases; of fewer no share is told
FEW_LOOKS = 10  # likewise of levels, which are people's own: a median of a handful tells of one


class ListPrecision(models.Model):
    """Decided cases with a match of the list, and how many of them were confirmed.

    A case counts as exact where any match of the list is of equal digests, else as near: once.
    """

    hash_list = models.OneToOneField(
        HashList, on_delete=models.CASCADE, primary_key=True, related_name="precision"
    )
    exact_reviewed = models.PositiveBigIntegerField(default=0)
    exact_confirmed = models.PositiveBigIntegerField(default=0)
    near_reviewed = models.PositiveBigIntegerField(default=0)
    near_confirmed = models.PositiveBigIntegerField(default=0)
    near_level = models.PositiveSmallIntegerField(
        null=True,
        help_text="The preview level that was enough for half of the near ones; 0 is no look. "
        "Empty where few are decided.",
    )
    exact_weight = models.FloatField(
        default=1.0, help_text="What an exact match counts in a priority, 0.5 to 1."
    )
    near_weight = models.FloatField(default=1.0, help_text="Likewise a near one.")
    weighed = models.BooleanField(
        default=True, help_text="Whether the cases that wait have their priority by these weights."
    )
    counted_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"precision of hash list {self.pk}"

    @property
    def reviewed(self) -> int:
        return self.exact_reviewed + self.near_reviewed

    @property
    def confirmed(self) -> int:
        return self.exact_confirmed + self.near_confirmed

    @property
    def percent(self) -> int | None:
        """The list's precision in per cent; None where too few cases are decided."""
        return _percent(self.confirmed, self.reviewed)

    @property
    def exact_percent(self) -> int | None:
        return _percent(self.exact_confirmed, self.exact_reviewed)

    @property
    def near_percent(self) -> int | None:
        return _percent(self.near_confirmed, self.near_reviewed)


def _percent(confirmed: int, reviewed: int) -> int | None:
    """Rounded down: 100 says that not one was kept."""
    return 100 * confirmed // reviewed if reviewed >= FEW else None
