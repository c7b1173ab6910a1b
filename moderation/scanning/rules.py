"""Rules over matches that look at the entry: what negative lists suppress, what is in a sample.

Which values are disabled or set aside stands with the values themselves, see `matcher`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from moderation.models import HashList, Match, PassedOver

from . import indexes
from .columns import Column, of_urls
from .facts import RowFacts, columns_of
from .matcher import Hit, Matcher

# What an entry is told by, first of these that it has: what the dataset says of it never changes.
SEEDS = ("given_md5", "given_sha1", "given_sha256", "md5", "pdq", "phash", "url_key")


class Rules:
    """The negative lists in force, beside the samples of the lists that flag.

    ``negatives`` names the state of the negative lists. Made after ``lists`` were read: whoever
    loosens a rule is then seen here, or in what is recorded as passed over.
    """

    def __init__(self, lists: Mapping[int, HashList]) -> None:
        self._lists = lists
        self.negatives = HashList.objects.negative_state()
        negative = HashList.objects.in_force().negative().select_related("current")
        spans = indexes.spans_in_force(negative) if self.negatives else []
        self._negative = Matcher(spans) if spans else None

    def judge(
        self,
        hits: Sequence[Hit],
        facts: RowFacts,
        *,
        url: str | None = None,
        columns: Sequence[Column] | None = None,
    ) -> list[Hit]:
        """Return the hits of one entry, those that raise no flag with the reason why.

        ``columns`` are what the entry has to compare, where it is more or less than its facts.
        """
        against = self._harmless(facts, url, columns)
        return [
            hit if hit.passed_over else replace(hit, passed_over=self._why(hit, facts, against))
            for hit in hits
        ]

    def _why(self, hit: Hit, facts: RowFacts, against: Sequence[Hit]) -> str:
        trusted = self._lists[hit.list_id].trust == HashList.Trust.TRUSTED
        if not (trusted and hit.exact) and any(_suppresses(each, hit, facts) for each in against):
            return PassedOver.SUPPRESSED
        if not in_sample(facts, hit.list_id, share=self._lists[hit.list_id].share):
            return PassedOver.UNSAMPLED
        return ""

    def _harmless(
        self, facts: RowFacts, url: str | None, columns: Sequence[Column] | None
    ) -> list[Hit]:
        if self._negative is None:
            return []
        if columns is None:
            urls = of_urls(sorted(self._negative.algorithms), [url], start=facts.row)
            columns = columns_of([facts]) + urls
        return [hit for hit in self._negative.match(columns) if not hit.passed_over]


def in_sample(facts: RowFacts, list_id: int, *, share: float) -> bool:
    """Whether the entry falls into a list's sample: always the same way, and into each larger one
    too. The same file falls the same way wherever its digest is known."""
    if share >= 1:
        return True
    told = next((value for name in SEEDS if (value := getattr(facts, name))), None)
    seed = told if told is not None else str(facts.row).encode()
    digest = hashlib.sha256(b"%d:%b" % (list_id, seed)).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def _suppresses(harmless: Hit, hit: Hit, facts: RowFacts) -> bool:
    """Whether a value known to be harmless speaks for what this hit is about.

    Equal files are one file, and its picture is known with it. What a dataset states speaks for
    the picture only where the file itself is not at hand: links change, and anyone can state
    anything. A near value speaks against one that is not nearer.
    """
    if not harmless.exact:
        same = harmless.algorithm == hit.algorithm
        return same and not hit.exact and harmless.distance <= hit.distance
    if harmless.origin == hit.origin:
        return True
    return not hit.exact and harmless.origin == Match.Origin.COLUMN and facts.md5 is None
