"""Which list version each shard has been compared with: what is not covered is due."""

from django.db import models

from .dataset import Shard
from .hash_list import HashList, HashListVersion


class Coverage(models.Model):
    """The newest version of one list that a shard's ledger has been compared with in full."""

    shard = models.ForeignKey(Shard, on_delete=models.CASCADE, related_name="coverage")
    hash_list = models.ForeignKey(HashList, on_delete=models.CASCADE, related_name="coverage")
    version = models.ForeignKey(HashListVersion, on_delete=models.PROTECT, related_name="+")
    algorithm_version = models.CharField(max_length=40)
    threshold = models.PositiveSmallIntegerField(help_text="The list's PDQ threshold at that time.")
    covered_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shard", "hash_list"], name="one_coverage_per_list")
        ]

    def __str__(self) -> str:
        return f"coverage {self.pk}"
