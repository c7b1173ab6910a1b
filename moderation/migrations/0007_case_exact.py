import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0006_list_rules'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='case',
            name='exact',
            field=models.BooleanField(default=False, help_text='Whether any match is of equal digests.'),
        ),
        migrations.RunSQL(
            "UPDATE moderation_case AS c SET exact = true WHERE EXISTS ("
            "SELECT 1 FROM moderation_match AS m JOIN moderation_flag AS f ON f.id = m.flag_id"
            " WHERE f.case_id = c.id AND m.algorithm NOT IN ('pdq', 'phash'))",
            migrations.RunSQL.noop,
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(models.F('triage'), django.db.models.expressions.CombinedExpression(models.F('priority'), '*', models.Value(-1)), models.F('opened_at'), models.F('id'), condition=models.Q(('state__in', ['open', 'proposed', 'disputed', 'escalated'])), name='case_triage_order'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(models.F('exact'), django.db.models.expressions.CombinedExpression(models.F('priority'), '*', models.Value(-1)), models.F('opened_at'), models.F('id'), condition=models.Q(('state__in', ['open', 'proposed', 'disputed', 'escalated'])), name='case_exact_order'),
        ),
    ]
