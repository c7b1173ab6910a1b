"""Facets: the words that a filter of the queue asks a case for, kept in the case's row.

What a case has several of (lists, revisions, categories) and what takes a count (the group, the
distance) is told there once, when a scan writes, and not looked up again for every page. One index
finds any combination of words.
"""

from collections.abc import Iterable

from django.db import connection

SIZES = (1, 2, 10, 100, 1000)  # entries of a group: each up to the next
DISTANCES = (0, 1, 11, 21, 32)  # bits of the nearest near match, likewise

KEEP = """
WITH matched AS (
    SELECT flag.case_id,
        array_agg(DISTINCT 'list:' || known.hash_list_id)
            || coalesce(array_agg(DISTINCT 'category:' || lower(known.scheme || ':' ||
                known.category)) FILTER (WHERE known.category <> ''), '{{}}') AS words,
        min(match.distance) FILTER (WHERE match.algorithm IN ('pdq', 'phash')) AS nearest,
        bool_or(match.algorithm NOT IN ('pdq', 'phash') AND list.trust = 'trusted') AS assessed,
        min(CASE list.trust WHEN 'trusted' THEN 1 WHEN 'standard' THEN 2 ELSE 3 END) AS trust
    FROM moderation_flag AS flag
    JOIN moderation_match AS match ON match.flag_id = flag.id
    JOIN moderation_knownhash AS known ON known.id = match.known_hash_id
    JOIN moderation_hashlist AS list ON list.id = known.hash_list_id
    {those} GROUP BY flag.case_id
), grouped AS (
    SELECT flag.case_id, count(*) AS entries,
        array_agg(DISTINCT 'revision:' || entry.revision_id) AS words,
        CASE WHEN bool_or(entry.reason = 'fetched') THEN 'live'
            WHEN bool_and(entry.outcome = 'gone') THEN 'gone' ELSE 'unknown' END AS link
    FROM moderation_flag AS flag JOIN moderation_entry AS entry ON entry.id = flag.entry_id
    {those} GROUP BY flag.case_id
)
UPDATE moderation_case AS kept SET
    trust = (ARRAY['trusted', 'standard', 'trial'])[matched.trust],
    assessed = matched.assessed,
    facets = array_remove(matched.words || grouped.words || ARRAY[
        'trust:' || (ARRAY['trusted', 'standard', 'trial'])[matched.trust],
        'link:' || grouped.link,
        'entries:' || (ARRAY[1, 2, 10, 100, 1000])
            [width_bucket(grouped.entries, ARRAY[1, 2, 10, 100, 1000]::bigint[])],
        'distance:' || (ARRAY[0, 1, 11, 21, 32])
            [width_bucket(matched.nearest::int, ARRAY[0, 1, 11, 21, 32])]
    ], NULL)
FROM matched JOIN grouped USING (case_id) WHERE kept.id = matched.case_id
"""


def keep(cases: Iterable[int] | None = None) -> None:
    """Write the facets of these cases anew, their best trust, and whether a trusted list matched
    exactly; of all, where none are named."""
    with connection.cursor() as cursor:
        if cases is None:
            cursor.execute(KEEP.format(those=""))
        else:
            cursor.execute(
                KEEP.format(those="WHERE flag.case_id = ANY(%(cases)s)"), {"cases": list(cases)}
            )


def word(kind: str, value: object) -> str:
    """How a facet is written."""
    return f"{kind}:{value}".lower()
