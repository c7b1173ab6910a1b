"""A list's precision: of the cases that it matched and that are decided, the share that people
confirmed (console.md 2.8, 2.10); what it makes a match of the list weigh; and the preview level
that was enough for its near matches (section 3).

A list of our own has none: it would be judged by what it rests on.

It is counted anew from the decisions on a schedule, so it is right whatever became of a case in
between, and nobody who decides writes or waits for it.
"""

from django.db import connection, transaction

from moderation.models import HashList, ListPrecision
from moderation.models.list_precision import FEW_LOOKS

PRIOR = 10  # confirmed cases that every list is taken to have: without decisions it weighs 1
FLOOR = 0.5
MOVES = 0.05  # what a weight must be off before it moves, and the cases of the list with it

# Final decisions that stand, of closed cases: one that was opened again is no longer an answer.
COUNT = """
WITH judged AS (
    SELECT decided.id AS case_id, known.hash_list_id, decision.verdict = 'confirmed' AS confirmed,
        bool_or(match.algorithm NOT IN ('pdq', 'phash')) AS exact
    FROM moderation_decision AS decision
    JOIN moderation_case AS decided ON decided.id = decision.case_id AND decided.state = 'closed'
    JOIN moderation_flag AS flag ON flag.case_id = decided.id
    JOIN moderation_match AS match ON match.flag_id = flag.id
    JOIN moderation_knownhash AS known ON known.id = match.known_hash_id
    JOIN moderation_hashlist AS list ON list.id = known.hash_list_id AND NOT list.own
    WHERE decision.verdict IN ('confirmed', 'cleared') AND NOT EXISTS (
        SELECT FROM moderation_decision AS later WHERE later.supersedes_id = decision.id
    )
    GROUP BY decided.id, known.hash_list_id, decision.id
), looked AS (
    SELECT look.case_id, max(look.level) AS level FROM moderation_reveal AS look
    WHERE look.opened_at IS NOT NULL AND EXISTS (
        SELECT FROM moderation_review AS review WHERE review.case_id = look.case_id
            AND review.reviewer_id = look.reviewer_id
            AND review.settled_at IS NOT NULL AND NOT review.superseded AND review.answer <> ''
    )
    GROUP BY look.case_id
)
SELECT hash_list_id,
    count(*) FILTER (WHERE exact), count(*) FILTER (WHERE exact AND confirmed),
    count(*) FILTER (WHERE NOT exact), count(*) FILTER (WHERE NOT exact AND confirmed),
    percentile_disc(0.5) WITHIN GROUP (ORDER BY coalesce(level, 0)) FILTER (WHERE NOT exact)
FROM judged LEFT JOIN looked USING (case_id) GROUP BY hash_list_id
"""


def weight(*, confirmed: int, reviewed: int) -> float:
    """What a match counts where so many of the reviewed cases were confirmed: 1 down to FLOOR."""
    return max((confirmed + PRIOR) / (reviewed + PRIOR), FLOOR)


@transaction.atomic
def count() -> None:
    """Count the decisions about every list's matches, and move the weights that are off."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT)
        found = {pk: counts for pk, *counts in cursor.fetchall()}
    missing = HashList.objects.filter(precision=None, own=False)
    ListPrecision.objects.bulk_create(
        [ListPrecision(hash_list=each) for each in missing], ignore_conflicts=True
    )
    for kept in ListPrecision.objects.select_for_update(no_key=True).order_by("pk"):
        (
            kept.exact_reviewed,
            kept.exact_confirmed,
            kept.near_reviewed,
            kept.near_confirmed,
            level,
        ) = found.get(kept.pk, (0, 0, 0, 0, None))
        kept.near_level = level if kept.near_reviewed >= FEW_LOOKS else None
        exact = weight(confirmed=kept.exact_confirmed, reviewed=kept.exact_reviewed)
        near = weight(confirmed=kept.near_confirmed, reviewed=kept.near_reviewed)
        if abs(exact - kept.exact_weight) > MOVES:
            kept.exact_weight, kept.weighed = exact, False
        if abs(near - kept.near_weight) > MOVES:
            kept.near_weight, kept.weighed = near, False
        kept.save()
