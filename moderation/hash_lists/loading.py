"""A new version of a hash list: the file, the difference to what stands, one transaction.

Every format is a full list: what a file does not name any more is withdrawn. NCMEC and StopNCII
files can also be deltas (``delta=True``): then only what they take back is withdrawn, and an entry
that comes again replaces the one known under its reference.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import connection, transaction

from moderation.models import CustodyEvent, HashList, HashListVersion
from moderation.models.case import HarmClass

from . import difference, staging
from .formats import DELTA_FORMATS, read
from .known import ListError, ListUnreadable
from .profiles import Profile
from .reasons import told
from .withdrawals import cases_to_reopen

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LOCK = 0x4C495354  # class of the advisory locks; one key per slug
# The lists that `decided` keeps, of real and of made-up datasets: those never mix.
OWN_SLUGS = {False: "decided-here", True: "decided-here-synthetic"}
SLUG_LIMIT, LABEL_LIMIT, OWNER_LIMIT = 60, 100, 200  # characters


class LoadRefused(ListError):
    """The file can be read, but must not become this version of this list."""


class ChangedMeanwhile(LoadRefused):
    """Another version was loaded since the dry run, whose figures no longer hold."""


@dataclass(frozen=True)
class ListOptions:
    """What to write on a list when it is new. None: the default, or whatever the list has."""

    trust: str | None = None
    owner: str | None = None
    harm_class: str | None = None
    synthetic: bool | None = None
    negative: bool | None = None


@dataclass(frozen=True)
class Loaded:
    """What a version changed, or would change, of the ``standing`` values that were there before.

    ``would_reopen`` counts closed cases with matches to withdrawn values and no report sent.
    ``version_id`` is None after a dry run. ``upon`` is the id of the version that was in force
    before, 0 where there was none. ``repeated``: this file was loaded under this label
    before, nothing was changed now, and the counts are those of what the version holds.
    """

    slug: str
    label: str
    new: int
    same: int
    changed: int
    removed: int
    rejected: dict[str, int]
    standing: int = 0
    would_reopen: int = 0
    version_id: int | None = None
    upon: int = 0
    repeated: bool = False


def load(
    file: BinaryIO,
    *,
    slug: str,
    label: str,
    format: str,
    algorithm: str | None = None,
    profile: Profile | None = None,
    options: ListOptions | None = None,
    delta: bool = False,
    dry_run: bool = False,
    upon: int | None = None,
    by: "User | None" = None,
    progress: Callable[[int], None] | None = None,
) -> Loaded:
    """Make ``file`` (binary, seekable) the current version of the list and return what changed.

    The list is made if it is new. ``progress`` is called with the position in the file. A dry run
    does the same work and rolls it back; what it said holds where ``upon`` is given as it had it.
    Raises ListError (ListUnreadable for what the file is, LoadRefused for what it must not become,
    ChangedMeanwhile for another version in force than ``upon``); then nothing has changed.
    """
    if delta and format not in DELTA_FORMATS:
        raise ListError(f"format {format} is always a full list; leave --delta out")
    _check_names(slug, label)
    before = _state(file)
    items = read(file, format, algorithm=algorithm, profile=profile)
    file.seek(0)
    checksum = _checksum(file)
    with transaction.atomic():
        lock(slug)
        hash_list = _list(slug, options or ListOptions())
        earlier = hash_list.versions.filter(label=label).first()
        if earlier is not None:
            return _repeated(earlier, checksum=checksum, format=format)
        before_it = hash_list.current_id or 0
        if upon is not None and upon != before_it:
            raise ChangedMeanwhile(
                "another version was loaded since the dry run: look at the figures anew"
            )
        staged = staging.stage(
            items, progress=lambda: progress(file.tell()) if progress is not None else None
        )
        if _state(file) != before:
            raise ListUnreadable("the file was changed while it was read; load it once it is whole")
        _check_usable(staged, delta=delta)
        version, made = write(
            staged, hash_list, label=label, format=format, checksum=checksum, delta=delta, by=by
        )
        if staged.more_pages and made.removed and not delta:
            raise LoadRefused(
                f"the file is one page of several and lacks {made.removed} values that stand;"
                " load it with --delta"
            )
        would_reopen = cases_to_reopen(version).count() if made.removed else 0
        loaded = Loaded(
            slug,
            label,
            made.new,
            made.same,
            made.changed,
            made.removed,
            version.rejected,
            standing=made.standing,
            would_reopen=would_reopen,
            version_id=None if dry_run else version.pk,
            upon=before_it,
        )
        record(version, by=by)
        if dry_run:
            transaction.set_rollback(True)
    return loaded


def write(
    staged: staging.Staged,
    hash_list: HashList,
    *,
    label: str,
    format: str,
    checksum: str,
    delta: bool = False,
    by: "User | None" = None,
) -> tuple[HashListVersion, difference.Difference]:
    """Make what is staged the current version of a list that is locked; `record` follows."""
    version = _next_version(hash_list, label=label, format=format, checksum=checksum, by=by)
    made = difference.apply(staged, version, delta=delta)
    version.new, version.same = made.new, made.same
    version.changed, version.removed = made.changed, made.removed
    version.rejected = dict(sorted(staged.rejected.items()))
    version.save()
    hash_list.current = version
    hash_list.save(update_fields=["current"])
    return version, made


def _check_names(slug: str, label: str) -> None:
    try:
        validate_slug(slug)
    except ValidationError:
        raise ListError("--list must be letters, digits, - and _ only") from None
    for name, value, limit in (("list", slug, SLUG_LIMIT), ("version", label, LABEL_LIMIT)):
        if not value.strip() or not value.isprintable() or len(value) > limit:
            raise ListError(f"--{name} must be 1 to {limit} printable characters")


def _checksum(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def _state(file: BinaryIO) -> tuple[int, int] | None:
    """Size and time of change of a file on disk, None for one in memory."""
    try:
        status = os.fstat(file.fileno())
    except (OSError, AttributeError):
        return None
    return status.st_size, status.st_mtime_ns


def lock(slug: str) -> None:
    """Wait for other loads of this list to end, also where the list is new."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK, slug])


