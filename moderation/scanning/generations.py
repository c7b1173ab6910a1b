"""Which versions of the lists one large index file holds, and what lies in a small one beside it.

The answer follows from the list versions alone, so that every process on every machine comes to
the same without asking another one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from moderation.models import HashListVersion

WHOLE_BELOW = 200_000  # values: so few are built anew in a second, and asked faster in one file
SHARE = 8  # a change larger than 1/SHARE of its base becomes part of a new base
MEANWHILE = 2  # until that is built, one up to 1/MEANWHILE of all that stands lies beside the old


@dataclass(frozen=True, order=True)
class Span:
    """What one list added after version number ``after``, as it stands in version ``upto``."""

    list_id: int
    after: int
    upto: int


def base_of(spans: Iterable[Span]) -> list[Span]:
    """Return the spans that the large file holds: these, or earlier versions of some of them.

    The versions are gone through in the order in which they were loaded. Whenever what changed
    since the base is much beside it, the base moves on to there.
    """
    return bases_of(spans)[0]


def bases_of(spans: Iterable[Span]) -> list[list[Span]]:
    """Return the spans of ``base_of``, and behind them those of earlier bases that may stand in for
    it, the last first: large ones, beside which what came since is not too much."""
    spans = sorted(spans)
    wanted = {each.list_id: each for each in spans}
    passed: list[tuple[dict[int, int], int]] = []  # large bases, what had changed until then
    base: dict[int, int] = {}
    reached: dict[int, int] = {}
    changed = standing = ever = 0
    for version in HashListVersion.objects.filter(hash_list__in=wanted).order_by("loaded_at", "pk"):
        span = wanted[version.hash_list_id]
        if not span.after < version.number <= span.upto:
            continue
        reached[span.list_id] = version.number
        moved = version.new + version.changed + version.removed
        changed, ever = changed + moved, ever + moved
        standing += version.new - version.removed
        if standing < WHOLE_BELOW or changed * SHARE > standing:
            base, changed = dict(reached), 0
            if standing >= WHOLE_BELOW:
                passed.append((base, ever))
    near = [each for each, until in reversed(passed) if (ever - until) * MEANWHILE <= standing]
    return [
        [replace(each, upto=upto[each.list_id]) for each in spans if each.list_id in upto]
        for upto in (base, *(each for each in near if each != base))
    ]


def after(base: Iterable[Span], spans: Iterable[Span]) -> list[Span]:
    """Return what the spans hold that came after the base."""
    held = {each.list_id: each.upto for each in base}
    rest = (replace(each, after=held.get(each.list_id, each.after)) for each in spans)
    return [each for each in rest if each.after < each.upto]


def withdraws(base: Iterable[Span], spans: Iterable[Span]) -> bool:
    """Say whether a version after the base took something back that the base may hold."""
    held = {each.list_id for each in base}
    return any(
        HashListVersion.objects.filter(
            hash_list=each.list_id, number__gt=each.after, number__lte=each.upto
        )
        .exclude(removed=0, changed=0)
        .exists()
        for each in after(base, spans)
        if each.list_id in held
    )
