"""What is known of a report's entries, gathered once for its payload and its page. Facts only."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

from django.db.models import Prefetch, QuerySet

from moderation.evidence import sealing
from moderation.models import Entry, Match, Reveal
from moderation.models.case import HarmClass
from moderation.outcomes import Outcome
from reports.models import Report, ReportItem

AT_ONCE = 500
PREFIX = 8  # hex digits of a hash that a page may show
DIGESTS = ("md5", "sha1", "sha256")
HASHES = (*DIGESTS, "pdq", "phash")
CONTRARY = "contrary"
OURS = "our own decision about the same file, link or picture, on no hash list"


@dataclass(frozen=True)
class MatchFact:
    """One match as it was found."""

    source: str
    hash_list: str
    version: str
    algorithm: str
    distance: int
    exact: bool
    threshold: int
    category: str
    scheme: str
    variant: str
    withdrawn: bool
    own: bool = False  # found by what was decided here, and by no list

    @property
    def category_words(self) -> str:
        """The category in the list's own words, and whose words they are; empty where none."""
        if not self.category:
            return ""
        scheme = f" ({self.scheme})" if self.scheme else ""
        return f"{self.category}{scheme} as given by the list owner"


@dataclass(frozen=True)
class Look:
    """One opened preview: which level, when. Who looked stays inside."""

    level: int
    at: datetime
    drawing: bool = False


@dataclass(frozen=True)
class Told:
    """Another body that was told about the same picture or link."""

    agency: str
    reference: str
    on: date


@dataclass(frozen=True)
class Facts:
    """Everything a report may say of one entry."""

    item: ReportItem
    url: str
    page_url: str
    readable: bool  # False: the sealed texts do not open
    first_seen: datetime | None
    last_reachable: datetime | None
    media_type: str
    ai_indication: str
    ai_signals: tuple[str, ...]
    matches: tuple[MatchFact, ...]
    hashes: tuple[tuple[str, str], ...]  # algorithm, hex
    looks: tuple[Look, ...]
    told: tuple[Told, ...] = field(default=())

    @property
    def entry(self) -> Entry:
        return self.item.entry

    @property
    def row_key(self) -> str:
        """The dataset's own key, else the file and the row in it."""
        return self.entry.row_key or f"{self.entry.shard.name}#{self.entry.row}"

    @property
    def told_matches(self) -> list[tuple[MatchFact, list[str]]]:
        """The matches in their order, each with its algorithms: exact ones that differ in nothing
        else are told once."""
        found: dict[object, tuple[MatchFact, list[str]]] = {}
        for number, match in enumerate(self.matches):
            alike = replace(match, algorithm="") if match.exact else number
            found.setdefault(alike, (match, []))[1].append(match.algorithm)
        return list(found.values())

    @property
    def masked_url(self) -> str:
        return masked(self.url)

    @property
    def short_hashes(self) -> list[tuple[str, str]]:
        return [(name, shortened(value)) for name, value in self.hashes]


def masked(url: str) -> str:
    """Return a URL of which only scheme and the last two names of the host are left."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "…"
    names = host.split(".")
    if not host or ":" in host or names[-1].isdigit():
        return f"{parts.scheme}://…"
    shown = ".".join(names[-2:])
    return f"{parts.scheme}://{'….' if len(names) > 2 else ''}{shown}/…"


def shortened(value: str) -> str:
    """Return the prefix of a hash in hex that a page may show."""
    return f"{value[:PREFIX]}…"


def moment(at: datetime) -> str:
    """Return a time as ISO 8601 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def items_of(report: Report) -> QuerySet[ReportItem]:
    """Return the report's items in a fixed order, ready for `facts`."""
    matches = Match.objects.select_related("known_hash", "version__hash_list")
    return (
        report.items.select_related("entry__revision__dataset", "entry__shard", "entry__flag")
        .prefetch_related(Prefetch("entry__flag__matches", queryset=matches), "entry__previews")
        .order_by("entry_id")
    )


def all_facts(report: Report) -> Iterator[Facts]:
    """Yield the facts of every item; memory holds AT_ONCE of them."""
    items, last = items_of(report), 0
    while part := list(items.filter(entry_id__gt=last)[:AT_ONCE]):
        yield from facts(part, report=report)
        last = part[-1].entry_id


def facts(items: Sequence[ReportItem], *, report: Report) -> list[Facts]:
    """Return the facts of some items of one report, in their order."""
    entries = [item.entry_id for item in items]
    looks = _looks(entries)
    told = _told(items, report)
    return [
        _facts(
            item,
            harm_class=report.case.harm_class,
            looks=looks[item.entry_id],
            told=told[bytes(item.entry.url_key or b"")],
        )
        for item in items
    ]


