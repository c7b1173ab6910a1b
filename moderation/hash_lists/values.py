"""What a list manager does to one known value: disable it, lift that, release what was set aside.

What scans passed over meanwhile becomes due by itself, see `scanning.covering`.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from moderation.models import CustodyEvent, KnownHash
from moderation.models.custody import plain_words

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ValueRefused(Exception):
    """The step does not fit the value as it stands now; the message says what to do."""


@transaction.atomic
def disable(known: KnownHash, *, by: "User | None", until: datetime | None, note: str) -> KnownHash:
    """Let no match with the value raise a flag until a date, or without end where there is none.

    A value that is disabled already gets the new date and note. What was set aside is disabled
    instead. ``by`` is None where a decision of two people disables it. Raises ValueRefused.
    """
    note = note.strip()
    try:
        plain_words(note)
    except ValidationError as error:
        raise ValueRefused(error.messages[0]) from None
    if not note:
        raise ValueRefused("Say why the value is disabled.")
    now = timezone.now()
    if until is not None and until <= now:
        raise ValueRefused("The date must lie ahead.")
    row = _locked(known)
    if row.removed_in_id is not None:
        raise ValueRefused("The supplier has withdrawn this value: it is not compared any more.")
    if row.is_disabled(at=now) and (row.disabled_until, row.note) == (until, note):
        return row
    before = _state(row)
    row.disabled_at, row.disabled_until, row.disabled_by, row.note = now, until, by, note
    row.set_aside_at = None
    row.save(update_fields=["disabled_at", "disabled_until", "disabled_by", "note", "set_aside_at"])
    _record("known_hash_disabled", row, by=by, before=before, reason=note)
    return row


@transaction.atomic
def lift(known: KnownHash, *, by: "User | None") -> KnownHash:
    """Put a disabled value into force again; a second time changes nothing."""
    row = _locked(known)
    if not row.is_disabled():
        return row
    before = _state(row)
    row.disabled_at = row.disabled_until = row.disabled_by = None
    row.note = ""
    row.save(update_fields=["disabled_at", "disabled_until", "disabled_by", "note"])
    _record("known_hash_enabled", row, by=by, before=before)
    return row


@transaction.atomic
def release(known: KnownHash, *, by: "User") -> KnownHash:
    """Let a value that was set aside flag whatever is near to it, from now on without a limit."""
    row = _locked(known)
    if row.set_aside_at is None:
        return row
    before = _state(row)
    row.set_aside_at, row.released_at = None, timezone.now()
    row.save(update_fields=["set_aside_at", "released_at"])
    _record("known_hash_released", row, by=by, before=before)
    return row


def _locked(known: KnownHash) -> KnownHash:
    # A scan that writes matches with this value need not wait: nothing they point at changes.
    return KnownHash.objects.select_for_update(no_key=True).get(pk=known.pk)


def _state(row: KnownHash) -> dict[str, Any]:
    until = row.disabled_until
    return {
        "hash_list": row.hash_list_id,
        "disabled": row.is_disabled(),
        "disabled_until": until.isoformat() if until else None,
        "set_aside": row.set_aside_at is not None,
    }


def _record(
    action: str, row: KnownHash, *, by: "User | None", before: dict[str, Any], reason: str = ""
) -> None:
    after = _state(row)
    changed = {name for name in after if after[name] != before[name]} | {"hash_list"}
    CustodyEvent.objects.append(
        action,
        row,
        by=by,
        before={name: before[name] for name in before if name in changed},
        after={name: after[name] for name in after if name in changed},
        reason=reason,
    )
