"""Hash lists from authorised bodies: their versions, and the known hashes each version holds."""

import hashlib
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

if TYPE_CHECKING:
    from datetime import datetime


class HashListQuerySet(models.QuerySet["HashList"]):
    def in_force(self, *, at: "datetime | None" = None) -> "HashListQuerySet":
        """Switched on, agreement not run out, and with at least one version."""
        at = at or timezone.now()
        return self.filter(enabled=True, current__isnull=False).filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=at)
        )

    def flagging(self) -> "HashListQuerySet":
        """Lists whose matches may raise flags: all but negative lists."""
        return self.filter(negative=False)

    def negative(self) -> "HashListQuerySet":
        """Lists of values known to be harmless."""
        return self.filter(negative=True)

    def own(self) -> "HashListQuerySet":
        """Kept by this site: what people decided here."""
        return self.filter(own=True)

    def negative_state(self) -> str:
        """A short name of what the negative lists suppress now; empty where none is in force.

        Any change of it, also one that comes with time, is another name.
        """
        rules = ("pk", "current__number", "threshold", "phash_flags")
        lists = list(self.in_force().negative().order_by("pk").values_list(*rules))
        if not lists:
            return ""
        disabled = KnownHash.objects.disabled().filter(hash_list__in=[pk for pk, *_ in lists])
        state = (lists, sorted(disabled.values_list("pk", flat=True)))
        return hashlib.sha256(repr(state).encode()).hexdigest()[:32]