def _facts(
    item: ReportItem, *, harm_class: str, looks: Sequence[Look], told: Sequence[Told]
) -> Facts:
    entry = item.entry
    try:
        texts, readable = sealing.open_text(entry.sealed), True
    except sealing.Unreadable:
        texts, readable = {}, False
    matches = list(entry.flag.matches.all())
    url = texts.get("url", "") or ""
    indication, signals = _ai_indication(entry)
    return Facts(
        item=item,
        url=url,
        page_url=texts.get("page_url", "") or "",
        readable=readable,
        first_seen=min([entry.flag.raised_at, *(match.found_at for match in matches)]),
        last_reachable=entry.fetched_at if entry.outcome == Outcome.HASHED else None,
        media_type=_media_type(harm_class, matches),
        ai_indication=indication,
        ai_signals=signals,
        matches=tuple(_match(match) for match in _told_of(matches)),
        hashes=_hashes(entry, url),
        looks=tuple(looks),
        told=tuple(told),
    )


def _told_of(matches: Sequence[Match]) -> Sequence[Match]:
    """What lists say; our own decision is told only of an entry that no list names."""
    return [each for each in matches if not each.version.hash_list.own] or matches


def _match(match: Match) -> MatchFact:
    known, version = match.known_hash, match.version
    if version.hash_list.own:
        return MatchFact(
            source=OURS,
            hash_list="",
            version="",
            algorithm="link" if match.algorithm == "url_key" else match.algorithm,
            distance=match.distance,
            exact=match.exact,
            threshold=match.threshold,
            category="",
            scheme="",
            variant=match.variant,
            withdrawn=False,
            own=True,
        )
    return MatchFact(
        source=version.hash_list.owner or version.hash_list.slug,
        hash_list=version.hash_list.slug,
        version=version.label,
        algorithm=match.algorithm,
        distance=match.distance,
        exact=match.exact,
        threshold=match.threshold,
        category=known.category,
        scheme=known.scheme,
        variant=match.variant,
        withdrawn=known.removed_in_id is not None,
    )


def _media_type(harm_class: str, matches: Sequence[Match]) -> str:
    """Photograph or video only where a list's owner says so of this very file.

    Nobody here saw the original, a near match is of another file, and "image", as a MIME type has
    it, does not tell a photograph from a drawing.
    """
    if harm_class == HarmClass.NON_PHOTOGRAPHIC:
        return "non_photographic"
    media = {match.known_hash.media.lower() for match in matches if match.exact}
    if media & {"video"}:
        return "video"
    if "photograph" in media:
        return "photograph"
    return "unknown"


def _ai_indication(entry: Entry) -> tuple[str, tuple[str, ...]]:
    """Signals of generation, as read from original bytes. A copy that was encoded anew has lost
    them, and a picture that was never read has none to show: both say "unknown"."""
    signals = [(signal["name"], signal["strength"]) for signal in entry.provenance]
    found = tuple(f"{name} ({strength})" for name, strength in signals)
    if any(strength != CONTRARY for _, strength in signals):
        return "indicated", found
    examined = bool(entry.previews.all()) and not entry.shard.form.startswith("img2dataset")
    return ("none" if examined else "unknown"), found


def _hashes(entry: Entry, url: str) -> tuple[tuple[str, str], ...]:
    """The picture's hashes; where there are none, the digest of the link that was matched."""
    values = [(name, getattr(entry, name)) for name in HASHES]
    known = tuple((name, bytes(value).hex()) for name, value in values if value is not None)
    if known or not url:
        return known
    digest = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
    return (("url_sha256", digest),)


def _looks(entries: Sequence[int]) -> dict[int, list[Look]]:
    """Opened previews by entry (H13): a ticket that was never used is no look."""
    found: dict[int, list[Look]] = defaultdict(list)
    rows = Reveal.objects.filter(entry__in=entries, opened_at__isnull=False).order_by("opened_at")
    for entry, level, drawing, at in rows.values_list("entry_id", "level", "drawing", "opened_at"):
        if at is not None:
            found[entry].append(Look(level=level, at=at, drawing=drawing))
    return found


def _told(items: Sequence[ReportItem], report: Report) -> dict[bytes, list[Told]]:
    """By keyed hash of the link: where other reports about the same link were filed."""
    keys = {bytes(item.entry.url_key) for item in items if item.entry.url_key}
    others = (
        ReportItem.objects.filter(entry__url_key__in=keys, report__submissions__isnull=False)
        .exclude(report=report)
        .order_by("report__submissions__submitted_at", "report__submissions__pk")
        .values_list(
            "entry__url_key",
            "report__agency",
            "report__submissions__external_reference",
            "report__submissions__submitted_at",
        )
    )
    found: dict[bytes, list[Told]] = defaultdict(list)
    for key, agency, reference, at in others:
        told = Told(agency=agency, reference=reference, on=at.astimezone(UTC).date())
        same_link = found[bytes(key or b"")]
        if told not in same_link:
            same_link.append(told)
    return found
