import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.functions.math
import moderation.models.case
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


FILL = """
WITH matched AS (
    SELECT flag.case_id,
        array_agg(DISTINCT 'list:' || known.hash_list_id)
            || coalesce(array_agg(DISTINCT 'category:' || lower(known.scheme || ':' ||
                known.category)) FILTER (WHERE known.category <> ''), '{}') AS words,
        min(match.distance) FILTER (WHERE match.algorithm IN ('pdq', 'phash')) AS nearest,
        min(CASE list.trust WHEN 'trusted' THEN 1 WHEN 'standard' THEN 2 ELSE 3 END) AS trust
    FROM moderation_flag AS flag
    JOIN moderation_match AS match ON match.flag_id = flag.id
    JOIN moderation_knownhash AS known ON known.id = match.known_hash_id
    JOIN moderation_hashlist AS list ON list.id = known.hash_list_id
    GROUP BY flag.case_id
), grouped AS (
    SELECT flag.case_id, count(*) AS entries,
        array_agg(DISTINCT 'revision:' || entry.revision_id) AS words,
        CASE WHEN bool_or(entry.reason = 'fetched') THEN 'live'
            WHEN bool_and(entry.outcome = 'gone') THEN 'gone' ELSE 'unknown' END AS link
    FROM moderation_flag AS flag JOIN moderation_entry AS entry ON entry.id = flag.entry_id
    GROUP BY flag.case_id
)
UPDATE moderation_case AS kept SET
    trust = (ARRAY['trusted', 'standard', 'trial'])[matched.trust],
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
COUNT = """
DELETE FROM moderation_casetally;
INSERT INTO moderation_casetally (state, triage, harm_class, trust, cases)
    SELECT state, triage, harm_class, trust, count(*) FROM moderation_case
    GROUP BY state, triage, harm_class, trust;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0020_previews_by_training'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='case',
            name='tally_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='case',
            name='tally_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='case',
            name='tally_delete',
        ),
        migrations.RemoveIndex(
            model_name='case',
            name='case_work_order',
        ),
        migrations.RemoveIndex(
            model_name='case',
            name='case_reviewers_order',
        ),
        migrations.RemoveIndex(
            model_name='case',
            name='case_state_order',
        ),
        migrations.RemoveIndex(
            model_name='case',
            name='case_triage_order',
        ),
        migrations.RemoveIndex(
            model_name='case',
            name='case_exact_order',
        ),
        migrations.AddField(
            model_name='case',
            name='facets',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), default=list, help_text='Words that filters ask for.', size=None),
        ),
        migrations.AddField(
            model_name='case',
            name='pinned_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='case',
            name='pinned_because',
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name='case',
            name='trust',
            field=models.CharField(default='standard', help_text="The best of its lists', when last rated.", max_length=10),
        ),
        migrations.AddField(
            model_name='casetally',
            name='trust',
            field=models.CharField(default='standard', max_length=10),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddField(
            model_name='case',
            name='turn',
            field=models.GeneratedField(db_persist=True, expression=django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.functions.comparison.Cast(moderation.models.case.DaysSince2025('opened_at'), models.FloatField()), '/', models.Value(30.0)), '-', django.db.models.expressions.CombinedExpression(django.db.models.functions.math.Ln(django.db.models.functions.comparison.Greatest(models.F('priority'), 0.001)), '/', models.Value(0.6931471805599453))), '-', models.Case(models.When(pinned_at__isnull=False, then=1000000.0), default=0.0)), output_field=models.FloatField()),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(models.F('turn'), models.F('opened_at'), models.F('id'), condition=models.Q(('state__in', ['open', 'proposed', 'disputed', 'escalated'])), name='case_work_order'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(models.F('turn'), models.F('opened_at'), models.F('id'), condition=models.Q(('state__in', ['open', 'proposed'])), name='case_reviewers_order'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(models.F('state'), models.F('turn'), models.F('opened_at'), models.F('id'), name='case_state_order'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(models.F('triage'), models.F('turn'), models.F('opened_at'), models.F('id'), condition=models.Q(('state__in', ['open', 'proposed', 'disputed', 'escalated'])), name='case_triage_order'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(models.F('exact'), models.F('turn'), models.F('opened_at'), models.F('id'), condition=models.Q(('state__in', ['open', 'proposed', 'disputed', 'escalated'])), name='case_exact_order'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(models.F('harm_class'), models.F('turn'), models.F('opened_at'), models.F('id'), condition=models.Q(('state__in', ['open', 'proposed', 'disputed', 'escalated'])), name='case_class_order'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state__in', ['open', 'proposed', 'disputed', 'escalated'])), fields=['trust', 'opened_at'], name='case_trust_age'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state__in', ['open', 'proposed', 'disputed', 'escalated'])), fields=['trust', 'due_at'], name='case_trust_due'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=django.contrib.postgres.indexes.GinIndex(fields=['facets'], name='case_facets'),
        ),
        # No trigger notes the changes above: the counts are made anew, by trust too.
        migrations.RunSQL(COUNT, migrations.RunSQL.noop),
        pgtrigger.migrations.AddTrigger(
            model_name='case',
            trigger=pgtrigger.compiler.Trigger(name='tally_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n    INSERT INTO moderation_casetally (state, triage, harm_class, trust, cases)\n    SELECT state, triage, harm_class, trust, sum(step) FROM (SELECT state, triage, harm_class, trust, 1 AS step FROM come) AS changes\n    GROUP BY state, triage, harm_class, trust HAVING sum(step) <> 0;\n    RETURN NULL;\n', hash='1384d55e97ced4f210b2299b089d3d22b2421185', level='STATEMENT', operation='INSERT', pgid='pgtrigger_tally_insert_e1cb6', referencing='REFERENCING NEW TABLE AS come ', table='moderation_case', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='case',
            trigger=pgtrigger.compiler.Trigger(name='tally_update', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n    INSERT INTO moderation_casetally (state, triage, harm_class, trust, cases)\n    SELECT state, triage, harm_class, trust, sum(step) FROM (SELECT state, triage, harm_class, trust, -1 AS step FROM gone UNION ALL SELECT state, triage, harm_class, trust, 1 AS step FROM come) AS changes\n    GROUP BY state, triage, harm_class, trust HAVING sum(step) <> 0;\n    RETURN NULL;\n', hash='02c8d1217736d85220ce8371228c273149357b1c', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_tally_update_05288', referencing='REFERENCING OLD TABLE AS gone  NEW TABLE AS come ', table='moderation_case', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='case',
            trigger=pgtrigger.compiler.Trigger(name='tally_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n    INSERT INTO moderation_casetally (state, triage, harm_class, trust, cases)\n    SELECT state, triage, harm_class, trust, sum(step) FROM (SELECT state, triage, harm_class, trust, -1 AS step FROM gone) AS changes\n    GROUP BY state, triage, harm_class, trust HAVING sum(step) <> 0;\n    RETURN NULL;\n', hash='85d9d7fde7e15592f4e39627b1b90a1b157432b6', level='STATEMENT', operation='DELETE', pgid='pgtrigger_tally_delete_95aee', referencing='REFERENCING OLD TABLE AS gone ', table='moderation_case', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='case',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('pinned_at__isnull', True), ('pinned_because', '')), models.Q(('pinned_at__isnull', False), models.Q(('pinned_because', ''), _negated=True)), _connector='OR'), name='pin_has_a_reason'),
        ),
    ]
