"""Rows for the tests of the operator's pages: revisions, lists, scans, removals, all made up."""

import secrets

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from moderation.evidence import sealing, store
from moderation.models import (
    Case,
    Coverage,
    Dataset,
    Decision,
    Entry,
    HashList,
    HashListVersion,
    Manifest,
    Removal,
    Revision,
    Scan,
    SealedObject,
    Shard,
    ShardScan,
)
from tests.known import known_row


def checksum() -> str:
    return secrets.token_hex(32)


def revision(name: str = "harbour", label: str = "v1", *, shards: int = 2, rows: int = 100):
    dataset, _ = Dataset.objects.get_or_create(name=name, defaults={"synthetic": True})
    made = Revision.objects.create(dataset=dataset, label=label)
    for number in range(shards):
        Shard.objects.create(
            revision=made,
            number=number,
            form="links_parquet",
            location=f"/data/{name}/{label}/part-{number}.parquet",
            rows=rows,
            size=1000,
            checksum=checksum(),
        )
    return made


def hash_list(slug: str = "quay", *, values: int = 2, **fields) -> HashList:
    made = HashList.objects.create(slug=slug, owner="Example Hotline", synthetic=True, **fields)
    version(made, new=values)
    for _ in range(values):
        known_row(made.current, "md5", secrets.token_bytes(16))
    return made


def version(of: HashList, **fields) -> HashListVersion:
    number = of.versions.count() + 1
    made = HashListVersion.objects.create(
        hash_list=of,
        number=number,
        label=f"2026-{number:02d}",
        format="plain",
        checksum=checksum(),
        **fields,
    )
    of.current = made
    of.save()
    return made


def cover(shard: Shard, by: HashList, **fields) -> Coverage:
    values = {
        "version": by.current,
        "algorithm_version": settings.ALGORITHM_VERSION,
        "threshold": by.threshold,
    } | fields
    return Coverage.objects.create(shard=shard, hash_list=by, **values)


def scan(of: Revision, *, state: str = "running", done: int = 1, by: User | None = None) -> Scan:
    ended = timezone.now() if state in ("finished", "failed", "cancelled") else None
    made = Scan.objects.create(
        revision=of,
        kind=Scan.Kind.HASH_ONLY,
        reason=Scan.Reason.REQUESTED,
        state=state,
        algorithm_version=settings.ALGORITHM_VERSION,
        requested_by=by,
        finished_at=ended,
    )
    for shard in of.shards.all():
        is_done = shard.number < done
        ShardScan.objects.create(
            scan=made,
            shard=shard,
            state="done" if is_done else "due",
            rows_done=shard.rows if is_done else 0,
            outcomes={"hashed": shard.rows - 3, "gone": 3} if is_done else {},
            reasons={"column": shard.rows - 3, "http_404": 3} if is_done else {},
            exact=2 if is_done else 0,
            near=1 if is_done else 0,
        )
    return made


def removal(of: Revision, *, first: User, second: User, state: str = "due") -> Removal:
    case = Case.objects.create(state="closed")
    decision = Decision.objects.create(
        case=case,
        verdict="confirmed",
        code="REMOVE_KNOWN",
        harm_class="csam",
        first=first,
        second=second,
    )
    shard = of.shards.order_by("number").first()
    entry = Entry.objects.create(
        revision=of,
        shard=shard,
        row=shard.entries.count(),
        sealed=sealing.seal_text({"url": "https://pictures.example/a.jpg"}),
        outcome="hashed",
        reason="column",
    )
    return Removal.objects.create(entry=entry, decision=decision, state=state)


def manifest(of: Revision, data: bytes = b'{"manifest": 1}\n', *, by: User | None = None):
    sealed = store.seal(data, SealedObject.Kind.MANIFEST)
    return Manifest.objects.create(
        revision=of,
        number=of.manifests.count() + 1,
        sealed=sealed,
        sha256=sealed.sha256,
        line_count=1,
        built_by=by,
    )
