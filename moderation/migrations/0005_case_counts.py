import django.db.models.expressions
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0004_legal_hold'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CaseTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(max_length=10)),
                ('triage', models.CharField(max_length=10)),
                ('cases', models.BigIntegerField()),
            ],
        ),
        migrations.RemoveIndex(
            model_name='case',
            name='case_work_order',
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(django.db.models.expressions.CombinedExpression(models.F('priority'), '*', models.Value(-1)), models.F('opened_at'), models.F('id'), condition=models.Q(('state__in', ['open', 'proposed', 'disputed', 'escalated'])), name='case_work_order'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(django.db.models.expressions.CombinedExpression(models.F('priority'), '*', models.Value(-1)), models.F('opened_at'), models.F('id'), condition=models.Q(('state__in', ['open', 'proposed'])), name='case_reviewers_order'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(models.F('state'), django.db.models.expressions.CombinedExpression(models.F('priority'), '*', models.Value(-1)), models.F('opened_at'), models.F('id'), name='case_state_order'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state__in', ['open', 'proposed', 'disputed', 'escalated'])), fields=['state', 'opened_at'], name='case_oldest'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state__in', ['open', 'proposed', 'disputed', 'escalated'])), fields=['state', 'due_at'], name='case_due'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('lease_expires_at__isnull', False)), fields=['lease_expires_at'], name='case_leases'),
        ),
        migrations.AddIndex(
            model_name='review',
            index=models.Index(condition=models.Q(('settled_at__isnull', False), ('superseded', False), models.Q(('answer', ''), _negated=True)), fields=['reviewer', 'case'], name='standing_answers'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='case',
            trigger=pgtrigger.compiler.Trigger(name='tally_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n    INSERT INTO moderation_casetally (state, triage, cases)\n    SELECT state, triage, sum(step) FROM (SELECT state, triage, 1 AS step FROM come) AS changes\n    GROUP BY state, triage HAVING sum(step) <> 0;\n    RETURN NULL;\n', hash='e59f6a3a74232878bcf4d296f8f5c28f9c60547e', level='STATEMENT', operation='INSERT', pgid='pgtrigger_tally_insert_e1cb6', referencing='REFERENCING NEW TABLE AS come ', table='moderation_case', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='case',
            trigger=pgtrigger.compiler.Trigger(name='tally_update', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n    INSERT INTO moderation_casetally (state, triage, cases)\n    SELECT state, triage, sum(step) FROM (SELECT state, triage, -1 AS step FROM gone UNION ALL SELECT state, triage, 1 AS step FROM come) AS changes\n    GROUP BY state, triage HAVING sum(step) <> 0;\n    RETURN NULL;\n', hash='29884cb447984bb72ead8cc6ba2117d64b724776', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_tally_update_05288', referencing='REFERENCING OLD TABLE AS gone  NEW TABLE AS come ', table='moderation_case', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='case',
            trigger=pgtrigger.compiler.Trigger(name='tally_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n    INSERT INTO moderation_casetally (state, triage, cases)\n    SELECT state, triage, sum(step) FROM (SELECT state, triage, -1 AS step FROM gone) AS changes\n    GROUP BY state, triage HAVING sum(step) <> 0;\n    RETURN NULL;\n', hash='d02a80bfe734e3ac25f934efc983fcb68ac81e4f', level='STATEMENT', operation='DELETE', pgid='pgtrigger_tally_delete_95aee', referencing='REFERENCING OLD TABLE AS gone ', table='moderation_case', when='AFTER')),
        ),
        # The triggers above hold a lock on the table until this transaction ends: no case is missed.
        migrations.RunSQL(
            "INSERT INTO moderation_casetally (state, triage, cases)"
            " SELECT state, triage, count(*) FROM moderation_case GROUP BY state, triage",
            migrations.RunSQL.noop,
        ),
    ]
