"""Setting and lifting the legal hold of a case: while it stands, nothing sealed for it goes (H10).

The hold lies in the case's row, not with the sealed bytes, so it also keeps what is sealed later.
Whoever deletes locks that row first: a hold comes before a deletion or after it, never amid one.
"""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from moderation.models import Case, CustodyEvent
from moderation.models.case import CaseConflict


@transaction.atomic
def set_hold(case: Case, *, by: User, reason: str) -> bool:
    """Put the case under legal hold; False, and nothing is changed, if it already is.

    Raises:
        CaseConflict: it is part of another case, which has all that is sealed for it.
    """
    locked = _locked(case)
    if locked.state == Case.State.MERGED:
        raise CaseConflict(f"case {case.pk} is part of another one")
    if locked.legal_hold_since is not None:
        return False
    locked.legal_hold_since = timezone.now()
    locked.legal_hold_reason = reason
    _record("legal_hold_set", locked, by=by, reason=reason)
    return True


@transaction.atomic
def lift_hold(case: Case, *, by: User, reason: str) -> bool:
    """End the legal hold of the case; False, and nothing is changed, if there is none."""
    locked = _locked(case)
    if locked.legal_hold_since is None:
        return False
    locked.legal_hold_since = None
    locked.legal_hold_reason = ""
    _record("legal_hold_lifted", locked, by=by, reason=reason)
    return True


def _locked(case: Case) -> Case:
    return Case.objects.select_for_update(no_key=True).get(pk=case.pk)


def _record(action: str, locked: Case, *, by: User, reason: str) -> None:
    """Write the row and its event; without a reason neither (H10)."""
    if not reason.strip():
        raise ValueError("a legal hold is set and lifted for a reason: give one")
    locked.save(update_fields=["legal_hold_since", "legal_hold_reason"])
    CustodyEvent.objects.append(action, locked, by=by, reason=reason)
