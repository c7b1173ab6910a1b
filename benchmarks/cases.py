"""A queue of any length for a measurement: made-up cases with all that stands behind them.

Written by a few statements inside the database: a million cases in minutes. The shares are of a
console at work: most cases wait for a first person, some for a second or a lead, everybody holds
one, and each person has answered what they answered in a week, however long the queue is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PEOPLE = 50
PASSWORD = "calm-water-42"
ANSWERS = 250  # of each person, in cases that still wait for somebody else
LISTS = ("harbour", "tide", "reef", "shoal", "quay")
TRUST = ("trusted", "trusted", "standard", "standard", "trial")
REVISIONS = 12
SHARD_ROWS = 100_000
# Of every hundred cases; the rest is open.
PROPOSED, DISPUTED, ESCALATED = 12, 1, 2

CASES = """
INSERT INTO moderation_case (state, came_from, edit_no, harm_class, triage, priority, exact,
    assessed, due_at, opened_at, reopened_because, legal_hold_reason, lease_token, lease_kind,
    trust, facets, pinned_because)
SELECT state, '', CASE state WHEN 'open' THEN 0 ELSE 2 END, 'csam', triage,
    severity * (CASE WHEN n %% 3 = 0 THEN 1 + (n %% 31) / 62.0 ELSE 2 END)
        * (1 + log(1 + (n %% 7 = 0)::int)), n %% 3 <> 0,
    false, opened_at + due, opened_at, '', '', '', '', 'standard', '{}', ''
FROM (
    SELECT n, now() - interval '1 minute' * (n::bigint * 7919 %% 86400) AS opened_at,
        CASE WHEN n %% 100 < %(proposed)s THEN 'proposed' WHEN n %% 100 < %(disputed)s
            THEN 'disputed' WHEN n %% 100 < %(escalated)s THEN 'escalated' ELSE 'open' END AS state,
        (ARRAY['critical', 'high', 'unknown', 'standard', 'harm_other'])[1 + n * 31 %% 5] AS triage,
        (ARRAY[8, 4, 4, 2, 1])[1 + n * 31 %% 5] AS severity,
        (ARRAY[interval '1 day', '2 days', '2 days', '5 days', '10 days'])[1 + n * 31 %% 5] AS due
    FROM generate_series(1, %(count)s) AS n
) AS made
"""
# No page of a case reads what is in a block: these are there to be pointed at.
BLOCKS = """
INSERT INTO moderation_knownblock (hash_list_id, added_in_id, algorithm, count, lowest, highest,
    keys, labels)
SELECT hash_list_id, id, 'md5', 1, '', '', '', '' FROM moderation_hashlistversion
WHERE id = ANY(%(versions)s::bigint[])
"""
KNOWN = """
INSERT INTO moderation_knownhash (block_id, place, hash_list_id, algorithm, value, scheme, category,
    media, external_id, added_in_id, note)
SELECT b.id, n, v.hash_list_id, CASE n %% 3 WHEN 0 THEN 'pdq' ELSE 'md5' END,
    decode(md5(n::text) || CASE n %% 3 WHEN 0 THEN md5('x' || n) ELSE '' END, 'hex'),
    'iwf', 'A1', '', '', v.id, ''
FROM generate_series(1, %(known)s) AS n
JOIN moderation_hashlistversion AS v
    ON v.id = (%(versions)s::bigint[])[1 + n %% cardinality(%(versions)s::bigint[])]
JOIN moderation_knownblock AS b ON b.added_in_id = v.id ORDER BY n
"""
# Two entries for each seventh case, one for the others.
ENTRIES = """
INSERT INTO moderation_entry (revision_id, shard_id, row, row_key, url_key, sealed, md5, pdq,
    pdq_quality, width, height, format, size, provenance, outcome, reason)
SELECT s.revision_id, s.id, n / cardinality(%(shards)s::bigint[]), n::text,
    decode(md5('u' || n), 'hex'), %(sealed)s, decode(md5('m' || n), 'hex'),
    CASE n %% 3 WHEN 0 THEN decode(md5('p' || n) || md5('q' || n), 'hex') END,
    CASE n %% 3 WHEN 0 THEN 90 END, 640, 480, 'jpeg', 40000, '[]', 'hashed', 'column'
FROM generate_series(1, %(entries)s) AS n
JOIN moderation_shard AS s
    ON s.id = (%(shards)s::bigint[])[1 + n %% cardinality(%(shards)s::bigint[])]
"""
FLAGS = """
INSERT INTO moderation_flag (entry_id, case_id, raised_at)
SELECT id, CASE WHEN number <= %(count)s THEN number ELSE (number - %(count)s) * 7 END, now()
FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM moderation_entry) AS e
"""
# Exact by one list, each fifth by a second one too; each third near.
MATCHES = """
INSERT INTO moderation_match (flag_id, known_hash_id, version_id, scan_id, last_scan_id, algorithm,
    algorithm_version, distance, approximate, low_quality, threshold, variant, origin, found_at)
