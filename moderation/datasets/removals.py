"""Confirmed removals: listed in a manifest, applied, and verified gone in a later revision.

A manifest lists what two people confirmed and nothing else. Whoever writes a clean copy leaves out
more: what is in quarantine at that moment (docs/decisions/0039).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from moderation.datasets import ledger, manifests
from moderation.evidence import store
from moderation.models import (
    Case,
    CustodyEvent,
    Entry,
    Manifest,
    ManifestLine,
    Receipt,
    Removal,
    Revision,
    SealedObject,
    Shard,
)

IDENTIFIERS = ("url_key", "sha256", "sha1", "md5")


@dataclass(frozen=True)
class Outcome:
    """What became, in a later revision, of the removals that a manifest lists."""

    manifest: Manifest
    lines: int
    gone: int

    @property
    def left(self) -> int:
        return self.lines - self.gone

    def __str__(self) -> str:
        removals = "removal" if self.lines == 1 else "removals"
        told = (
            f"{self.gone:,} of {self.lines:,} {removals} of manifest {self.manifest.number} "
            f"of {self.manifest.revision} verified gone"
        )
        return f"{told}; {self.left:,} not" if self.left else told


@dataclass(frozen=True)
class HeldBack:
    """Rows in quarantine that a manifest does not list: ``provisional``, while people decide, and
    ``unlisted``, confirmed since the manifest was built."""

    provisional: list[manifests.Line]
    unlisted: list[manifests.Line]

    @property
    def lines(self) -> list[manifests.Line]:
        return [*self.provisional, *self.unlisted]


def build_manifest(revision: Revision, *, by: User | None) -> tuple[Manifest, bool]:
    """List every standing removal of the revision in a new manifest; return it, and that it is new.

    Where nothing was added since the last one, also where somebody else built that meanwhile, it is
    the last one. Raises ManifestRefused when there is nothing to remove.
    """
    removals = _standing(revision)
    if not removals:
        raise manifests.ManifestRefused(
            f"No entry of {revision} is confirmed for removal: there is nothing to list."
        )
    last = revision.manifests.last()
    if last and _lists(last, removals):
        return last, False
    number = last.number + 1 if last else 1
    # The store may be another machine: the file is sealed before the transaction.
    sealed = store.seal(_bytes_of(revision, number, removals), SealedObject.Kind.MANIFEST)
    try:
        with transaction.atomic():
            return _record_manifest(revision, number, removals, sealed, by=by), True
    except BaseException as error:
        store.shred(sealed)
        built = revision.manifests.last() if isinstance(error, manifests.ManifestRefused) else None
        if built is None or not _lists(built, removals):
            raise
        return built, False


def read_manifest(manifest: Manifest, *, by: User | None) -> bytes:
    """Return a manifest's bytes as they were signed, and record who took them out.

    Raises sealing.Unreadable when the evidence store does not give them back.
    """
    data = store.open_sealed(manifest.sealed)
    with transaction.atomic():
        CustodyEvent.objects.append(
            "manifest_read", manifest, by=by, file_sha256=manifest.sealed.sha256
        )
    return data


def held_back(manifest: manifests.ManifestFile) -> HeldBack:
    """Return what is in quarantine now beside the lines of one of our own manifests; nothing for a
    manifest from elsewhere, of whose entries we know nothing."""
    ours = Manifest.objects.filter(sha256=manifest.sha256).first()
    if ours is None:
        return HeldBack([], [])
    listed = {(line.shard, line.row) for line in manifest.lines}
    rows = (
        Entry.objects.in_quarantine()
        .filter(revision=ours.revision_id)
        .order_by("shard__number", "row")
        .values_list("shard__number", "row", "row_key", "flag__case__state")
    )
    found = HeldBack([], [])
    for shard, row, row_key, state in rows:
        if (shard, row) not in listed:
            decided = state == Case.State.CLOSED
            lines = found.unlisted if decided else found.provisional
            lines.append(manifests.Line(shard, row, row_key))
    return found


def record_receipt(
    manifest: manifests.ManifestFile,
    applied: manifests.Applied,
    *,
    held_back: HeldBack,
    by: User | None,
) -> Receipt | None:
    """Note that one of our own manifests was applied; None for a manifest from elsewhere.

    What was left out beside its lines is told by numbers alone, never by row or case.
    """
    ours = Manifest.objects.filter(sha256=manifest.sha256).first()
    if ours is None:
        return None
    told = {
        name: len(lines)
        for name, lines in (
            ("provisional", held_back.provisional),
            ("unlisted", held_back.unlisted),
        )
        if lines
    }
    with transaction.atomic():
        receipt = Receipt.objects.create(
            manifest=ours,
            rows_in=applied.rows_in,
            rows_out=applied.rows_out,
            removed=applied.removed,
            checksums=applied.checksums,
            applied_by=by,
            **told,
        )
        CustodyEvent.objects.append(
            "manifest_applied",
            ours,
            by=by,
            after={"removed": applied.removed, **told, "rows_out": applied.rows_out},
        )
    return receipt


def verify(revision: Revision) -> int:
    """Mark removals of the dataset's other revisions as verified where this wholly scanned revision
    holds neither their URL nor their file any more; return how many were marked."""
    waiting = list(
        Removal.objects.unverified()
        .filter(
            entry__revision__dataset=revision.dataset_id,
            entry__revision__registered_at__lt=revision.registered_at,
        )
        .select_related("entry", "decision")
    )
    if not waiting:
        return 0
    present = _present(revision.shards.all(), waiting)
    marked = 0
    for removal in waiting:
        known = _identifiers(removal)
        if not known or any((name, value) in present for name, value in known):
            continue
        with transaction.atomic():
            done = (
                Removal.objects.unverified()
                .filter(pk=removal.pk)
                .update(
                    state=Removal.State.VERIFIED, verified_at=timezone.now(), verified_in=revision
                )
            )
            if done:
                facts = {"revision": revision.pk, "case": removal.decision.case_id}
                CustodyEvent.objects.append("removal_verified", removal, by=None, after=facts)
        marked += done
    return marked


def outcomes(revision: Revision) -> list[Outcome]:
    """What the scans of this revision say of the last manifest of each earlier revision of its
    dataset. What an earlier revision was verified to be without is told there, not here."""
    here, waiting = (
        Q(lines__removal__verified_in=revision),
        Q(lines__removal__state__in=[Removal.State.DUE, Removal.State.LISTED]),
    )
    last = (
        Manifest.objects.filter(
            revision__dataset=revision.dataset_id,
            revision__registered_at__lt=revision.registered_at,
        )
        .order_by("revision_id", "-number")
        .distinct("revision_id")
    )
    told = (
        Manifest.objects.filter(pk__in=last.values("pk"))
        .select_related("revision__dataset")
        .annotate(
            gone=Count("lines", filter=here, distinct=True),
            told=Count("lines", filter=here | waiting, distinct=True),
        )
        .filter(told__gt=0)
        .order_by("revision__registered_at")
    )
    return [Outcome(each, each.told, each.gone) for each in told]


def _standing(revision: Revision) -> list[Removal]:
    return list(
        Removal.objects.standing()
        .filter(entry__revision=revision)
        .select_related("entry__shard")
        .order_by("entry__shard__number", "entry__row")
    )


def _lists(manifest: Manifest, removals: Sequence[Removal]) -> bool:
    """Whether it lists these removals and no others."""
    listed = manifest.lines.values_list("removal", flat=True)
    return set(listed) == {removal.pk for removal in removals}


def _record_manifest(
    revision: Revision,
    number: int,
    removals: Sequence[Removal],
    sealed: SealedObject,
    *,
    by: User | None,
) -> Manifest:
    """Write the rows of a sealed manifest, unless the revision changed while it was made."""
    Revision.objects.select_for_update().get(pk=revision.pk)
    taken = revision.manifests.filter(number=number).exists()
    if taken or [each.pk for each in _standing(revision)] != [each.pk for each in removals]:
        raise manifests.ManifestRefused(
            f"Removals of {revision} changed while the manifest was made: build it again."
        )
    manifest = Manifest.objects.create(
        revision=revision,
        number=number,
        sealed=sealed,
        sha256=sealed.sha256,
        line_count=len(removals),
        built_by=by,
    )
    ManifestLine.objects.bulk_create(
        ManifestLine(manifest=manifest, removal=removal) for removal in removals
    )
    Removal.objects.filter(
        pk__in=[removal.pk for removal in removals], state=Removal.State.DUE
    ).update(state=Removal.State.LISTED)
    CustodyEvent.objects.append(
        "manifest_built",
        manifest,
        by=by,
        after={"number": number, "lines": len(removals)},
        file_sha256=sealed.sha256,
    )
    return manifest


def _bytes_of(revision: Revision, number: int, removals: Sequence[Removal]) -> bytes:
    shards = list(revision.shards.all())
    head = {
        "dataset": revision.dataset.name,
        "revision": revision.label,
        "number": number,
        "columns": shards[0].columns,
        "shards": [_described(shard) for shard in shards],
        "lines": len(removals),
    }
    lines = (
        manifests.Line(each.entry.shard.number, each.entry.row, each.entry.row_key)
        for each in removals
    )
    return manifests.write(head, lines, signing_key=settings.SIGNING_KEY)


def _described(shard: Shard) -> dict[str, object]:
    return {
        "number": shard.number,
        "name": shard.name,
        "form": shard.form,
        "columns": shard.columns,
        "rows": shard.rows,
        "sha256": shard.checksum,
    }


def _identifiers(removal: Removal) -> list[tuple[str, bytes]]:
    entry = removal.entry
    return [
        (name, bytes(value)) for name in IDENTIFIERS if (value := getattr(entry, name)) is not None
    ]


def _present(shards: Iterable[Shard], removals: Sequence[Removal]) -> set[tuple[str, bytes]]:
    """Which identifiers of these removals the ledgers of these shards still hold."""
    wanted: dict[str, set[bytes]] = {name: set() for name in IDENTIFIERS}
    for removal in removals:
        for name, value in _identifiers(removal):
            wanted[name].add(value)
    columns = {
        name: (name,) if name == "url_key" else (name, f"given_{name}") for name in IDENTIFIERS
    }
    names = [name for group in columns.values() for name in group]
    present: set[tuple[str, bytes]] = set()
    for shard in shards:
        for batch in ledger.read(shard.ledger, names):
            for name, group in columns.items():
                for column_name in group:
                    column = batch.column(column_name)
                    among = pa.array(sorted(wanted[name]), type=column.type)
                    here = column.filter(pc.is_in(column, value_set=among))
                    present |= {(name, value) for value in here.to_pylist() if value is not None}
    return present
