"""A flag claims that one entry needs a person; its matches are the reproducible evidence."""

from django.db import models
from django.db.models import Q

from .case import Case
from .entry import Entry
from .hash_list import HashListVersion, KnownHash
from .scan import Scan

PHASH_NEAR = 8  # bits of 64 up to which two pHashes speak for one picture
VARIANTS = {
    "plain": "as it stands",
    "rot90": "turned by 90° to the left",
    "rot180": "turned by 180°",
    "rot270": "turned by 90° to the right",
    "flip_h": "left and right exchanged",
    "flip_v": "top and bottom exchanged",
    "transpose": "rows and columns exchanged",
    "transverse": "rows and columns exchanged, turned by 180°",
    "trimmed": "flat margins left out",
    "trimmed_evenly": "flat margins left out as wide on either side",
    "uncropped_5": "5 % of each side put back at its edges",
    "uncropped_10": "10 % of each side put back at its edges",
    "url_raw": "the URL as it stands",
    "url_trimmed": "the URL without blanks around it",
    "url_lower_host": "the URL, its host in lower case",
    "url_no_fragment": "the URL without its fragment",
    "url_no_scheme": "the URL without its scheme",
    "url_decoded": "the URL, percent signs decoded",
    "url_keyed": "the URL as it stands",
}


class Flag(models.Model):
    entry = models.OneToOneField(Entry, on_delete=models.CASCADE, related_name="flag")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="flags")
    merged_from = models.ForeignKey(
        Case,
        on_delete=models.PROTECT,
        null=True,
        related_name="moved_flags",
        db_index=False,
        help_text="The case it was raised for, where that became part of another.",
    )
    raised_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["merged_from"], condition=Q(merged_from__isnull=False), name="moved_flags"
            )
        ]

    def __str__(self) -> str:
        return f"flag {self.pk}"


class MatchQuerySet(models.QuerySet["Match"]):
    def supplied(self) -> "MatchQuerySet":
        """Those of others' lists: what we decided ourselves is no evidence for itself."""
        return self.filter(version__hash_list__own=False)


class Match(models.Model):
    """One entry's hash against one known hash, frozen as it was found (H12)."""

    class Origin(models.TextChoices):
        COLUMN = "column", "digest that came with the dataset"
        EMBEDDED = "embedded", "picture inside the dataset"
        FETCHED = "fetched", "picture fetched from the link"
        URL = "url", "the link itself"

    flag = models.ForeignKey(Flag, on_delete=models.CASCADE, related_name="matches")
    known_hash = models.ForeignKey(KnownHash, on_delete=models.PROTECT, related_name="matches")
    version = models.ForeignKey(HashListVersion, on_delete=models.PROTECT, related_name="+")
    scan = models.ForeignKey(Scan, on_delete=models.PROTECT, related_name="matches")
    last_scan = models.ForeignKey(
        Scan,
        on_delete=models.PROTECT,
        related_name="seen_matches",
        help_text="The last scan that found it again.",
    )
    algorithm = models.CharField(max_length=20)
    algorithm_version = models.CharField(max_length=40)
    distance = models.PositiveSmallIntegerField(help_text="0 for exact digests.")
    threshold = models.PositiveSmallIntegerField()
    variant = models.CharField(
        max_length=30, help_text="plain, or which flip, turn or URL form was compared."
    )
    approximate = models.BooleanField(
        default=False,
        help_text="The picture was hashed from a quick decode: the exact distance may differ by a "
        "few bits.",
    )
    low_quality = models.BooleanField(
        default=False,
        help_text="Of PDQ: the picture has little structure, so a smaller distance was asked for.",
    )
    phash_distance = models.PositiveSmallIntegerField(
        null=True,
        help_text="Of PDQ: bits between the picture's pHash and the one that the supplier gives of "
        "the same entry; empty where it gives none.",
    )
    origin = models.CharField(max_length=10, choices=Origin.choices)
    found_at = models.DateTimeField(auto_now_add=True)

    objects = MatchQuerySet.as_manager()

    class Meta:
        ordering = ["distance", "pk"]
        verbose_name_plural = "matches"
        constraints = [
            models.UniqueConstraint(
                fields=["flag", "known_hash", "algorithm"], name="one_match_per_known_hash"
            )
        ]

    def __str__(self) -> str:
        return f"match {self.pk}"

    @property
    def exact(self) -> bool:
        """Equal digests of a file or URL. A perceptual hash is near even at distance 0 (H12)."""
        return self.algorithm not in ("pdq", "phash")

    @property
    def phash_in_words(self) -> str:
        """Whether the supplier's pHash agrees, for people; it never raises a flag beside a PDQ."""
        if self.phash_distance is None:
            return ""
        agrees = "agrees" if self.phash_distance <= PHASH_NEAR else "does not agree"
        bits = "1 bit" if self.phash_distance == 1 else f"{self.phash_distance} bits"
        return f"{agrees} ({bits} apart; up to {PHASH_NEAR} agree)"

    @property
    def variant_in_words(self) -> str:
        """What was compared, for people; the stored name where there are no better words."""
        name, _, number = self.variant.partition("_")
        if name == "frame":
            return f"frame {number}, the first being 0"
        return VARIANTS.get(self.variant, self.variant)
