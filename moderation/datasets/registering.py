"""Files to a revision and its shards. They stay where they are; running twice changes nothing."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Max, Sum

from moderation import files
from moderation.datasets.readers import DatasetError, ShardSource, detect, open_shard
from moderation.models import Coverage, CustodyEvent, Dataset, Revision, Shard

LOCK = 0x52454749  # one registration at a time


@dataclass(frozen=True)
class Registered:
    """The revision as it stands after registering; ``new`` and ``changed`` count shards."""

    revision: Revision
    shards: int
    entries: int
    columns: dict[str, str]
    new: int
    changed: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Measured:
    source: ShardSource
    rows: int
    size: int
    checksum: str
    columns: dict[str, str]


def register(
    paths: Sequence[str],
    *,
    dataset: str,
    revision: str,
    mapping: Mapping[str, str] | None = None,
    synthetic: bool = False,
    by: User | None,
) -> Registered:
    """Register the shards found under ``paths`` and return the revision they are in.

    A file that changed since it was registered is registered anew, and its ledger is due again;
    that is refused with DatasetError once entries of it are flagged, because a flag names a row.
    All files are read before anything is written: a bad one leaves nothing behind.
    """
    _check_name("dataset", dataset, Dataset._meta.get_field("name").max_length)
    _check_name("revision", revision, Revision._meta.get_field("label").max_length)
    # A worker reads the files later, from another working folder.
    places = [path if "://" in path else os.path.abspath(path) for path in paths]
    detected = detect(places, dict(mapping or {}))
    longest = Shard._meta.get_field("location").max_length or 0
    measured, notes = [], []
    for source in detected.shards:
        if len(source.location) > longest:
            raise DatasetError(
                f"{files.shown(source.location)}: its path is longer than {longest} characters;"
                " move it"
            )
        reader = open_shard(source.form, source.location, detected.columns)
        measured.append(
            _Measured(source, reader.rows(), reader.size(), reader.checksum(), reader.columns)
        )
        notes += [note for note in reader.notes if note not in notes]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        owner, _ = Dataset.objects.get_or_create(name=dataset, defaults={"synthetic": synthetic})
        release, fresh = Revision.objects.get_or_create(dataset=owner, label=revision)
        new, changed = _store(release, measured)
        if fresh or new or changed:
            CustodyEvent.objects.append(
                "revision_registered", release, by=by, after={"new": new, "changed": changed}
            )
    totals = release.shards.aggregate(entries=Sum("rows"))
    return Registered(
        revision=release,
        shards=release.shards.count(),
        entries=totals["entries"] or 0,
        columns=dict(detected.columns),
        new=new,
        changed=changed,
        notes=tuple(notes),
    )


def _check_name(option: str, name: str, longest: int | None) -> None:
    if not name.strip() or "@" in name or not name.isprintable() or len(name) > (longest or 0):
        raise DatasetError(f"--{option} must be 1 to {longest} printable characters without @.")


def _store(revision: Revision, measured: Sequence[_Measured]) -> tuple[int, int]:
    known = {shard.location: shard for shard in revision.shards.all()}
    last = revision.shards.aggregate(last=Max("number"))["last"]
    number, new, changed = 0 if last is None else last + 1, 0, 0
    for each in measured:
        values = {
            "form": each.source.form,
            "columns": each.columns,
            "rows": each.rows,
            "size": each.size,
            "checksum": each.checksum,
        }
        shard = known.get(each.source.location)
        if shard is None:
            Shard.objects.create(
                revision=revision, number=number, location=each.source.location, **values
            )
            number, new = number + 1, new + 1
        elif any(getattr(shard, name) != value for name, value in values.items()):
            _register_anew(shard, values)
            changed += 1
    return new, changed


def _register_anew(shard: Shard, values: dict[str, object]) -> None:
    if shard.entries.exists():
        raise DatasetError(
            f"{shard.name} changed since it was registered, and entries of it are flagged by row:"
            " register the new file under another revision label."
        )
    for name, value in values.items():
        setattr(shard, name, value)
    shard.save()
    shard.forget_ledger()
    Coverage.objects.filter(shard=shard).delete()