def _list(slug: str, options: ListOptions) -> HashList:
    wanted = {name: value for name, value in vars(options).items() if value is not None}
    if options.trust is not None and options.trust not in HashList.Trust.values:
        raise ListError(f"--trust must be one of {', '.join(HashList.Trust.values)}")
    if options.harm_class is not None and options.harm_class not in HarmClass.values:
        raise ListError(f"--harm-class must be one of {', '.join(HarmClass.values)}")
    owner = options.owner or ""
    if len(owner) > OWNER_LIMIT or not owner.isprintable():
        raise ListError(f"--owner must be at most {OWNER_LIMIT} printable characters")
    if options.synthetic and not settings.SYNTHETIC:
        raise LoadRefused("made-up lists are not loaded here: this installation is a real one")
    earlier = HashList.objects.filter(slug=slug).first()
    if earlier.own if earlier is not None else slug in OWN_SLUGS.values():
        raise LoadRefused(
            "this site keeps that list itself, of what was decided here; "
            "give the list another name with --list"
        )
    hash_list, made = HashList.objects.get_or_create(slug=slug, defaults=wanted)
    if options.negative and not hash_list.negative:
        raise LoadRefused(
            "the list exists and is no negative list, which it cannot become; "
            "give the negative list another name with --list"
        )
    for name, value in wanted.items():
        if not made and getattr(hash_list, name) != value:
            raise LoadRefused(
                f"the list exists with another {name.replace('_', ' ')}; "
                "leave the option out, or change the list first"
            )
    return hash_list


def _repeated(earlier: HashListVersion, *, checksum: str, format: str) -> Loaded:
    if (earlier.checksum, earlier.format) != (checksum, format):
        raise LoadRefused(
            "this label was given to another file or format before; use a new --version label"
        )
    return Loaded(
        earlier.hash_list.slug,
        earlier.label,
        new=0,
        same=earlier.new + earlier.same + earlier.changed,
        changed=0,
        removed=0,
        rejected=earlier.rejected,
        version_id=earlier.pk,
        repeated=True,
    )


def _check_usable(staged: staging.Staged, *, delta: bool) -> None:
    """Refuse a file that would empty the list, or that was read as something it is not."""
    if staged.known or (delta and (staged.deleted or not staged.rejected)):
        return
    if staged.rejected:
        why = f"not one value of the file can be used ({told(staged.rejected)})"
        if set(staged.rejected) == {"no_algorithm"}:
            raise LoadRefused(f"{why}; say with --algorithm what they are")
        raise LoadRefused(f"{why}; check --format, --algorithm and --profile")
    if staged.deleted:
        raise LoadRefused("the file only takes values back; load it with --delta")
    raise LoadRefused("the file names no values; to stop using a list, switch it off")


def _next_version(
    hash_list: HashList, *, label: str, format: str, checksum: str, by: "User | None"
) -> HashListVersion:
    last = hash_list.versions.order_by("-number").first()
    return HashListVersion.objects.create(
        hash_list=hash_list,
        number=last.number + 1 if last else 1,
        label=label,
        format=format,
        checksum=checksum,
        loaded_by=by,
    )


def record(version: HashListVersion, *, by: "User | None") -> None:
    """Append to the chain what a version changed: at the end of its transaction."""
    CustodyEvent.objects.append(
        "hash_list_loaded",
        version,
        by=by,
        after={
            "hash_list": version.hash_list_id,
            "number": version.number,
            "new": version.new,
            "same": version.same,
            "changed": version.changed,
            "removed": version.removed,
            "rejected": version.rejected,
            **({"negative": True} if version.hash_list.negative else {}),
        },
        file_sha256=version.checksum,
    )
