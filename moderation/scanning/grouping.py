"""Which case a flagged entry belongs to: entries that show one picture join one case."""

from django.db import connection

from moderation.models import Case, Entry

CASE_DISTANCE = 31  # PDQ bits; as for a near match
BANDS = 16
MIN_QUALITY = 50
LOCK = 0x43415345  # one grouping at a time: two workers must not open two cases for one picture


def lock() -> None:
    """Wait for other groupings to end; held until the transaction does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def bands(pdq: bytes) -> list[int]:
    """The hash's 16 bands of 16 bits, each as band * 65536 + value: what the database indexes."""
    return [
        band << 16 | int.from_bytes(pdq[band * 2 : band * 2 + 2], "big") for band in range(BANDS)
    ]


def case_of(entry: Entry) -> Case | None:
    """The case that already shows this entry's picture, or None: a new one is due.

    Equal digests first, then the nearest PDQ within 31 bits. A pair within 31 differs by at most
    one bit in at least one of 16 bands, so the index finds all; the database counts the bits.
    """
    digests = {
        name: getattr(entry, name) for name in ("sha256", "sha1", "md5") if getattr(entry, name)
    }
    for name, value in digests.items():
        case = Case.objects.filter(flags__entry__in=Entry.objects.filter(**{name: value})).first()
        if case is not None:
            return case
    if entry.pdq is None or (entry.pdq_quality or 0) < MIN_QUALITY:
        return None
    return _by_picture(bytes(entry.pdq))


def _by_picture(pdq: bytes) -> Case | None:
    keys = [key ^ bit for key in bands(pdq) for bit in (0, *(1 << n for n in range(16)))]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT near.case_id FROM (
                SELECT flag.case_id,
                       bit_count(('x' || encode(entry.pdq, 'hex'))::bit(256)
                                 # ('x' || encode(%s, 'hex'))::bit(256)) AS distance
                FROM moderation_entry entry JOIN moderation_flag flag ON flag.entry_id = entry.id
                WHERE entry.pdq_bands && %s AND entry.pdq_quality >= %s
            ) AS near
            WHERE near.distance <= %s ORDER BY near.distance, near.case_id LIMIT 1
            """,
            [pdq, keys, MIN_QUALITY, CASE_DISTANCE],
        )
        found = cursor.fetchone()
    return Case.objects.get(pk=found[0]) if found else None
