"""Hits to entries, matches, flags and cases. Any write may be repeated and changes nothing then."""

from collections.abc import Mapping, Sequence

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from moderation.evidence import sealing, store
from moderation.hash_lists import known_rows
from moderation.media.preview import Copy
from moderation.models import (
    Case,
    CustodyEvent,
    Decision,
    Entry,
    Flag,
    HashList,
    KnownHash,
    Match,
    Preview,
    Removal,
    SealedObject,
    ShardScan,
)
from moderation.signals import case_reopened

from . import corroborating, covering, floods, grouping, priorities
from . import echoes as echoes_of
from .facts import Flagged, Tally
from .heartbeat import Stopped
from .indexes import Span
from .matcher import Hit

ROW_KEY_LENGTH = 200  # a dataset may hold anything there; the row itself is known by its number
KEPT_FACTS = (
    "url_key",
    "sha256",
    "sha1",
    "md5",
    "pdq",
    "pdq_quality",
    "phash",
    "width",
    "height",
    "format",
    "size",
    "outcome",
    "reason",
    "http_status",
    "fetched_at",
)


def record(shard_scan: ShardScan, found: Sequence[tuple[Flagged, list[Hit]]]) -> list[Hit]:
    """Write flags for these entries, with their previews; return the hits that raise none: echoes,
    with the reason, and those that flood control held back."""
    own = set(HashList.objects.own().values_list("pk", flat=True)) if found else set()
    found, echoes = echoes_of.leave_out(shard_scan, found, own)
    if not found:
        return echoes
    beside = corroborating.distances(found)
    sealed = _seal_previews(shard_scan, [flagged for flagged, _ in found])
    try:
        with transaction.atomic():
            known = known_rows.materialise({hit.known_id for _, hits in found for hit in hits})
            grouping.lock()
            wanted, held = floods.hold_back(shard_scan, found, known)
            cases = {
                case.pk: case
                for flagged, hits in wanted
                if (case := _flag(shard_scan, flagged, hits, sealed, known, own, beside))
                is not None
            }
            for case in cases.values():
                priorities.rate(case)
    except BaseException:
        for each in sealed.values():
            store.shred(each)
        raise
    flagged_rows = {flagged.facts.row for flagged, _ in wanted}
    for (row, _), each in sealed.items():
        if row not in flagged_rows:
            store.shred(each)
    return [*echoes, *held]


def finish(
    shard_scan: ShardScan,
    spans: Sequence[Span],
    tally: Tally,
    *,
    lists: Mapping[int, HashList],
    negatives: str,
) -> None:
    """Mark the unit of work done and what it covered; raise Stopped when another worker has it."""
    shard = shard_scan.shard
    with transaction.atomic():
        done = shard_scan.still_mine().update(
            state=ShardScan.State.DONE, finished_at=Now(), heard_at=Now(), **tally.fields()
        )
        if not done:
            raise Stopped(f"{shard_scan} went to another worker")
        shard.save(update_fields=["ledger", "ledger_checksum", "lacks"])
        covering.record(shard_scan, spans, tally, lists=lists, negatives=negatives)


def _flag(
    shard_scan: ShardScan,
    flagged: Flagged,
    hits: list[Hit],
    sealed: dict[tuple[int, Copy], SealedObject],
    known: dict[int, KnownHash],
    own: set[int],
    beside: dict[tuple[int, int], int],
) -> Case | None:
    entry = _entry(shard_scan, flagged)
    for copy in flagged.previews:
        preview = sealed.get((entry.row, copy))
        if preview is not None:
            Preview.objects.get_or_create(
                entry=entry, level=copy.level, drawing=copy.drawing, defaults={"sealed": preview}
            )
    others = [hit for hit in hits if hit.list_id not in own]
    ours: set[int] = set() if others else {known[hit.known_id].pk for hit in hits}
    flag = Flag.objects.filter(entry=entry).select_related("case").first()
    fresh = flag is None
    if flag is None:
        flag = Flag.objects.create(entry=entry, case=_case_for(entry, ours=ours))
    case = flag.case
    known_before = _known_hashes(case)
    new_matches = [
        _match(shard_scan, flag, hit, known[hit.known_id], beside.get((entry.row, hit.known_id)))
        for hit in hits
    ]
    # What we decided ourselves speaks of the entries it finds; it puts no other case in doubt.
    unjudged = {known[hit.known_id].pk for hit in others} - known_before
    if case.state != Case.State.CLOSED:
        _quarantine(entry, hits)
        if case.state == Case.State.WAITING and unjudged:
            _back_to_people(case, "wake", "case_woken", entry, unjudged)
    elif any(new_matches):
        _reach_closed_case(case, entry, hits, unjudged=unjudged, fresh=fresh)
    return case


def _entry(shard_scan: ShardScan, flagged: Flagged) -> Entry:
    facts, shard = flagged.facts, shard_scan.shard
    values = {name: getattr(facts, name) for name in KEPT_FACTS}
    for digest in ("md5", "sha1", "sha256"):
        values[digest] = values[digest] or getattr(facts, f"given_{digest}")
    values |= {
        "row_key": (facts.row_key or "").replace("\0", "")[:ROW_KEY_LENGTH],
        "format": facts.format or "",
        "pdq_bands": grouping.bands(facts.pdq) if facts.pdq else None,
        "sealed": sealing.seal_text({"url": flagged.url, "caption": flagged.caption}),
        "tie_break": flagged.tie_break,
    }
    if flagged.provenance:
        values["provenance"] = flagged.provenance
    entry, _ = Entry.objects.update_or_create(
        shard=shard,
        row=facts.row,
        defaults=values,
        create_defaults={**values, "revision": shard.revision},
    )
    return entry


