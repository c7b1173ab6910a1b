"""Rows around a known hash: one flagged entry and its case."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from moderation.hash_lists import known_rows
from moderation.models import (
    Case,
    Dataset,
    Entry,
    Flag,
    HashList,
    HashListVersion,
    KnownBlock,
    KnownHash,
    Match,
    Revision,
    Scan,
    SealedObject,
    Shard,
)
from moderation.models.known_block import number_of
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
    return {
        bytes(each.value).hex(): (each.algorithm, each.scheme, each.category)
        for each in values(slug)
        if each.removed_in_id is None
    }


def values(slug: str) -> list[KnownHash]:
    """Each value of a list for each time it was added, with or without a row."""
    of = KnownBlock.objects.filter(hash_list__slug=slug)
    numbers = [
        number_of(pk, place)
        for pk, count in of.order_by("pk").values_list("pk", "count")
        for place in range(count)
    ]
    found = known_rows.look_up(numbers)
    return [found[number] for number in numbers]


def in_version(version: HashListVersion) -> list[KnownHash]:
    """The values that stood in this version of its list."""
    return [
        each
        for each in values(version.hash_list.slug)
        if each.added_in.number <= version.number
        and (each.removed_in is None or each.removed_in.number > version.number)
    ]


def row_of(algorithm: str, value: bytes, slug: str = "demo") -> KnownHash:
    """The row of a value as it was added last, made where there is none."""
    hash_list = HashList.objects.get(slug=slug)
    number = known_rows.find(algorithm, value, hash_list=hash_list)[-1]
    with transaction.atomic():
        return known_rows.materialise([number])[number]


def versions(slug: str) -> list[tuple[int, str]]:
    return list(
        HashList.objects.get(slug=slug).versions.order_by("number").values_list("number", "label")
    )
