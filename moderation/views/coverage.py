"""How much of a revision has been compared with the lists as they stand now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Sum

from moderation.models import Coverage, HashList, Revision, Shard


@dataclass(frozen=True)
class Cell:
    """One revision against one list: how many of its rows are covered by the current version."""

    hash_list: HashList
    rows: int
    covered: int
    covered_at: datetime | None

    @property
    def percent(self) -> int:
        """Whole percent, rounded down: 100 only where nothing is missing."""
        return 100 * self.covered // self.rows if self.rows else 100

    @property
    def tone(self) -> str:
        if self.covered >= self.rows:
            return "full"
        return "part" if self.covered else "none"


def of(revisions: Iterable[Revision]) -> dict[int, list[Cell]]:
    """Return, by revision id, one cell for each list in force, in the order of the lists.

    Covered means: by the list's current version, under rules as wide as now, with the hashing in
    use.
    """
    ids = [revision.pk for revision in revisions]
    lists = list(HashList.objects.in_force().flagging())
    rows = dict(
        Shard.objects.filter(revision__in=ids)
        .order_by()
        .values_list("revision")
        .annotate(total=Sum("rows"))
    )
    covered = {
        (revision, hash_list): (total, at)
        for revision, hash_list, total, at in Coverage.objects.current()
        .filter(shard__revision__in=ids)
        .values_list("shard__revision", "hash_list")
        .annotate(total=Sum("shard__rows"), at=Max("covered_at"))
    }
    cells: dict[int, list[Cell]] = {}
    for pk in ids:
        cells[pk] = [
            Cell(each, rows.get(pk, 0), *covered.get((pk, each.pk), (0, None))) for each in lists
        ]
    return cells