def _case_for(entry: Entry, *, ours: set[int]) -> Case:
    """The case this entry belongs to, opened where there is none.

    People answer for the entries they were shown. Once one has answered, only the same file may
    still join; anything else that shows the picture gets a case of its own. Before that the edit
    number moves on, so that an answer to the smaller case is refused as stale.

    A confirmed decision reaches the same link too, unless it is known to show something else. Where
    no list names the entry but our own, with the known hashes ``ours``, what only looks like a
    picture that was kept joins it if these were judged there too; else people look.
    """
    cases = grouping.cases_of(entry)
    linked = grouping.decided_by_link(entry)
    if linked is not None and not any(grouping.same_file(entry, case) for case in cases):
        return linked
    for case in cases:
        if grouping.same_file(entry, case):
            return case
        if case.state == Case.State.CLOSED:
            if not grouping.is_confirmed(case) and not ours - _known_hashes(case):
                return case
        elif not case.reviews.filter(superseded=False).exclude(answer="").exists():
            Case.objects.filter(pk=case.pk).update(edit_no=F("edit_no") + 1)
            return case
    case = Case.objects.create()
    CustodyEvent.objects.append("case_opened", case, by=None, after={"entry": entry.pk})
    return case


def _known_hashes(case: Case) -> set[int]:
    matches = Match.objects.filter(flag__case=case).order_by()
    return set(matches.values_list("known_hash", flat=True).distinct())


def _match(
    shard_scan: ShardScan, flag: Flag, hit: Hit, known: KnownHash, phash_distance: int | None
) -> bool:
    """Write one match; True when it was not known before."""
    scan = shard_scan.scan
    _, created = Match.objects.update_or_create(
        flag=flag,
        known_hash=known,
        algorithm=hit.algorithm,
        defaults={"last_scan": scan},
        create_defaults={
            "last_scan": scan,
            "scan": scan,
            "version_id": hit.version_id,
            "algorithm_version": scan.algorithm_version,
            "distance": hit.distance,
            "threshold": hit.threshold,
            "variant": hit.variant,
            "approximate": hit.approximate,
            "low_quality": hit.low_quality,
            "phash_distance": phash_distance,
            "origin": hit.origin,
        },
    )
    return created


def _quarantine(entry: Entry, hits: list[Hit]) -> None:
    """An exact match on a trusted list leaves everything we serve or build, at once."""
    if entry.quarantined_at is not None:
        return
    lists = {hit.list_id for hit in hits if hit.exact}
    if HashList.objects.filter(pk__in=lists, trust=HashList.Trust.TRUSTED).exists():
        entry.quarantined_at = timezone.now()
        entry.save(update_fields=["quarantined_at"])


def _reach_closed_case(
    case: Case, entry: Entry, hits: list[Hit], *, unjudged: set[int], fresh: bool
) -> None:
    """A decision stands for a new entry of the same picture: a removal fans out to it, and a kept
    picture stays kept, until a known hash that nobody has judged speaks against it."""
    decision = case.decisions.standing().last()
    if decision is not None and decision.verdict == Decision.Verdict.CONFIRMED:
        if not fresh:
            return
        entry.quarantined_at = entry.quarantined_at or timezone.now()
        entry.save(update_fields=["quarantined_at"])
        removal, created = Removal.objects.get_or_create(
            entry=entry, decision=decision, defaults={"state": Removal.State.DUE}
        )
        if created:
            CustodyEvent.objects.append(
                "removal_due",
                removal,
                by=None,
                after={"decision": decision.pk, "case": case.pk},
            )
        return
    if not unjudged:
        return
    _quarantine(entry, hits)
    _back_to_people(case, "reopen", "case_reopened", entry, unjudged)


def _back_to_people(case: Case, event: str, action: str, entry: Entry, unjudged: set[int]) -> None:
    """A known hash that nobody has judged speaks of the picture: a new round begins."""
    before = {"state": case.state}
    case.move(
        event,
        closed_at=None,
        came_from="",
        reopened_because="new_match",
        due_since=timezone.now(),
    )
    case.reviews.update(superseded=True)
    CustodyEvent.objects.append(
        action,
        case,
        by=None,
        before=before,
        after={"state": case.state, "entry": entry.pk, "known_hashes": sorted(unjudged)},
        reason="new_match",
    )
    case_reopened.send(sender=Case, case=case)


def _seal_previews(
    shard_scan: ShardScan, flagged: Sequence[Flagged]
) -> dict[tuple[int, Copy], SealedObject]:
    """Seal the previews that are not kept yet, by row and copy; outside the transaction because the
    store may be another machine."""
    kept = {
        (row, Copy(level, drawing))
        for row, level, drawing in Preview.objects.filter(
            entry__shard=shard_scan.shard, entry__row__in=[each.facts.row for each in flagged]
        ).values_list("entry__row", "level", "drawing")
    }
    return {
        (each.facts.row, copy): store.seal(png, SealedObject.Kind.PREVIEW)
        for each in flagged
        for copy, png in each.previews.items()
        if (each.facts.row, copy) not in kept
    }
