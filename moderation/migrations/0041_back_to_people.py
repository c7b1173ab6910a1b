"""From when a case that came back is due, which cases need no look, and who may know somebody."""

from django.db import migrations, models

DUE = """
UPDATE moderation_case AS kept
SET due_since = came.at, due_at = kept.due_at + (came.at - kept.opened_at)
FROM (
    SELECT object_id, max(at) AS at FROM moderation_custodyevent
    WHERE object_type = 'case' AND action IN ('case_reopened', 'case_woken') GROUP BY object_id
) AS came
WHERE came.object_id = kept.id::text AND kept.state NOT IN ('closed', 'merged')
"""
ASSESSED = """
UPDATE moderation_case SET assessed = true WHERE id IN (
    SELECT flag.case_id FROM moderation_flag AS flag
    JOIN moderation_match AS match ON match.flag_id = flag.id
    JOIN moderation_knownhash AS known ON known.id = match.known_hash_id
    JOIN moderation_hashlist AS list ON list.id = known.hash_list_id
    WHERE match.algorithm NOT IN ('pdq', 'phash') AND list.trust = 'trusted'
)
"""
CONCERNED = """
UPDATE moderation_review AS review SET concerned = true
FROM moderation_custodyevent AS event
JOIN moderation_person AS person ON person.pseudonym = event.actor
WHERE event.object_type = 'case' AND event.action = 'case_released'
    AND event.reason = 'skipped_concerned' AND event.object_id = review.case_id::text
    AND review.reviewer_id = person.user_id AND review.ended = 'skipped'
"""


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0040_receipts_of_quarantine'),
    ]

    operations = [
        migrations.AddField(
            model_name='case',
            name='due_since',
            field=models.DateTimeField(help_text='From when its due date counts, where it came back to people.', null=True),
        ),
        migrations.AddField(
            model_name='case',
            name='assessed',
            field=models.BooleanField(default=False, help_text='Whether a trusted list matched exactly when last rated: nobody need look.'),
        ),
        migrations.AddField(
            model_name='review',
            name='concerned',
            field=models.BooleanField(default=False, help_text='They may know somebody concerned, so the case is theirs in no round.'),
        ),
        migrations.RunSQL(DUE, migrations.RunSQL.noop),
        migrations.RunSQL(ASSESSED, migrations.RunSQL.noop),
        migrations.RunSQL(CONCERNED, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(models.F('turn'), models.F('opened_at'), models.F('id'), condition=models.Q(('state__in', ['open', 'proposed']), ('assessed', True)), name='case_assessed_order'),
        ),
        migrations.AddIndex(
            model_name='review',
            index=models.Index(condition=models.Q(('concerned', True)), fields=['reviewer', 'case'], name='concerned'),
        ),
    ]
