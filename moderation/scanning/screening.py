"""One hash or one picture against the lists in force: what a model host asks about an output."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from moderation.algorithms import ALGORITHMS, ASKED, DIGESTS, BadValue, Kind, parse
from moderation.media.decode import PictureError
from moderation.media.digests import digests
from moderation.media.hashing import hash_picture
from moderation.models import HashList, Match

from . import indexes
from .columns import Column, column
from .facts import RowFacts, columns_of
from .matcher import Hit, Matcher
from .rules import Rules

# Of a picture that is screened while someone waits: about 3 s at most. A generator's outputs have
# a few; what is larger belongs into a dataset, whose scan goes up to decode.MAX_PIXELS.
MAX_PIXELS = 40_000_000
# Which fact a single value stands for: whether it falls into a sample follows from that.
SEED_OF = {name: f"given_{name}" for name in DIGESTS} | {"pdq": "pdq", "phash": "phash"}


class Verdict(StrEnum):
    EXACT = "exact"
    NEAR = "near"
    NONE = "none"
    NOT_HASHABLE = "not_hashable"  # no answer, which is never "none"


class NoLists(Exception):
    """No hash list is in force, so there is nothing to say "none" about."""


@dataclass(frozen=True)
class Screened:
    """The verdict, and what it rests on; ``reason`` says why something is not hashable.

    ``passed_over`` counts, by reason, the matches that a scan would not flag either.
    """

    verdict: Verdict
    matches: tuple[Hit, ...]
    slugs: dict[int, str]
    reason: str = ""
    passed_over: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """As `screen` and the API give it (design.md), with what was passed over where it is."""
        matches = [
            {
                "list": self.slugs[hit.list_id],
                "algorithm": hit.algorithm,
                "distance": hit.distance,
                "variant": hit.variant,
            }
            for hit in self.matches
        ]
        passed = {"passed_over": self.passed_over} if self.passed_over else {}
        return {"verdict": self.verdict, "matches": matches, **passed}


def screen_hash(algorithm: str, text: str) -> Screened:
    """Screen one value as its supplier would write it; NoLists when no list is in force."""
    matcher = _matcher()
    if algorithm not in ASKED:
        return _not_hashable(matcher, "unknown_algorithm")
    try:
        value = parse(algorithm, text)
    except BadValue as error:
        return _not_hashable(matcher, error.reason)
    kind = ALGORITHMS[algorithm].kind
    origin = Match.Origin.URL if kind is Kind.URL else Match.Origin.COLUMN
    facts = RowFacts(row=0)
    setattr(facts, SEED_OF.get(algorithm, "url_key"), value)
    return _verdict(matcher, facts, [column(algorithm, [value], [0], origin=origin)])


def screen_picture(data: bytes) -> Screened:
    """Screen one picture's bytes, which are dropped; NoLists when no list is in force.

    More than MAX_PIXELS are not hashable, reason ``too_many_pixels``; a file whose digest is on a
    list is found whether it can be hashed or not.
    """
    matcher = _matcher()
    facts = RowFacts(row=0)
    try:
        facts.hashed(hash_picture(data, exact=True, max_pixels=MAX_PIXELS))
    except PictureError as error:
        # The very bytes of a known file are known all the same.
        facts.of_bytes(digests(data), size=len(data))
        found = _verdict(matcher, facts)
        return found if found.matches else _not_hashable(matcher, error.reason)
    return _verdict(matcher, facts)


def _matcher() -> Matcher:
    lists = HashList.objects.in_force().flagging().exclude(trust=HashList.Trust.TRIAL)
    spans = indexes.spans_in_force(lists.select_related("current"))
    if not spans:
        raise NoLists("No hash list is in force: load one with load_hash_list first.")
    return Matcher(spans)


def _verdict(matcher: Matcher, facts: RowFacts, columns: list[Column] | None = None) -> Screened:
    columns = columns_of([facts]) if columns is None else columns
    judged = Rules(matcher.lists).judge(matcher.match(columns), facts, columns=columns)
    hits = tuple(hit for hit in judged if not hit.passed_over)
    passed_over = Counter(str(hit.passed_over) for hit in judged if hit.passed_over)
    verdict = Verdict.NONE
    if hits:
        verdict = Verdict.EXACT if any(hit.exact for hit in hits) else Verdict.NEAR
    return Screened(verdict, hits, _slugs(matcher), passed_over=dict(passed_over))


def _not_hashable(matcher: Matcher, reason: str) -> Screened:
    return Screened(Verdict.NOT_HASHABLE, (), _slugs(matcher), reason)


def _slugs(matcher: Matcher) -> dict[int, str]:
    return {pk: each.slug for pk, each in matcher.lists.items()}
