"""Rows around a known hash: one flagged entry and its case."""

from django.contrib.auth.models import User
from django.utils import timezone

from moderation.models import (
    Case,
    Dataset,
    Entry,
    Flag,
    HashList,
    KnownHash,
    Match,
    Revision,
    Scan,
    SealedObject,
    Shard,
)
from reports.models import Report


def flagged_case(known: KnownHash, *, number: int = 1, state: str = Case.State.OPEN) -> Case:
    """A case whose one flag carries one match to ``known``."""
    dataset, _ = Dataset.objects.get_or_create(name="pictures")
    revision, _ = Revision.objects.get_or_create(dataset=dataset, label="1")
    shard, _ = Shard.objects.get_or_create(
        revision=revision, number=0, form="links_csv", location="a.csv", rows=9, size=9, checksum=""
    )
    scan, _ = Scan.objects.get_or_create(
        revision=revision, kind=Scan.Kind.HASH_ONLY, reason=Scan.Reason.REQUESTED
    )
    entry = Entry.objects.create(
        revision=revision, shard=shard, row=number, sealed=b"", outcome="hashed", reason="column"
    )
    closed_at = timezone.now() if state == Case.State.CLOSED else None
    case = Case.objects.create(state=state, closed_at=closed_at)
    Match.objects.create(
        flag=Flag.objects.create(entry=entry, case=case),
        known_hash=known,
        version=known.added_in,
        scan=scan,
        last_scan=scan,
        algorithm=known.algorithm,
        algorithm_version="1",
        distance=0,
        threshold=0,
        variant="plain",
        origin=Match.Origin.COLUMN,
    )
    return case


def report(case: Case, *, by: User) -> Report:
    """A draft about the case."""
    return Report.objects.create(case=case, agency="iwf", environment="test", composed_by=by)


def sent_report(case: Case, *, by: User, approved_by: User) -> Report:
    report(case, by=by)
    payload = SealedObject.objects.create(kind=SealedObject.Kind.PAYLOAD, sha256="", size=0)
    Report.objects.filter(case=case).update(
        state=Report.State.SENT,
        approved_by=approved_by,
        approved_at=timezone.now(),
        payload=payload,
    )
    return Report.objects.get(case=case)


def standing(slug: str) -> dict[str, tuple[str, str, str]]:
    """What stands in a list: hex of the value to (algorithm, scheme, category)."""
    rows = KnownHash.objects.filter(hash_list__slug=slug, removed_in=None)
    return {
        bytes(row.value).hex(): (row.algorithm, row.scheme, row.category)
        for row in rows.order_by("pk")
    }


def versions(slug: str) -> list[tuple[int, str]]:
    return list(
        HashList.objects.get(slug=slug).versions.order_by("number").values_list("number", "label")
    )
