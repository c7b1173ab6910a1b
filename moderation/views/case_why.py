"""Why an entry matched, in plain words, without a picture; and what other lists say of it."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from moderation.models import Case, Entry, Match

TOLD = 3  # matches that are told in full; the others stand in the evidence below
OTHERS = 20

ORIGINS = {
    Match.Origin.COLUMN: "came with the dataset: nobody here saw the picture",
    Match.Origin.EMBEDDED: "was computed here from the picture inside the dataset",
    Match.Origin.FETCHED: "was computed here from the picture that the link gave",
    Match.Origin.URL: "is that of the link itself, not of a picture",
}


@dataclass(frozen=True)
class Why:
    """One match told in sentences."""

    match: Match
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Siblings:
    """The entries before and behind this one in its group; None at the ends."""

    before: int | None
    behind: int | None


def explained(matches: list[Match]) -> list[Why]:
    """The nearest matches of an entry, each with why it counts as one."""
    return [Why(match, tuple(_sentences(match))) for match in matches[:TOLD]]


def others(entry: Entry) -> dict[str, list[str]]:
    """Which lists agree on this entry, and which said so once and no longer do.

    A list disputes a match when it withdrew the known hash since; so do we where one is disabled.
    """
    found = Match.objects.filter(flag__entry=entry).select_related(
        "known_hash__hash_list", "known_hash__removed_in"
    )
    found = found.supplied()  # our own word agrees with itself
    agree: dict[str, None] = {}
    dispute: dict[str, None] = {}
    for match in found.filter(known_hash__removed_in=None, known_hash__disabled_at=None)[:OTHERS]:
        agree[f"{match.known_hash.hash_list.slug} ({_how(match)})"] = None
    doubted = Q(known_hash__removed_in__isnull=False) | Q(known_hash__disabled_at__isnull=False)
    for match in found.filter(doubted)[:OTHERS]:
        known = match.known_hash
        if known.removed_in is not None:
            dispute[f"{known.hash_list.slug} withdrew it in version {known.removed_in.label}"] = (
                None
            )
        if known.is_disabled():
            dispute[f"its hash of {known.hash_list.slug} is disabled here"] = None
    return {"agree": sorted(agree), "dispute": sorted(dispute)}


def siblings(case: Case, entry: Entry) -> Siblings:
    """The neighbours of an entry in the order of its group."""
    group = Entry.objects.filter(flag__case=case)
    place = entry.flag.pk
    before = group.filter(flag__pk__lt=place).order_by("-flag__pk").values_list("pk", flat=True)
    behind = group.filter(flag__pk__gt=place).order_by("flag__pk").values_list("pk", flat=True)
    return Siblings(before.first(), behind.first())


def _sentences(match: Match) -> list[str]:
    said = [_known_from(match)]
    if match.exact:
        said.append("The hash of this entry is equal to it, bit for bit: it is the same file.")
        if match.origin == Match.Origin.URL:
            said[-1] = "The hash of this entry's link is equal to it: it is the same link."
            if match.version.hash_list.own:
                said.append("What the link shows may have changed since.")
    else:
        few = " (give or take a few: it comes from a quick decode)" if match.approximate else ""
        said.append(
            f"The hash of this entry differs from it in {match.distance} bits{few}; "
            f"{_limit(match)}. Near is a reason to judge, not a verdict."
        )
        if match.phash_distance is not None:
            said.append(
                f"The list gives a pHash of the same picture too: it {match.phash_in_words}."
            )
    if match.variant != "plain":
        said.append(f"What matched is a variant: {match.variant_in_words}.")
    said.append(f"The entry's hash {ORIGINS[Match.Origin(match.origin)]}.")
    said.append(
        f"Scan {match.scan_id} found it on {_day(match.found_at)}, with our algorithms in version "
        f"{match.algorithm_version}."
    )
    return said


def _limit(match: Match) -> str:
    if match.low_quality:
        return (
            "the picture has little structure (a PDQ quality below 50), so at most "
            f"{match.threshold} count as near"
        )
    return f"up to {match.threshold} the list counts as near"


def _known_from(match: Match) -> str:
    version, known = match.version, match.known_hash
    if version.hash_list.own:
        return (
            f"People here decided to remove something with this {match.algorithm} hash: version "
            f"{version.label} of our own list {version.hash_list.slug} holds it."
        )
    category = f" that its owner puts in category {known.category}" if known.category else ""
    return (
        f"The list {version.hash_list.slug}, version {version.label}, holds a {match.algorithm} "
        f"hash{category}."
    )


def _how(match: Match) -> str:
    return "exact" if match.exact else f"near, {match.distance} bits"


def _day(at: datetime) -> str:
    return f"{at:%-d %b %Y, %H:%M} UTC"
