"""Changes to a list itself, apart from its versions: the switch, trust, rules, agreement."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from moderation.models import CustodyEvent, HashList

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CHANGEABLE = (
    "enabled",
    "owner",
    "trust",
    "harm_class",
    "threshold",
    "phash_flags",
    "sample_ratio",
    "synthetic",
    "agreement",
    "permitted_use",
    "expires_at",
)


# Of our own list: the rest follows from what was decided.
OF_OWN = ("enabled", "threshold", "sample_ratio")


@transaction.atomic
def change(hash_list: HashList, *, by: "User", **values: Any) -> HashList:
    """Write the values that differ, with one custody event, and return the list.

    Raises:
        ValueError: a name that is not in CHANGEABLE, or for our own list not in OF_OWN.
    """
    if unknown := set(values) - set(OF_OWN if hash_list.own else CHANGEABLE):
        raise ValueError(f"not to be changed here: {', '.join(sorted(unknown))}")
    row = HashList.objects.select_for_update().get(pk=hash_list.pk)
    before = {name: getattr(row, name) for name in values if getattr(row, name) != values[name]}
    if not before:
        return row
    after = {name: values[name] for name in before}
    for name, value in after.items():
        setattr(row, name, value)
    row.full_clean(exclude=["slug"])
    row.save(update_fields=list(after))
    CustodyEvent.objects.append(
        "hash_list_changed", row, by=by, before=_plain(before), after=_plain(after)
    )
    return row


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }
