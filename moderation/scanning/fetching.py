"""The H1 switch: fetching is off, and no preview opens, until somebody records why that is lawful,
under whose law, who answers for it, and until when."""

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from moderation.models import CustodyEvent, LegalBasis

BASIS_DAYS = (
    2 * 366
)  # laws and agreements change: nothing is lawful for good because somebody said so
LOCK = 0x4C45474C  # of the advisory lock: of bases recorded and ended at once one comes first


class BasisRefused(Exception):
    """The legal basis cannot be recorded; the message says what is missing."""


def current() -> LegalBasis | None:
    """The legal basis in force, or None: then fetching is off."""
    return LegalBasis.objects.current().order_by("-recorded_at").first()


def switch_on(
    *, basis: str, officer: str, until: datetime, by: User | None, jurisdiction: str = ""
) -> LegalBasis:
    """Record a legal basis, which ends the one before it. Raises BasisRefused.

    Without a jurisdiction it opens fetching and no preview: a script of old may leave it out.
    """
    if not basis.strip() or not officer.strip():
        raise BasisRefused("Say the legal basis and the officer who answers for it.")
    if until <= timezone.now():
        raise BasisRefused("The legal basis must end in the future.")
    if until > timezone.now() + timedelta(days=BASIS_DAYS):
        raise BasisRefused(
            f"A legal basis is on record for {BASIS_DAYS} days at most: choose an earlier last "
            "day, and have it looked at again then."
        )
    with transaction.atomic():
        _one_at_a_time()
        LegalBasis.objects.current().update(ended_at=timezone.now())
        recorded = LegalBasis.objects.create(
            basis=basis,
            jurisdiction=jurisdiction.strip(),
            officer=officer,
            until=until,
            recorded_by=by,
        )
        CustodyEvent.objects.append(
            "fetching_on",
            recorded,
            by=by,
            after={"until": until.isoformat(), "previews": bool(recorded.jurisdiction)},
        )
    return recorded


def switch_off(*, by: User | None) -> bool:
    """End the legal basis in force; False when fetching was off already."""
    with transaction.atomic():
        _one_at_a_time()
        ended = list(LegalBasis.objects.current())
        for each in ended:
            each.ended_at = timezone.now()
            each.save(update_fields=["ended_at"])
            CustodyEvent.objects.append("fetching_off", each, by=by)
    return bool(ended)


def _one_at_a_time() -> None:
    """Wait for whoever records or ends one; no row's lock would do, as there may be none yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