class HashList(models.Model):
    """One supplier's list, the agreement it came under, and how far its matches are trusted."""

    class Trust(models.TextChoices):
        TRUSTED = "trusted", "Trusted: an exact match is quarantined at once"
        STANDARD = "standard", "Standard: people decide first"
        TRIAL = "trial", "Trial: counted, and a sample reviewed where one is set"

    slug = models.SlugField(max_length=60, unique=True)
    owner = models.CharField(max_length=200, blank=True)
    trust = models.CharField(max_length=10, choices=Trust.choices, default=Trust.STANDARD)
    harm_class = models.CharField(
        max_length=20,
        blank=True,
        help_text="For values whose supplier gives no category; empty means unknown.",
    )
    threshold = models.PositiveSmallIntegerField(
        default=31, help_text="Largest PDQ distance that is a near match, 0 to 47."
    )
    phash_flags = models.BooleanField(
        default=False, help_text="pHash matches of this list raise flags on their own."
    )
    negative = models.BooleanField(
        default=False,
        help_text="Its values are known to be harmless: they raise no flag and suppress others'.",
    )
    own = models.BooleanField(
        default=False,
        editable=False,
        help_text="Kept by this site: what people decided here, so that scans find it elsewhere.",
    )
    sample_ratio = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Share of matching entries that are flagged, 0 to 1; empty: all, of trial none.",
    )
    enabled = models.BooleanField(default=True)
    synthetic = models.BooleanField(default=False)
    agreement = models.CharField(
        max_length=200, blank=True, help_text="Reference of the agreement."
    )
    permitted_use = models.CharField(max_length=500, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    current = models.ForeignKey(
        "HashListVersion", on_delete=models.PROTECT, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = HashListQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(condition=Q(threshold__lte=47), name="threshold_to_47"),
            models.CheckConstraint(
                condition=Q(sample_ratio__isnull=True) | Q(sample_ratio__range=(0, 1)),
                name="sample_ratio_0_to_1",
            ),
            # Our own word is no proof of itself: nothing is quarantined or offered for it.
            models.CheckConstraint(
                condition=Q(own=False) | Q(trust="standard", negative=False),
                name="own_list_is_standard",
            ),
            models.UniqueConstraint(
                fields=["synthetic"], condition=Q(own=True), name="one_own_list_of_a_kind"
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def share(self) -> float:
        """The share of matching entries that raise flags, 0 to 1."""
        if self.sample_ratio is not None:
            return self.sample_ratio
        return 0.0 if self.trust == self.Trust.TRIAL else 1.0

    @property
    def percent(self) -> str:
        """The share, for people."""
        return f"{self.share * 100:.6g}"


class HashListVersion(models.Model):
    """What one supplier's file said. Versions of a list are numbered from 1 in loading order."""

    hash_list = models.ForeignKey(HashList, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    label = models.CharField(max_length=100)
    format = models.CharField(max_length=20)
    checksum = models.CharField(max_length=64, help_text="SHA-256 of the file, in hex.")
    new = models.PositiveBigIntegerField(default=0)
    same = models.PositiveBigIntegerField(default=0)
    changed = models.PositiveBigIntegerField(default=0)
    removed = models.PositiveBigIntegerField(default=0)
    rejected = models.JSONField(default=dict, help_text="Reason to count.")
    loaded_at = models.DateTimeField(auto_now_add=True)
    loaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)

    class Meta:
        ordering = ["hash_list", "number"]
        constraints = [
            models.UniqueConstraint(fields=["hash_list", "number"], name="one_version_number"),
            models.UniqueConstraint(fields=["hash_list", "label"], name="one_version_label"),
        ]

    def __str__(self) -> str:
        return f"{self.hash_list.slug} {self.label}"


class KnownHashQuerySet(models.QuerySet["KnownHash"]):
    def disabled(self, *, at: "datetime | None" = None) -> "KnownHashQuerySet":
        """Disabled here, and not come back into force by its date."""
        return self.filter(_disabled(at))

    def set_aside(self) -> "KnownHashQuerySet":
        """Held back by flood control until a person has looked."""
        return self.filter(set_aside_at__isnull=False)

    def passed_over(self, *, at: "datetime | None" = None) -> "KnownHashQuerySet":
        """Those whose matches raise no flag now."""
        return self.filter(_disabled(at) | Q(set_aside_at__isnull=False))


class KnownHash(models.Model):
    """One value about which something is said, from the version that added it to the one that
    removes it.

    All values lie in blocks (`known_block`). Once a value has a row it gets one whenever its list
    adds it again, so that rows alone tell whether it still stands.
    """

    hash_list = models.ForeignKey(HashList, on_delete=models.PROTECT, related_name="known_hashes")
    block = models.ForeignKey("KnownBlock", on_delete=models.PROTECT, related_name="rows")
    place = models.PositiveIntegerField(help_text="Of the value in its block.")
    algorithm = models.CharField(max_length=20)
    value = models.BinaryField(help_text="Canonical bytes, see moderation.algorithms.")
    scheme = models.CharField(max_length=30, blank=True)
    category = models.CharField(max_length=100, blank=True, help_text="As the supplier wrote it.")
    media = models.CharField(max_length=20, blank=True)
    external_id = models.CharField(max_length=200, blank=True)
    added_in = models.ForeignKey(HashListVersion, on_delete=models.PROTECT, related_name="added")
    removed_in = models.ForeignKey(
        HashListVersion, on_delete=models.PROTECT, null=True, related_name="withdrawn"
    )
    disabled_at = models.DateTimeField(null=True)
    disabled_until = models.DateTimeField(null=True, help_text="Empty: until it is lifted.")
    disabled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,  # nobody asks for it
    )
    note = models.TextField(blank=True, help_text="Why it was disabled.")
    set_aside_at = models.DateTimeField(null=True, help_text="When its matches were too many.")
    released_at = models.DateTimeField(
        null=True, help_text="Since then flood control lets it through."
    )

    objects = KnownHashQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "known hashes"
        constraints = [
            models.UniqueConstraint(fields=["block", "place"], name="one_row_per_value"),
            models.UniqueConstraint(
                fields=["hash_list", "algorithm", "value"],
                condition=Q(removed_in__isnull=True),
                name="one_standing_value",
            ),
            models.CheckConstraint(
                condition=~Q(removed_in=F("added_in")), name="not_removed_as_added"
            ),
        ]
        indexes = [
            # Few of the rows, asked for by every scan and page.
            models.Index(
                fields=["hash_list"],
                condition=Q(disabled_at__isnull=False) | Q(set_aside_at__isnull=False),
                name="known_hash_passed_over",
            )
        ]

    def __str__(self) -> str:
        return f"known hash {self.pk}"

    def is_disabled(self, *, at: "datetime | None" = None) -> bool:
        """Whether it is disabled here and has not come back into force by its date."""
        if self.disabled_at is None:
            return False
        return self.disabled_until is None or self.disabled_until > (at or timezone.now())


def _disabled(at: "datetime | None") -> Q:
    return Q(disabled_at__isnull=False) & (
        Q(disabled_until__isnull=True) | Q(disabled_until__gt=at or timezone.now())
    )
