"""How good a list's matches are: what people decided about the cases that it matched."""

from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef

from moderation.models import Case, Decision, HashList, Match, Review


@dataclass(frozen=True)
class Quality:
    """Closed cases with a match of the list, by what stands for them."""

    removed: int
    false_matches: int
    wrong_values: int

    @property
    def reviewed(self) -> int:
        return self.removed + self.false_matches + self.wrong_values

    @property
    def percent(self) -> float:
        """The list's precision: the share that was removed; 100 while nothing was reviewed."""
        return 100 * self.removed / self.reviewed if self.reviewed else 100.0


def of_list(hash_list: HashList) -> Quality:
    """Count the final decisions about what a list matched (console.md 2.10)."""
    matches = Match.objects.filter(flag__case=OuterRef("case"), known_hash__hash_list=hash_list)
    decided = Decision.objects.standing().filter(Exists(matches), case__state=Case.State.CLOSED)
    counts = dict(decided.order_by().values_list("code").annotate(count=Count("pk")))
    return Quality(
        removed=sum(counts.get(str(code), 0) for code in Review.REMOVALS),
        false_matches=counts.get(str(Review.Answer.KEEP_FALSE_MATCH), 0),
        wrong_values=counts.get(str(Review.Answer.KEEP_LIST_ERROR), 0),
    )