SELECT f.id, k.id, k.added_in_id, sc.id, sc.id, k.algorithm, '2',
    CASE k.algorithm WHEN 'pdq' THEN f.id %% 31 ELSE 0 END, false, false,
    CASE k.algorithm WHEN 'pdq' THEN 31 ELSE 0 END, 'plain', 'column', now()
FROM moderation_flag AS f
JOIN moderation_entry AS e ON e.id = f.entry_id
JOIN moderation_scan AS sc ON sc.revision_id = e.revision_id
CROSS JOIN generate_series(0, CASE f.id %% 5 WHEN 0 THEN 1 ELSE 0 END) AS another
JOIN moderation_knownhash AS k
    ON k.id = %(first_known)s + (f.case_id - 1 + another * 6) %% %(known)s
"""
# The first answer of the cases that wait for somebody else, given by each person in turn.
ANSWERED = """
INSERT INTO moderation_review (case_id, reviewer_id, stage, claimed_at, answer, harm_class, reason,
    answered_at, settles_at, settled_at, ended, superseded, concerned, draft, note,
    why_another)
SELECT c.id, CASE WHEN c.number <= %(own)s
        THEN (%(people)s::bigint[])[1 + c.number %% cardinality(%(people)s::bigint[])]
        ELSE %(others)s END,
    'first', c.opened_at, CASE c.state WHEN 'escalated' THEN 'ESCALATE' ELSE 'REMOVE_KNOWN' END,
    'csam', '', c.opened_at, c.opened_at, c.opened_at, 'answered', false, false, '{}', '', ''
FROM (
    SELECT *, row_number() OVER (ORDER BY id) AS number FROM moderation_case
    WHERE state IN ('proposed', 'disputed', 'escalated')
) AS c
"""
SECOND = """
INSERT INTO moderation_review (case_id, reviewer_id, stage, claimed_at, answer, harm_class, reason,
    answered_at, settles_at, settled_at, ended, superseded, concerned, draft, note,
    why_another)
SELECT id, %(others)s + 1, 'second', opened_at, 'KEEP_FALSE_MATCH', '', 'another boat',
    opened_at, opened_at, opened_at, 'answered', false, false, '{}', '', ''
FROM moderation_case WHERE state = 'disputed'
"""
EVENTS = """
INSERT INTO moderation_custodyevent (seq, prev_hash, hash, at, actor, role, action, object_type,
    object_id, before, after, reason, file_sha256)
SELECT row_number() OVER (ORDER BY r.id, a.step), '\\x00', '\\x00', r.answered_at, p.pseudonym,
    'reviewer', a.action, 'case', r.case_id::text, '{}',
    jsonb_build_object('review', r.id, 'stage', r.stage, 'answer', r.answer, 'state', 'answered'),
    '', ''
FROM moderation_review AS r
JOIN moderation_person AS p ON p.user_id = r.reviewer_id
CROSS JOIN (VALUES (1, 'case_claimed'), (2, 'answer_given'), (3, 'answer_settled'))
    AS a (step, action)
"""
# Everybody but the one who is measured holds one of the most urgent; a few leases have run out.
LEASED = """
UPDATE moderation_case AS c SET leased_by_id = (%(people)s::bigint[])[1 + p.number],
    lease_kind = 'work',
    lease_token = md5(p.number::text),
    lease_expires_at = now()
        + CASE WHEN p.number %% 7 = 0 THEN interval '-1 hour' ELSE '9 hours' END
FROM (
    SELECT id, row_number() OVER (ORDER BY priority DESC, opened_at, id) AS number
    FROM moderation_case WHERE state = 'open' ORDER BY 2 LIMIT cardinality(%(people)s::bigint[]) - 1
) AS p WHERE p.id = c.id
"""
HELD = """
INSERT INTO moderation_review (case_id, reviewer_id, stage, claimed_at, answer, harm_class, reason,
    ended, superseded, concerned, draft, note,
    why_another)
SELECT id, leased_by_id, 'first', now(), '', '', '', '', false, false, '{}', '', ''
FROM moderation_case WHERE leased_by_id IS NOT NULL
"""
TABLES = ("case", "review", "entry", "flag", "match", "knownhash", "custodyevent", "casetally")
# Of the tables that are filled by the million: all that no key needs.
INDEXES = """
SELECT i.indexname, i.indexdef FROM pg_indexes AS i
WHERE i.tablename = ANY(%s) AND NOT EXISTS (
    SELECT FROM pg_constraint WHERE conindid = i.indexname::regclass)
