"""The one place for kept bytes: sealed under a key of their own, shredded by destroying that key.

Each object has its own key, wrapped with the master key in its database row; the sealed bytes lie
under EVIDENCE_URL. Without the row's key the file is noise, wherever copies of it may be (H7, H11).
The row comes first and the file goes last, so no file is without a row that knows of it; what a
stopped process left half done, `retention` finds by the rows.
"""

import hashlib
import os
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from moderation import files
from moderation.evidence import sealing
from moderation.models import Case, SealedObject

OF_A_CASE: dict[str, str] = {  # the way from a case to what is sealed for it, where it is for one
    SealedObject.Kind.PREVIEW: "flags__entry__previews__sealed",
    SealedObject.Kind.PAYLOAD: "reports__payload",
    SealedObject.Kind.MANIFEST: "flags__entry__removals__lines__manifest__sealed",
}


def seal(data: bytes, kind: SealedObject.Kind) -> SealedObject:
    """Keep ``data`` sealed and return its row. Call it outside a transaction: a row that is rolled
    back would leave its file behind."""
    key, pk = os.urandom(32), uuid4()
    sealed = SealedObject.objects.create(
        pk=pk,
        kind=kind,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        wrapped_key=sealing.seal(key, key=sealing.evidence_key(), context=pk.bytes),
    )
    try:
        with files.write_atomically(_location(sealed), private=True) as stream:
            stream.write(sealing.seal(data, key=key, context=pk.bytes))
    except BaseException:
        # The row stays: a store that failed may hold the file all the same, and it is to go.
        with transaction.atomic():
            destroy_key(sealed)
        raise
    return sealed


def open_sealed(sealed: SealedObject) -> bytes:
    """Return the plain bytes, or raise Unreadable when shredded, missing or changed."""
    if sealed.wrapped_key is None:
        raise sealing.Unreadable(f"{sealed} was shredded")
    key = sealing.open_(
        bytes(sealed.wrapped_key), key=sealing.evidence_key(), context=sealed.pk.bytes
    )
    try:
        with files.open_input(_location(sealed)) as stream:
            body: bytes = stream.read()
    except files.LocationError as error:
        raise sealing.Unreadable(f"the bytes of {sealed} cannot be read") from error
    data = sealing.open_(body, key=key, context=sealed.pk.bytes)
    if hashlib.sha256(data).hexdigest() != sealed.sha256:
        raise sealing.Unreadable(f"the bytes of {sealed} are not those that were sealed")
    return data


def shred(sealed: SealedObject) -> None:
    """Destroy the key, then the file. Refuses under a legal hold (H10) with PermissionError."""
    with transaction.atomic():
        destroy_key(SealedObject.objects.select_for_update().get(pk=sealed.pk))
    erase(sealed)


def destroy_key(locked: SealedObject) -> None:
    """Make the bytes of a locked row unreadable for good; PermissionError under a legal hold.

    The cases they were sealed for stay locked: no hold can be set before the key is gone.
    """
    way = OF_A_CASE.get(locked.kind)
    cases = Case.objects.filter(**{way: locked}) if way else Case.objects.none()
    for case in cases.select_for_update(of=("self",), no_key=True).order_by("pk"):
        if case.legal_hold_since is not None:
            raise PermissionError(f"{locked} is under the legal hold of {case}")
    locked.wrapped_key = None
    locked.shredded_at = timezone.now()
    locked.save(update_fields=["wrapped_key", "shredded_at"])


def erase(sealed: SealedObject) -> None:
    """Delete the file of a row whose key is destroyed; nothing happens if it is gone already."""
    files.delete(_location(sealed))
    SealedObject.objects.filter(pk=sealed.pk).update(erased_at=timezone.now())


def _location(sealed: SealedObject) -> str:
    name = sealed.pk.hex
    return files.join(settings.EVIDENCE_URL, sealed.kind, name[:2], name)
