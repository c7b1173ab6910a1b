"""Which case a flagged entry belongs to: entries that show one picture join one case."""

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from moderation.algorithms import DIGESTS
from moderation.models import Case, Decision, Entry

CASE_DISTANCE = 31  # PDQ bits; as for a near match
BANDS = 16
MIN_QUALITY = 50
MOST = 50  # cases of one picture that are looked at
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


def cases_of(entry: Entry) -> list[Case]:
    """The cases that already show this entry's picture, best first; none: a new one is due.

    Equal digests come first, then PDQ within 31 bits by distance. A pair within 31 differs by at
    most one bit in at least one of 16 bands, so the index finds all; the database counts the bits.
    """
    found: dict[int, Case] = {}
    for name in ("sha256", "sha1", "md5"):
        value = getattr(entry, name)
        if value is not None:
            equal = Entry.objects.filter(**{name: value})
            for case in Case.objects.filter(flags__entry__in=equal).order_by("pk").distinct():
                found.setdefault(case.pk, case)
    if entry.pdq is not None and (entry.pdq_quality or 0) >= MIN_QUALITY:
        near = [pk for pk in _near(bytes(entry.pdq)) if pk not in found]
        cases = Case.objects.in_bulk(near)
        found |= {pk: cases[pk] for pk in near}
    return list(found.values())


def decided_by_link(entry: Entry) -> Case | None:
    """The closed, confirmed case that has an entry of the same link, while nothing known of both
    tells two files: no digest of one kind, and PDQ within 31 bits.

    A file that is the same is found by its digests. Where the same link is in several closed cases,
    decided one way and the other, people look.
    """
    if entry.url_key is None:
        return None
    others = Entry.objects.filter(url_key=entry.url_key, flag__case__state=Case.State.CLOSED)
    others = others.exclude(pk=entry.pk)
    closed = Case.objects.filter(flags__entry__in=others).order_by("pk").distinct()
    cases = list(closed[:MOST])
    if not cases or not all(is_confirmed(case) for case in cases):
        return None
    comparable = Q()
    for name in DIGESTS:
        if getattr(entry, name) is not None:
            comparable |= Q(**{f"{name}__isnull": False})
    if comparable and others.filter(comparable).exists():
        return None
    return cases[0] if _all_near(others, entry.pdq) else None


def _all_near(others: "QuerySet[Entry]", pdq: bytes | memoryview | None) -> bool:
    if pdq is None:
        return True
    ours = int.from_bytes(pdq, "big")
    theirs = others.filter(pdq__isnull=False).values_list("pdq", flat=True).distinct()[:MOST]
    return all(
        (ours ^ int.from_bytes(each or b"", "big")).bit_count() <= CASE_DISTANCE for each in theirs
    )


def is_confirmed(case: Case) -> bool:
    """Whether the decision that stands for the case is that it shows known harm."""
    decision = case.decisions.standing().last()
    return decision is not None and decision.verdict == Decision.Verdict.CONFIRMED


def same_file(entry: Entry, case: Case) -> bool:
    """Whether the case has another entry of the same file: equal by the strongest digest that both
    have. Where both have a SHA-256 a weaker one does not count, as it can be forged."""
    others = Entry.objects.filter(flag__case=case).exclude(pk=entry.pk)
    if entry.sha256 is not None and others.filter(sha256=entry.sha256).exists():
        return True
    if entry.sha256 is not None:
        others = others.filter(sha256__isnull=True)
    return any(
        others.filter(**{name: value}).exists()
        for name in ("sha1", "md5")
        if (value := getattr(entry, name)) is not None
    )


def same_files(case: Case, other: Case) -> bool:
    """Whether every entry of a case has the same file in the other: equal by the strongest digest
    that both have, as in `same_file`."""
    theirs = Entry.objects.filter(flag__case=other)
    no_sha256 = theirs.filter(sha256=None)
    equal = (
        _has(theirs, "sha256")
        | _has(no_sha256, "sha1")
        | _has(no_sha256, "md5")
        | Q(sha256=None) & (_has(theirs, "sha1") | _has(theirs, "md5"))
    )
    ours = Entry.objects.filter(flag__case=case)
    return ours.exists() and not ours.filter(~equal).exists()


def _has(theirs: "QuerySet[Entry]", name: str) -> Q:
    return Q(Exists(theirs.filter(**{name: OuterRef(name)})))


def _near(pdq: bytes) -> list[int]:
    keys = [key ^ bit for key in bands(pdq) for bit in (0, *(1 << n for n in range(16)))]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT near.case_id FROM (
                SELECT flag.case_id,
                       min(bit_count(('x' || encode(entry.pdq, 'hex'))::bit(256)
                                     # ('x' || encode(%s, 'hex'))::bit(256))) AS distance
                FROM moderation_entry entry JOIN moderation_flag flag ON flag.entry_id = entry.id
                WHERE entry.pdq_bands && %s AND entry.pdq_quality >= %s
                GROUP BY flag.case_id
            ) AS near
            WHERE near.distance <= %s ORDER BY near.distance, near.case_id LIMIT %s
            """,
            [pdq, keys, MIN_QUALITY, CASE_DISTANCE, MOST],
        )
        return [int(pk) for (pk,) in cursor.fetchall()]
