"""What is known of the entries of one batch: the rows of a ledger, and what a flag keeps of one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moderation.algorithms import DIGESTS
from moderation.media.hashing import NO_DOUBTS, PDQ_SLACK, PHASH_SLACK, PictureHashes
from moderation.media.pdq import ORIENTATIONS
from moderation.media.preview import Copy
from moderation.models import Match
from moderation.outcomes import outcome_of

from .columns import LOW_QUALITY, QUALITY_SLACK, Column, column

if TYPE_CHECKING:
    from .matcher import Hit

PDQ_WIDTH = 32


@dataclass
class RowFacts:
    """One entry: where it stands, its hashes by origin, and the outcome. Field names are the
    ledger's; bytes are canonical (moderation.algorithms).

    The two ``..._doubts`` are not in the ledger: the bits in doubt of the PDQ in all orientations
    and of each variant by name, of a quick decode that was made just now.
    """

    row: int
    row_key: str | None = None
    url_key: bytes | None = None
    given_md5: bytes | None = None
    given_sha1: bytes | None = None
    given_sha256: bytes | None = None
    md5: bytes | None = None
    sha1: bytes | None = None
    sha256: bytes | None = None
    pdq: bytes | None = None
    pdq_turns: bytes | None = None
    pdq_quality: int | None = None
    pdq_variants: list[dict[str, Any]] | None = None  # name, quality, pdq
    phash: bytes | None = None
    approximate: bool | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    size: int | None = None
    outcome: str = ""
    reason: str = ""
    http_status: int | None = None
    fetched_at: datetime | None = None
    pdq_doubts: bytes = field(default=NO_DOUBTS, compare=False)
    variant_doubts: dict[str, bytes] = field(default_factory=dict, compare=False)

    def ended(self, reason: str, *, http_status: int | None = None) -> None:
        """Say what happened to this entry; the outcome follows from the reason."""
        self.reason, self.outcome = reason, outcome_of(reason).value
        self.http_status = http_status

    def hashed(self, hashes: PictureHashes, *, reencoded: bool = False) -> None:
        """Take over the hashes of its picture; a re-encoded picture has no digests of its own."""
        if not reencoded:
            self.of_bytes(
                {"md5": hashes.md5, "sha1": hashes.sha1, "sha256": hashes.sha256},
                size=hashes.size,
            )
        self.pdq, self.pdq_quality = hashes.pdq, hashes.pdq_quality
        self.pdq_turns, self.phash = hashes.pdq_turns, hashes.phash
        self.approximate = hashes.approximate
        self.pdq_doubts = hashes.pdq_doubts
        self.variant_doubts = {each.name: each.doubts for each in hashes.pdq_variants}
        self.pdq_variants = [
            {"name": each.name, "quality": each.quality, "pdq": each.pdq}
            for each in hashes.pdq_variants
        ]
        self.width, self.height, self.format = hashes.width, hashes.height, hashes.format

    def of_bytes(self, digests: Mapping[str, bytes], *, size: int) -> None:
        """Take over the digests of the file itself; ``size`` in bytes."""
        self.md5, self.sha1, self.sha256 = (digests[name] for name in ("md5", "sha1", "sha256"))
        self.size = size


@dataclass
class Flagged:
    """An entry with hits: its facts, the texts to seal, and previews made while its bytes were
    at hand."""

    facts: RowFacts
    url: str = ""
    caption: str = ""
    tie_break: float | None = None
    previews: dict[Copy, bytes] = field(default_factory=dict)
    provenance: list[dict[str, str]] = field(default_factory=list)


def columns_of(rows: list[RowFacts], *, widened: bool = False) -> list[Column]:
    """The comparable columns of rows in ascending order: the dataset's digests, and computed
    hashes. ``widened``, for `Matcher.quick`: so that what is near by exact hashes is near by quick
    ones, with their slack, and with a low quality only where the exact one must be low."""
    columns = [
        _of(algorithm, f"given_{algorithm}", rows, Match.Origin.COLUMN) for algorithm in DIGESTS
    ]
    for origin in (Match.Origin.EMBEDDED, Match.Origin.FETCHED):
        here = [each for each in rows if origin_of(each) == origin]
        if here:
            columns += _computed(here, origin, widened=widened)
    return columns


def origin_of(facts: RowFacts) -> str:
    """Where a row's computed hashes came from: one that was fetched has a time of fetching."""
    return Match.Origin.FETCHED if facts.fetched_at else Match.Origin.EMBEDDED