ORDER BY i.indexname
"""


def people() -> list["User"]:
    """Make the cast, the same in every database: reviewers, the last of them a lead."""
    from django.contrib.auth.models import Group, User

    from moderation.models import Person
    from moderation.people import granting

    made = []
    for number in range(PEOPLE + 2):
        user = User.objects.create_user(f"person-{number}", password=PASSWORD)
        role = "lead" if number == PEOPLE - 1 else "reviewer"
        user.groups.add(Group.objects.get(name=role))
        granting.give_everything(user)
        Person.objects.create(user=user)
        made.append(user)
    return made[:PEOPLE]


def fill(count: int, *, at_work: bool = True) -> None:
    """Fill an empty database with ``count`` cases in work and all that stands behind them.

    ``at_work``: people hold cases, and the chain of custody has as many events as they make; its
    hashes are no real ones.
    """
    from django.db import connections

    from config import roles
    from moderation.evidence import sealing

    shards, versions = _sources(count)
    entries = count + count // 7
    numbers = _numbers()
    known = count // 9 * 3  # each third is a picture's, and those match the near cases
    url = "https://pictures.invalid/harbour/a.jpg"
    values = {
        "count": count,
        "entries": entries,
        "known": known,
        "proposed": PROPOSED,
        "disputed": PROPOSED + DISPUTED,
        "escalated": PROPOSED + DISPUTED + ESCALATED,
        "shards": shards,
        "versions": versions,
        "sealed": sealing.seal_text({"url": url, "caption": "a boat at rest"}),
        "people": numbers[:PEOPLE],
        "others": numbers[PEOPLE],
        "own": PEOPLE * ANSWERS,
    }
    with roles.as_owner(connections["default"]):
        _write(values, at_work=at_work)


def _write(values: dict[str, Any], *, at_work: bool) -> None:
    from django.db import connection, transaction

    from moderation.scanning import facets

    with transaction.atomic(), connection.cursor() as cursor, _unindexed(cursor):
        cursor.execute("SET LOCAL work_mem = '256MB'")
        cursor.execute(CASES, values)
        # What follows is written in an order that fits: no row of it is looked up once more.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(BLOCKS, values)
        cursor.execute(KNOWN, values)
        cursor.execute("SELECT min(id) FROM moderation_knownhash")
        values["first_known"] = cursor.fetchone()[0]
        statements = [ENTRIES, FLAGS, MATCHES, ANSWERED, SECOND]
        for statement in [*statements, *([EVENTS, LEASED, HELD] if at_work else [])]:
            cursor.execute(statement, values)
        for table in TABLES:
            cursor.execute(f"ANALYZE moderation_{table}")
        cursor.execute("SET LOCAL session_replication_role = origin")  # the tallies follow
        facets.keep()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL moderation_case")
        for table in TABLES:
            cursor.execute(f"VACUUM ANALYZE moderation_{table}")


@contextmanager
def _unindexed(cursor: Any) -> Iterator[None]:
    """Fill without indexes and build them at the end: row by row they take most of the time."""
    cursor.execute(INDEXES, [[f"moderation_{table}" for table in TABLES]])
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f'DROP INDEX "{name}"')
    yield
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # an index waits for nothing
    cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
    for _, made in indexes:
        cursor.execute(made)


def _sources(count: int) -> tuple[list[int], list[int]]:
    """Make datasets with their scans, and lists of several versions; return shards and versions."""
    from moderation.models import (
        Dataset,
        HashList,
        HashListVersion,
        Revision,
        Scan,
        Shard,
    )

    shards, versions = [], []
    for number in range(REVISIONS):
        dataset, _ = Dataset.objects.get_or_create(
            name=f"bay-{number // 3}", defaults={"synthetic": True}
        )
        revision = Revision.objects.create(dataset=dataset, label=f"2026-{number % 3 + 1:02}")
        Scan.objects.create(
            revision=revision, kind="hash_only", reason="new_revision", state="finished",
            algorithm_version="2",
        )  # fmt: skip
        for part in range(1 + count // SHARD_ROWS // REVISIONS):
            shard = Shard.objects.create(
                revision=revision, number=part, form="links_parquet", rows=SHARD_ROWS, size=1,
                location=f"/nowhere/{number}-{part}.parquet", checksum="0" * 64,
            )  # fmt: skip
            shards.append(shard.pk)
    for slug, trust in zip(LISTS, TRUST, strict=True):
        hash_list = HashList.objects.create(slug=slug, trust=trust)
        for number in (1, 2, 3):
            hash_list.current = HashListVersion.objects.create(
                hash_list=hash_list, number=number, label=f"2026-0{number}", format="plain",
                checksum="0" * 64,
            )  # fmt: skip
            versions.append(hash_list.current.pk)
        hash_list.save()
    return shards, versions


def _numbers() -> list[int]:
    from django.contrib.auth.models import User

    found = User.objects.filter(username__startswith="person-").order_by("pk")
    return list(found.values_list("pk", flat=True))
