from django.conf import settings
from django.db import migrations, models


WORK_GETS_A_KIND = """
    UPDATE moderation_case AS held
    SET lease_kind = CASE WHEN latest THEN 'work' ELSE '' END,
        lease_expires_at = CASE WHEN latest THEN held.lease_expires_at ELSE now() END
    FROM (
        SELECT id, row_number() OVER (
            PARTITION BY leased_by_id ORDER BY lease_expires_at DESC, id DESC
        ) = 1 AS latest
        FROM moderation_case WHERE lease_expires_at > now()
    ) AS live
    WHERE live.id = held.id
"""
OTHER_KINDS_END = """
    UPDATE moderation_case SET lease_expires_at = now()
    WHERE lease_kind IN ('hold', 'handed') AND lease_expires_at > now()
"""


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
        # What ran out keeps no kind: of those a person may have left several. Of several that still
        # run, which two requests at once could leave, the last to end stays; the rest end now. Back
        # again, what was on hold or handed over ends: before, nobody could go on with it.
        migrations.RunSQL(WORK_GETS_A_KIND, OTHER_KINDS_END),
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