def _of(algorithm: str, name: str, rows: list[RowFacts], origin: str) -> Column:
    present = [(each.row, value) for each in rows if (value := getattr(each, name)) is not None]
    return column(
        algorithm,
        [value for _, value in present],
        [row for row, _ in present],
        origin=origin,
    )


def _computed(rows: list[RowFacts], origin: str, *, widened: bool) -> list[Column]:
    columns = [_of(algorithm, algorithm, rows, origin) for algorithm in DIGESTS]
    shown = [each for each in rows if each.phash is not None]
    columns.append(
        column(
            "phash",
            [each.phash or b"" for each in shown],
            [each.row for each in shown],
            origin=origin,
            approximate=[bool(each.approximate) for each in shown],
            slack=_slack(PHASH_SLACK, shown) if widened else None,
        )
    )
    pictures = [each for each in rows if each.pdq is not None and each.pdq_turns is not None]
    low = [_is_low(each.pdq_quality or 0, each, widened=widened) for each in pictures]
    approximate = [bool(each.approximate) for each in pictures]
    slack = _slack(PDQ_SLACK, pictures) if widened else None
    all_values = [(each.pdq or b"") + (each.pdq_turns or b"") for each in pictures]
    for turn, variant in enumerate(ORIENTATIONS):
        part = slice(turn * PDQ_WIDTH, (turn + 1) * PDQ_WIDTH)
        columns.append(
            column(
                "pdq",
                [each[part] for each in all_values],
                [each.row for each in pictures],
                origin=origin,
                variant=variant,
                low_quality=low,
                approximate=approximate,
                slack=slack,
                doubts=[each.pdq_doubts[part] for each in pictures] if widened else None,
            )
        )
    return columns + _variants(rows, origin, widened=widened)


def _variants(rows: list[RowFacts], origin: str, *, widened: bool) -> list[Column]:
    """A column for each variant that any of the rows has."""
    found: dict[str, list[tuple[RowFacts, dict[str, Any]]]] = {}
    for row in rows:
        for each in row.pdq_variants or ():
            found.setdefault(each["name"], []).append((row, each))
    return [
        column(
            "pdq",
            [each["pdq"] for _, each in present],
            [row.row for row, _ in present],
            origin=origin,
            variant=name,
            low_quality=[_is_low(each["quality"], row, widened=widened) for row, each in present],
            approximate=[bool(row.approximate) for row, _ in present],
            slack=_slack(PDQ_SLACK, [row for row, _ in present]) if widened else None,
            doubts=[row.variant_doubts[name] for row, _ in present] if widened else None,
        )
        for name, present in sorted(found.items())
    ]


def _slack(bits: int, rows: list[RowFacts]) -> list[int]:
    """Return by how many bits the hashes of each row may lie beside the exact ones."""
    return [bits if each.approximate else 0 for each in rows]


def _is_low(quality: int, of: RowFacts, *, widened: bool) -> bool:
    return quality + (QUALITY_SLACK if widened and of.approximate else 0) < LOW_QUALITY


@dataclass
class Tally:
    """Counts of one shard: every row has exactly one outcome, every match is on a flag or passed
    over for exactly one reason. ``passed_over`` and ``held_values`` are by list."""

    rows: int = 0
    recent: int = 0  # of the rows, in the last minute
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    exact: int = 0
    near: int = 0
    passed_over: dict[int, Counter[str]] = field(default_factory=dict)
    held_values: dict[int, set[int]] = field(default_factory=dict)

    def found(self, hit: "Hit") -> None:
        """Count one match, whatever becomes of it."""
        if hit.exact:
            self.exact += 1
        else:
            self.near += 1

    def pass_over(self, hit: "Hit", reason: str) -> None:
        """Count one match that raises no flag, and why."""
        self.passed_over.setdefault(hit.list_id, Counter())[str(reason)] += 1
        if hit.held_id is not None:
            self.held_values.setdefault(hit.list_id, set()).add(hit.held_id)

    def fields(self) -> dict[str, Any]:
        """As ShardScan keeps them."""
        return {
            "rows_done": self.rows,
            "recent_rows": self.recent,
            "held_rows": 0,
            "outcomes": dict(self.outcomes),
            "reasons": dict(self.reasons),
            "exact": self.exact,
            "near": self.near,
            "passed_over": dict(sum(self.passed_over.values(), Counter())),
        }
