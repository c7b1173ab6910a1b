"""Which list version each shard has been compared with, and under which rules: the rest is due."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, F, FloatField, Q, Value, When
from django.db.models.functions import Coalesce

from .dataset import Shard
from .hash_list import HashList, HashListVersion, KnownHash


class PassedOver(models.TextChoices):
    """Why a match is counted and raises no flag. Each match has one reason at most."""

    DISABLED = "disabled", "value disabled here"
    SET_ASIDE = "set_aside", "value set aside: too many matches"
    SUPPRESSED = "suppressed", "suppressed by a negative list"
    UNSAMPLED = "unsampled", "outside the sample of its list"
    FLAGGED = "flagged", "decided here, and the entry has a flag already"


_SHARE = Coalesce(
    "hash_list__sample_ratio",
    Case(When(hash_list__trust=HashList.Trust.TRIAL, then=Value(0.0)), default=Value(1.0)),
    output_field=FloatField(),
)


class CoverageQuerySet(models.QuerySet["Coverage"]):
    def standing(self) -> "CoverageQuerySet":
        """Compared by the hashing in use and under rules as wide as now: nothing that was passed
        over would raise a flag today. What the list added since is another question."""
        held = list(KnownHash.objects.passed_over().values_list("pk", flat=True))
        return self.filter(
            Q(phash_flags=True) | Q(hash_list__phash_flags=False),
            ~Q(passed_over__has_key=PassedOver.UNSAMPLED) | Q(share__gte=_SHARE),
            Q(negatives="") | Q(negatives=HashList.objects.negative_state()),
            algorithm_version=settings.ALGORITHM_VERSION,
            threshold__gte=F("hash_list__threshold"),
            held_values__contained_by=held,
        )

    def current(self) -> "CoverageQuerySet":
        """Standing, and compared with all that the list holds now."""
        return self.standing().filter(version__number__gte=F("hash_list__current__number"))


class Coverage(models.Model):
    """The newest version of one list that a shard's ledger has been compared with in full, and
    what was passed over then: as soon as a reason for that is gone, the shard is due again."""

    shard = models.ForeignKey(Shard, on_delete=models.CASCADE, related_name="coverage")
    hash_list = models.ForeignKey(HashList, on_delete=models.CASCADE, related_name="coverage")
    version = models.ForeignKey(HashListVersion, on_delete=models.PROTECT, related_name="+")
    algorithm_version = models.CharField(max_length=40)
    threshold = models.PositiveSmallIntegerField(help_text="The list's PDQ threshold at that time.")
    phash_flags = models.BooleanField(default=False, help_text="As the list had it at that time.")
    share = models.FloatField(default=1.0, help_text="The list's sample at that time.")
    passed_over = models.JSONField(default=dict, help_text="Reason to count of matches.")
    held_values = ArrayField(
        models.BigIntegerField(),
        default=list,
        help_text="Known hashes whose matches were passed over as disabled or set aside.",
    )
    negatives = models.CharField(
        max_length=32, blank=True, help_text="State of the negative lists that suppressed matches."
    )
    covered_at = models.DateTimeField(auto_now=True)

    objects = CoverageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shard", "hash_list"], name="one_coverage_per_list")
        ]

    def __str__(self) -> str:
        return f"coverage {self.pk}"
