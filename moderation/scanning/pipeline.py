"""One shard of one scan: its rows to a ledger, its hits to flags. May be repeated at any point."""

from bisect import bisect_left
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple

from django.conf import settings

from moderation import files
from moderation.algorithms import URL_DIGESTS
from moderation.datasets.ledger import LedgerWriter
from moderation.datasets.readers import (
    WITH_PICTURES,
    Batch,
    DatasetError,
    ShardReader,
    open_shard,
)
from moderation.models import Scan, Shard, ShardScan
from moderation.models.legal_basis import LegalBasis

from . import covering, examining, flagging, ledgers
from .columns import Column, of_urls
from .facts import Flagged, RowFacts, Tally
from .finds import Finds
from .flow import Flow
from .heartbeat import Heartbeat
from .indexes import Span
from .matcher import Hit, Matcher
from .stated import stated

LINK_ROWS = 256  # entries read at once where links are fetched
PICTURE_ROWS = 64  # the same where the shard carries the pictures themselves
STRIDE = 65_536  # rows without a hit that are read on rather than stepped over
HELD_ROWS = 10_000  # entries with hits in memory before their texts are read


class ShardChanged(Exception):
    """The file is not the one that was registered."""


@dataclass(frozen=True)
class Plan:
    """What one shard is compared with."""

    spans: list[Span]
    fetch: bool


class Examined(NamedTuple):
    """One batch: all its entries, those among them to be matched, and by place what is kept of
    pictures that may have hit."""

    batch: Batch
    part: ledgers.Part
    near: ledgers.Part
    kept: dict[int, examining.Kept]


def scan_shard(shard_scan: ShardScan) -> None:
    """Do a claimed unit of work to its end: ledger in place, flags raised, coverage recorded.

    Raises heartbeat.Stopped when the scan was paused or cancelled meanwhile; ShardChanged or
    DatasetError when a person must act.
    """
    shard, scan = shard_scan.shard, shard_scan.scan
    previous = ledgers.open_valid(shard)
    stored = previous if previous and previous.complete else None
    plan = Plan(
        spans=covering.spans_for(scan, shard, stored=stored is not None),
        fetch=scan.kind == Scan.Kind.CONTENT,
    )
    if plan.fetch and not LegalBasis.objects.current().exists():
        raise DatasetError("Fetching is off: switch it on with `fetching on` and resume the scan.")
    with Heartbeat(shard_scan) as heartbeat:
        reader = open_shard(shard.form, shard.location, shard.columns)
        matcher = Matcher(plan.spans)
        tally = Tally()
        finds = Finds(shard_scan, matcher, tally)
        if stored is not None and not plan.fetch:
            _from_ledger(shard_scan, reader, matcher, finds, stored, tally, heartbeat)
        else:
            _from_shard(shard_scan, reader, matcher, finds, previous, tally, heartbeat, plan)
        heartbeat.check(tally.rows)
    tally.recent = heartbeat.recent()
    if tally.rows != shard.rows:
        raise DatasetError(
            f"Shard {shard.number} gave {tally.rows} rows instead of {shard.rows}:"
            " register it again."
        )
    # Recorded only if the scan did not go to another worker.
    flagging.finish(
        shard_scan, plan.spans, tally, lists=matcher.lists, negatives=finds.rules.negatives
    )


def _from_shard(
    shard_scan: ShardScan,
    reader: ShardReader,
    matcher: Matcher,
    finds: Finds,
    previous: ledgers.Ledger | None,
    tally: Tally,
    heartbeat: Heartbeat,
    plan: Plan,
) -> None:
    """Read the dataset itself; hash what it carries, fetch what it links to where that is on."""
    shard = shard_scan.shard
    _check_unchanged(shard, reader)
    location = ledgers.location(shard)
    held: set[str] = set()
    with ExitStack() as stack:
        ledger = stack.enter_context(
            LedgerWriter(
                location,
                shard_checksum=shard.checksum,
                algorithm_version=shard_scan.scan.algorithm_version,
            )
        )
        examined = _examined(shard, reader, matcher, previous, heartbeat, plan)
        for batch, part, near, kept in stack.enter_context(closing(examined)):
            columns = near.columns + _link_columns(part, matcher) + _url_columns(batch, matcher)
            for row, matched in finds.match(columns).items():
                at = row - batch.start
                flagged = _flagged(batch, part.facts(row), at)
                hits = finds.judged(flagged, matched)
                if not hits:
                    continue
                picture = batch.pictures[at] if batch.pictures else None
                kept_here = kept.get(at, examining.Kept())
                if not kept_here.previews and picture and flagged.facts.pdq:
                    kept_here = examining.keep(picture)
                flagged.previews, flagged.provenance = kept_here.previews, kept_here.provenance
                finds.add(flagged, hits)
            ledger.write(part.as_columns())
            held |= part.algorithms
            part.count(tally)
        finds.flush()
    shard.ledger = location
    shard.ledger_checksum = files.sha256(location)
    shard.lacks = sorted(ledgers.HELD - held)


