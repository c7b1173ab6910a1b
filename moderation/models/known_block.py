"""What the versions of a list name, packed: a value becomes a row only when it is said to be one.

A list holds millions of values and a handful ever match. So the values that one version added for
one algorithm lie side by side in blocks, and what a later version takes back is a list of places.
Both are written once. `KnownHash` is the row of a value about which something is said: that it
matched, is disabled or noted.
"""

from typing import TYPE_CHECKING

import pgtrigger
from django.db import models
from django.db.models import Q, Sum

from .triggers import NoTruncate

if TYPE_CHECKING:
    from .hash_list import HashList

PLACE_BITS = 16
MOST = 1 << PLACE_BITS  # values in one block: 2 MiB of the widest that is matched


def number_of(block: int, place: int) -> int:
    """Return the number by which the index knows the value at this place of a block."""
    return block << PLACE_BITS | place


def block_and_place(number: int) -> tuple[int, int]:
    """Return the block and the place in it that a number of the index means."""
    return number >> PLACE_BITS, number & (MOST - 1)


class KnownBlockQuerySet(models.QuerySet["KnownBlock"]):
    def standing_counts(self, hash_list: "HashList") -> dict[str, int]:
        """How many values of each algorithm stand in the list, disabled ones with them."""
        added = self.filter(hash_list=hash_list).order_by().values("algorithm")
        counts: dict[str, int] = dict(added.annotate(n=Sum("count")).values_list("algorithm", "n"))
        withdrawn = added.annotate(n=Sum("withdrawals__count")).exclude(n=None)
        for algorithm, count in withdrawn.values_list("algorithm", "n"):
            counts[algorithm] -= count
        return {algorithm: count for algorithm, count in counts.items() if count}


class KnownBlock(models.Model):
    """Values of one algorithm that one version added, ascending, each once.

    ``keys`` holds one key of the same width for each value: the value itself, or the SHA-256 of a
    value whose length is open. ``labels`` holds the rest of what the supplier says of each (see
    `hash_lists.labels`), empty where that is nothing.
    """

    hash_list = models.ForeignKey("HashList", on_delete=models.PROTECT, related_name="blocks")
    added_in = models.ForeignKey("HashListVersion", on_delete=models.PROTECT, related_name="blocks")
    algorithm = models.CharField(max_length=20)
    count = models.PositiveIntegerField()
    lowest = models.BinaryField()
    highest = models.BinaryField()
    keys = models.BinaryField()
    labels = models.BinaryField()

    objects = KnownBlockQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["hash_list", "algorithm"])]
        constraints = [
            models.CheckConstraint(condition=Q(count__gte=1, count__lte=MOST), name="block_size")
        ]
        triggers = [
            # A reference may be written anew under the same value; the value may not.
            pgtrigger.Protect(
                name="values_stay",
                operation=pgtrigger.UpdateOf(
                    "hash_list_id", "added_in_id", "algorithm", "count", "lowest", "highest", "keys"
                )
                | pgtrigger.Delete,
            ),
            NoTruncate(name="blocks_stay"),
        ]

    def __str__(self) -> str:
        return f"known block {self.pk}"


class KnownWithdrawal(models.Model):
    """Which places of a block one later version took back, or closed to add them anew."""

    block = models.ForeignKey(KnownBlock, on_delete=models.PROTECT, related_name="withdrawals")
    removed_in = models.ForeignKey(
        "HashListVersion", on_delete=models.PROTECT, related_name="withdrawals"
    )
    count = models.PositiveIntegerField()
    places = models.BinaryField(help_text="32-bit numbers, little-endian, ascending.")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["block", "removed_in"], name="one_withdrawal")
        ]
        triggers = [
            pgtrigger.Protect(
                name="withdrawals_stay", operation=pgtrigger.Update | pgtrigger.Delete
            ),
            NoTruncate(name="withdrawals_never_emptied"),
        ]

    def __str__(self) -> str:
        return f"known withdrawal {self.pk}"
