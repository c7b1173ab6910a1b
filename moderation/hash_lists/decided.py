"""Our own list: what two people decided here to remove, so that scans find it elsewhere.

It holds hashes of the entries that people decided about, while the decision stands. Each version
is made of what stands now and not of what happened since the last one: so nothing is lost where a
run is cut off, and a second one changes nothing (docs/decisions/0028).
"""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from moderation.algorithms import DIGESTS, BadValue, check
from moderation.models import Case, Decision, Flag, HashList, HashListVersion, Match

from . import loading, staging
from .known import PDQ_QUALITY, Item, Known, Rejected
from .schemes import scheme_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

OWNER = "This site"
FORMAT = "decided"  # of a version that comes from no file
AT_ONCE = 2000


def gather(*, by: "User | None" = None) -> list[HashListVersion]:
    """Write what was decided, or taken back, since the last versions; return the new ones."""
    made = (_gather(synthetic=synthetic, by=by) for synthetic in loading.OWN_SLUGS)
    return [version for version in made if version is not None]


def _gather(*, synthetic: bool, by: "User | None") -> HashListVersion | None:
    with transaction.atomic():
        loading.lock(loading.OWN_SLUGS[synthetic])
        staged = staging.stage(_items(synthetic=synthetic), progress=lambda: None)
        staged.rejected.pop("duplicate", None)  # one picture is in many entries
        hash_list = _list(synthetic=synthetic, wanted=bool(staged.known))
        if hash_list is None:
            return None
        version, made = loading.write(
            staged,
            hash_list,
            label=str(hash_list.versions.count() + 1),
            format=FORMAT,
            checksum=_checksum(staged),
            by=by,
        )
        if not (made.new or made.changed or made.removed):
            transaction.set_rollback(True)
            return None
        loading.record(version, by=by)
    return version


def decided() -> QuerySet[Flag]:
    """Return the flags of the entries that people decided about, in cases closed as confirmed.

    Entries that a decision reached later are not among them: what is found by one finds no more,
    so that a wrong digest in a dataset leads one step and not on and on. A merge is people's word.
    """
    confirmed = Decision.objects.standing().filter(
        case=OuterRef("case"), verdict=Decision.Verdict.CONFIRMED
    )
    seen = Exists(confirmed.filter(at__gte=OuterRef("raised_at")))
    joined = Q(merged_from__isnull=False) & Exists(confirmed)
    return Flag.objects.filter(case__state=Case.State.CLOSED).filter(seen | joined)


def _items(*, synthetic: bool) -> Iterator[Item]:
    """Yield the values of each entry that its matches speak of.

    A link always: it is what leaves the dataset. Digests and PDQ only where a match is of that very
    file or picture. Where the match is of the link, or of a digest that the dataset states of
    another file, what was fetched may be a stand-in that a host shows for all it took down.
    """
    matches = Match.objects.filter(flag=OuterRef("pk"))
    seen = matches.filter(origin__in=[Match.Origin.EMBEDDED, Match.Origin.FETCHED])
    equal = Q()
    for name in DIGESTS:
        equal |= Q(algorithm=name, known_hash__value=OuterRef(f"entry__{name}"))
    flags = decided().filter(entry__revision__dataset__synthetic=synthetic)
    rows = flags.annotate(
        of_picture=Exists(seen),
        of_file=Exists(matches.filter(origin=Match.Origin.COLUMN).filter(equal)),
    ).values_list(
        "case__harm_class",
        "case__triage",
        "of_picture",
        "of_file",
        "entry__url_key",
        "entry__pdq",
        "entry__pdq_quality",
        *(f"entry__{name}" for name in DIGESTS),
    )
    number = 0
    for harm_class, triage, of_picture, of_file, url_key, pdq, quality, *digests in rows.iterator(
        chunk_size=AT_ONCE
    ):
        found = [("url_key", url_key)]
        if of_picture and (quality or 0) >= PDQ_QUALITY:
            found.append(("pdq", pdq))
        if of_picture or of_file:
            found += zip(DIGESTS, digests, strict=True)
        scheme = scheme_of(harm_class, triage)
        for algorithm, value in found:
            if value is None:
                continue
            number += 1
            try:
                yield Known(algorithm, check(algorithm, bytes(value)), scheme=scheme)
            except BadValue as error:
                yield Rejected(error.reason, number)


def _list(*, synthetic: bool, wanted: bool) -> HashList | None:
    """Return the list, made where it is wanted; None where there is none."""
    found = HashList.objects.own().filter(synthetic=synthetic).first()
    if found is not None or not wanted:
        return found
    slug = loading.OWN_SLUGS[synthetic]
    if HashList.objects.filter(slug=slug).exists():  # a supplier's, from before the name was ours
        slug = f"{slug}-own"
    return HashList.objects.create(slug=slug, owner=OWNER, own=True, synthetic=synthetic)


def _checksum(staged: staging.Staged) -> str:
    """A name for what the version holds, as no file tells one."""
    digest = hashlib.sha256()
    for name, column in sorted(staged.columns.items()):
        digest.update(f"{name} {len(column.keys)}\n".encode())
        digest.update(column.keys.tobytes())
    return digest.hexdigest()