def _examined(
    shard: Shard,
    reader: ShardReader,
    matcher: Matcher,
    previous: ledgers.Ledger | None,
    heartbeat: Heartbeat,
    plan: Plan,
) -> Generator[Examined, None, None]:
    """Yield the batches of a shard in row order, with what is known of their entries."""
    pictures = shard.form in WITH_PICTURES
    if not pictures and not plan.fetch:
        rows = 0
        for batch in reader.batches(rows=settings.SCAN_BATCH_ROWS, pictures=True):
            part = ledgers.Part(stated(batch))
            yield Examined(batch, part, part, {})
            rows += len(batch)
            heartbeat.check(rows)
        return
    old = ledgers.aligned(previous) if previous else None

    def batches() -> Iterator[tuple[Batch, list[RowFacts]]]:
        for batch in reader.batches(rows=PICTURE_ROWS if pictures else LINK_ROWS, pictures=True):
            facts = ledgers.Part(stated(batch)).rows()
            if old is not None:
                old.fill(facts)
            yield batch, facts

    with Flow(matcher, heartbeat, fetch=plan.fetch) as flow:
        for group in flow.through(batches()):
            near = ledgers.Part.of(group.to_match())
            yield Examined(group.batch, ledgers.Part.of(group.rows), near, group.kept)


def _from_ledger(
    shard_scan: ShardScan,
    reader: ShardReader,
    matcher: Matcher,
    finds: Finds,
    previous: ledgers.Ledger,
    tally: Tally,
    heartbeat: Heartbeat,
) -> None:
    """Join the stored hashes; the dataset is opened only for the texts of entries that hit.

    So a shard without a hit is not read at all, and its size alone tells whether it changed.
    """
    if reader.size() != shard_scan.shard.size:
        raise _changed(shard_scan.shard)
    unchanged = cache(partial(_check_unchanged, shard_scan.shard, reader))
    found: dict[int, list[Hit]] = {}

    def take(matched: dict[int, list[Hit]], *, at_most: int) -> None:
        for row, hits in matched.items():
            found.setdefault(row, []).extend(hits)
        heartbeat.check(tally.rows)
        if len(found) > at_most:
            unchanged()
            _flag_found(reader, finds, previous, found, heartbeat)
            found.clear()

    lacks = {*shard_scan.shard.lacks, *(ledgers.HELD & matcher.algorithms)}
    for part in ledgers.parts(previous, matcher.algorithms):
        part.count(tally)
        lacks -= part.algorithms
        take(finds.match(part.columns + _link_columns(part, matcher)), at_most=HELD_ROWS)
    shard_scan.shard.lacks = sorted(lacks)
    if not matcher.algorithms.isdisjoint(URL_DIGESTS):
        # URL digests are not kept in the ledger: the dataset's own URL column has them all.
        unchanged()
        for batch in reader.batches(rows=settings.SCAN_BATCH_ROWS, pictures=False):
            take(finds.match(_url_columns(batch, matcher)), at_most=HELD_ROWS)
    take({}, at_most=0)
    finds.flush()


def _flag_found(
    reader: ShardReader,
    finds: Finds,
    previous: ledgers.Ledger,
    found: dict[int, list[Hit]],
    heartbeat: Heartbeat,
) -> None:
    """Read what the ledger and the dataset say of entries that hit, and hand them on."""
    facts = ledgers.facts_of(previous, found)
    for batch in _batches_with(sorted(found), reader):
        for at in range(len(batch.row_keys)):
            row = batch.start + at
            if row not in found:
                continue
            flagged = _flagged(batch, facts[row], at)
            hits = finds.judged(flagged, found[row])
            if not hits:
                continue
            picture = batch.pictures[at] if batch.pictures else None
            if picture and facts[row].pdq:
                kept = examining.keep(picture)
                flagged.previews, flagged.provenance = kept.previews, kept.provenance
            finds.add(flagged, hits)
        heartbeat.check()


def _batches_with(wanted: list[int], reader: ShardReader) -> Iterator[Batch]:
    """Yield the batches that hold these rows, stepping over long stretches between them."""
    rows = PICTURE_ROWS if reader.form in WITH_PICTURES else settings.SCAN_BATCH_ROWS
    at = 0
    while at < len(wanted):
        begun = at
        for batch in reader.batches(rows=rows, pictures=True, start=wanted[at]):
            end = batch.start + len(batch)
            held = bisect_left(wanted, end) - at
            if held:
                at += held
                yield batch
            if at == len(wanted) or wanted[at] - end > STRIDE:
                break
        if at == begun:
            raise DatasetError("Rows that its ledger knows are missing: register the shard again.")


def _check_unchanged(shard: Shard, reader: ShardReader) -> None:
    if reader.checksum() != shard.checksum:
        raise _changed(shard)


def _changed(shard: Shard) -> ShardChanged:
    return ShardChanged(f"Shard {shard.number} changed since it was registered: register it again.")


def _link_columns(part: ledgers.Part, matcher: Matcher) -> list[Column]:
    return part.links if "url_key" in matcher.algorithms else []


def _url_columns(batch: Batch, matcher: Matcher) -> list[Column]:
    return of_urls(sorted(matcher.algorithms), batch.urls, start=batch.start)


def _flagged(batch: Batch, facts: RowFacts, at: int) -> Flagged:
    return Flagged(
        facts=facts,
        url=batch.urls[at] or "",
        caption=batch.captions[at] or "",
        tie_break=batch.tie_break[at] if batch.tie_break else None,
    )
