from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0013_match_approximate'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='case',
            name='lease_kind',
            field=models.CharField(blank=True, choices=[('work', 'In work'), ('hold', 'On hold'), ('handed', 'Handed over, not taken yet')], max_length=10),
        ),
        # What ran out keeps no kind: of those a person may have left several.
        migrations.RunSQL(
            "UPDATE moderation_case SET lease_kind = 'work' WHERE lease_expires_at > now()",
            migrations.RunSQL.noop,
        ),
        migrations.AddField(
            model_name='review',
            name='draft',
            field=models.JSONField(blank=True, default=dict, help_text='An answer being written: code, class, reason.'),
        ),
        migrations.AddField(
            model_name='review',
            name='note',
            field=models.CharField(blank=True, help_text='Why it is on hold, or what went with a hand-over.', max_length=300),
        ),
        migrations.AlterField(
            model_name='case',
            name='lease_token',
            field=models.CharField(blank=True, help_text='Of the tab that works; empty for the other kinds.', max_length=43),
        ),
        migrations.AlterField(
            model_name='review',
            name='ended',
            field=models.CharField(blank=True, choices=[('answered', 'Answered'), ('released', 'Released'), ('expired', 'Expired'), ('undone', 'Undone'), ('skipped', 'Skipped'), ('not_for_me', 'Not For Me'), ('handed', 'Handed'), ('taken_over', 'Taken Over')], max_length=10),
        ),
        migrations.AddIndex(
            model_name='review',
            index=models.Index(condition=models.Q(('ended__in', ['skipped', 'not_for_me', 'handed']), ('superseded', False)), fields=['reviewer', 'case'], name='passed_on'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('lease_kind', 'handed')), fields=['leased_by'], name='handed_over'),
        ),
        migrations.AddConstraint(
            model_name='case',
            constraint=models.UniqueConstraint(condition=models.Q(('lease_kind', 'work')), fields=('leased_by',), name='one_work_lease_each'),
        ),
    ]
