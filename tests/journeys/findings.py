"""What a scan of the sample found, as plain values that two scans can be compared by."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from moderation.models import Flag, Match, Revision, Scan
from moderation.scanning import progress

Place = tuple[int, int]  # shard, row


@dataclass(frozen=True)
class Findings:
    """Counts, matches, and the entries of each case; nothing that depends on ids."""

    counts: dict[str, Any]
    reasons: dict[str, int]
    matches: frozenset[tuple[Any, ...]]
    cases: frozenset[frozenset[Place]]
    flags: int


def of(scan: Scan) -> Findings:
    """Everything that stands after this scan; every row of the database counts, so that a second
    flag of one entry would show."""
    counts = progress.as_json(scan)
    del counts["scan"]
    revision: Revision = scan.revision
    flags = Flag.objects.filter(entry__revision=revision).select_related("entry__shard")
    cases: dict[int, set[Place]] = {}
    for flag in flags:
        cases.setdefault(flag.case_id, set()).add((flag.entry.shard.number, flag.entry.row))
    matches = [
        (
            match.flag.entry.shard.number,
            match.flag.entry.row,
            match.known_hash.hash_list.slug,
            bytes(match.known_hash.value),
            match.algorithm,
            match.distance,
            match.variant,
            match.origin,
        )
        for match in Match.objects.filter(flag__in=flags).select_related(
            "flag__entry__shard", "known_hash__hash_list"
        )
    ]
    assert len(set(matches)) == len(matches), "a match stands twice"
    reasons = Counter(progress.of(scan).reasons)
    # A body without end is over by its size or by the time, whichever comes first on this machine.
    reasons["timeout"] += reasons.pop("too_many_bytes", 0)
    return Findings(
        counts=counts,
        reasons=dict(reasons),
        matches=frozenset(matches),
        cases=frozenset(frozenset(places) for places in cases.values()),
        flags=flags.count(),
    )
