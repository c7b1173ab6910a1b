"""Rows for the review tests: a dataset, a list and a case with flagged entries, all made up."""

import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone

from moderation.evidence import sealing, store
from moderation.media.preview import SIDES, Copy, copies
from moderation.models import (
    Case,
    Dataset,
    Entry,
    Flag,
    HashList,
    HashListVersion,
    KnownHash,
    LegalBasis,
    Match,
    Preview,
    Revision,
    Scan,
    SealedObject,
    Shard,
)
from moderation.review import answers, decisions, queue
from moderation.review.codes import CODES
from moderation.scanning import facets
from tests.known import known_row

WIDTH = {"md5": 16, "sha1": 20, "sha256": 32, "pdq": 32, "phash": 8}


def make_revision(label: str = "r1", *, synthetic: bool = True) -> Revision:
    dataset, _ = Dataset.objects.get_or_create(
        name="laguna" if synthetic else "estuary", defaults={"synthetic": synthetic}
    )
    revision, _ = Revision.objects.get_or_create(dataset=dataset, label=label)
    return revision


def make_list(slug: str = "harbour", *, trust: str = "trusted") -> HashListVersion:
    hash_list, new = HashList.objects.get_or_create(slug=slug, defaults={"trust": trust})
    if new:
        hash_list.current = HashListVersion.objects.create(
            hash_list=hash_list, number=1, label="2026-01", format="plain", checksum="0" * 64
        )
        hash_list.save()
    return hash_list.current


def make_scan(revision: Revision) -> Scan:
    scan, _ = Scan.objects.get_or_create(
        revision=revision,
        kind=Scan.Kind.HASH_ONLY,
        reason=Scan.Reason.NEW_REVISION,
        state=Scan.State.FINISHED,
        defaults={"algorithm_version": "1"},
    )
    return scan


def add_entry(
    case: Case,
    *,
    revision: Revision | None = None,
    algorithm: str = "md5",
    distance: int = 0,
    trust: str = "trusted",
    slug: str = "",
    url: str = "https://pictures.example/a/b.jpg?x=1",
    caption: str = "a boat at rest",
    **fields: Any,
) -> Entry:
    revision = revision or make_revision()
    shard, _ = Shard.objects.get_or_create(
        revision=revision,
        number=0,
        defaults={
            "form": "links_parquet",
            "location": f"/nowhere/{revision.pk}.parquet",
            "rows": 1000,
            "size": 1,
            "checksum": "0" * 64,
        },
    )
    entry = Entry.objects.create(
        revision=revision,
        shard=shard,
        row=shard.entries.count(),
        sealed=sealing.seal_text({"url": url, "caption": caption}),
        url_key=sealing.url_key(url),
        md5=secrets.token_bytes(16),
        outcome="hashed",
        reason="given",
        width=640,
        height=480,
        format="jpeg",
        size=40_000,
        **fields,
    )
    flag = Flag.objects.create(entry=entry, case=case)
    version = make_list(slug or f"harbour-{trust}", trust=trust)
    value = secrets.token_bytes(WIDTH[algorithm])
    known = known_row(version, algorithm, value, scheme="iwf", category="A1")
    if algorithm not in ("pdq", "phash"):
        Case.objects.filter(pk=case.pk).update(exact=True)
    scan = make_scan(revision)
    Match.objects.create(
        flag=flag,
        known_hash=known,
        version=version,
        scan=scan,
        last_scan=scan,
        algorithm=algorithm,
        algorithm_version="1",
        distance=distance,
        threshold=31 if algorithm == "pdq" else 0,
        variant="plain",
        origin=Match.Origin.COLUMN,
    )
    facets.keep([case.pk])
    return entry


def make_case(
    *, near: bool = False, entries: int = 1, trust: str = "trusted", **fields: Any
) -> Case:
    """An open case: exact md5 matches, or PDQ matches at distance 12."""
    fields = {"harm_class": "csam", "priority": 8.0} | fields
    case = Case.objects.create(**fields)
    for _ in range(entries):
        if near:
            add_entry(case, algorithm="pdq", distance=12, trust=trust)
        else:
            add_entry(case, trust=trust)
    return case


def seal_copies(entry: Entry, data: bytes, *, only: Collection[Copy] = tuple(SIDES)) -> Entry:
    """Seal previews of a picture for an entry, as a scan does with all of them."""
    made = copies(data)
    for copy in only:
        png = made[copy]
        sealed = store.seal(png, SealedObject.Kind.PREVIEW)
        Preview.objects.create(entry=entry, level=copy.level, drawing=copy.drawing, sealed=sealed)
    return entry


def record_basis() -> LegalBasis:
    return LegalBasis.objects.create(
        jurisdiction="GB",
        basis="agreement 7",
        officer="Officer",
        until=timezone.now() + timedelta(days=30),
    )


def answer(case: Case, by: User, code: str, **fields: Any) -> Any:
    """Claim and answer, with a reason where one is needed; the answer is still undoable.

    KEEP is the keep that fits: of a near match, or against a known hash that is equal.
    """
    if code == "KEEP":
        code = "KEEP_LIST_ERROR" if decisions.exact_matches(case) else "KEEP_FALSE_MATCH"
    if CODES[code].explain:
        fields = {"reason": "another ship"} | fields
    held = queue.claim(case, by=by)
    return answers.give(
        held,
        by=by,
        token=held.lease_token,
        edit_no=held.edit_no,
        answer=code,
        idempotency_key=secrets.token_hex(16),
        **fields,
    )


def end_grace(review: Any) -> None:
    type(review).objects.filter(pk=review.pk).update(settles_at=Now() - timedelta(seconds=1))


def settled(case: Case, by: User, code: str, **fields: Any) -> Case:
    """Claim, answer, let the grace pass; the case as it then is."""
    review = answer(case, by, code, **fields)
    end_grace(review)
    assert answers.settle(review.pk)
    return Case.objects.get(pk=case.pk)


def end_lease(case: Case) -> None:
    Case.objects.filter(pk=case.pk).update(lease_expires_at=Now() - timedelta(seconds=1))


def withdraw(case: Case, *, again: bool = False) -> HashListVersion:
    """Withdraw the known hashes of a case in a new version, which perhaps holds them anew."""
    known = KnownHash.objects.filter(matches__flag__case=case).distinct()
    hash_list = known[0].hash_list
    number = hash_list.versions.count() + 1
    version = hash_list.versions.create(
        number=number, label=f"2026-{number:02}", format="plain", checksum="0" * 64
    )
    for each in known:
        KnownHash.objects.filter(pk=each.pk).update(removed_in=version)
        if again:
            known_row(version, each.algorithm, bytes(each.value), scheme="iwf", category="A2")
    return version
