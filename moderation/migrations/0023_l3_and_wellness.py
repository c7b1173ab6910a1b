"""L3, drawings of the lines, and what a person has set for themselves about looks and breaks."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0022_notes_and_letter_keys'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Wellness',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day_limit', models.DecimalField(decimal_places=1, max_digits=6, null=True)),
                ('week_limit', models.DecimalField(decimal_places=1, max_digits=6, null=True)),
                ('opted_out', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('csam', 'Child sexual abuse material'), ('non_photographic', 'Non-photographic child sexual abuse material'), ('abuse_related', 'Abuse related'), ('adult_intimate', 'Adult intimate picture, shared without consent'), ('other', 'Other harm under local policy'), ('unknown', 'Not yet classed')], max_length=20), blank=True, default=list, size=None)),
                ('highest', models.JSONField(default=dict, help_text='By harm class: no level above this one.')),
                ('drawings', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('csam', 'Child sexual abuse material'), ('non_photographic', 'Non-photographic child sexual abuse material'), ('abuse_related', 'Abuse related'), ('adult_intimate', 'Adult intimate picture, shared without consent'), ('other', 'Other harm under local policy'), ('unknown', 'Not yet classed')], max_length=20), blank=True, default=list, help_text='Harm classes in which L2 begins as a drawing.', size=None)),
                ('shift_ends_at', models.DateTimeField(null=True)),
                ('breaks_counted_from', models.DateTimeField(null=True)),
                ('stopped_at', models.DateTimeField(help_text='Evidence alone until a lead resets it.', null=True)),
                ('asked_at', models.DateTimeField(help_text='When they asked a lead for that.', null=True)),
                ('points_counted_from', models.DateTimeField(help_text='When a lead last reset it.', null=True)),
            ],
            options={
                'verbose_name_plural': 'wellness',
            },
        ),
        migrations.AlterModelOptions(
            name='capability',
            options={'default_permissions': (), 'managed': False, 'permissions': [('case_list', 'See the queue'), ('case_open', 'Open a case'), ('decide', 'Answer a case'), ('decide_second', 'Answer as second person'), ('decide_final', 'Decide disputed and escalated cases'), ('preview_l1', 'Reveal previews of 24 px'), ('preview_l2', 'Reveal previews of 64 px'), ('preview_l3', 'Hold previews of 256 px in view'), ('wellness_team', "Reset somebody's exposure"), ('url_raw', 'See a full URL'), ('report_compose', 'Edit and propose reports'), ('report_approve', 'Approve a report that somebody else composed'), ('report_export', 'Export reports'), ('list_view', 'See hash lists'), ('list_manage', 'Load and change hash lists'), ('hash_lookup', 'Screen a single hash or picture'), ('scan_view', 'See datasets and scans'), ('scan_run', 'Start, pause and cancel scans'), ('scan_fetch', 'Start scans that fetch'), ('manifest_publish', 'Build removal manifests'), ('preview_grant', 'Grant harm classes and previews'), ('user_manage', 'Manage people'), ('settings_manage', 'Manage settings and schedules'), ('legal_hold', 'Set and lift legal holds'), ('audit_view', 'Read the chain of custody'), ('identity_view', 'See who is behind a pseudonym')]},
        ),
        migrations.RemoveConstraint(
            model_name='preview',
            name='one_preview_per_level',
        ),
        migrations.AddField(
            model_name='preview',
            name='drawing',
            field=models.BooleanField(default=False, help_text='Of its lines alone, at 128 px.'),
        ),
        migrations.AddField(
            model_name='reveal',
            name='drawing',
            field=models.BooleanField(default=False, help_text='L2 as a drawing of its lines.'),
        ),
        migrations.AlterField(
            model_name='grant',
            name='level',
            field=models.PositiveSmallIntegerField(choices=[(0, 'No previews: evidence alone'), (1, 'Previews up to 24 px'), (2, 'Previews up to 64 px, or a line drawing of 128 px'), (3, 'Previews up to 256 px, blurred, only while held')]),
        ),
        migrations.AlterField(
            model_name='preview',
            name='level',
            field=models.PositiveSmallIntegerField(choices=[(1, '24 px'), (2, '64 px'), (3, '256 px, blurred')]),
        ),
        migrations.AddConstraint(
            model_name='preview',
            constraint=models.UniqueConstraint(fields=('entry', 'level', 'drawing'), name='one_preview_of_a_kind'),
        ),
        migrations.AddConstraint(
            model_name='preview',
            constraint=models.CheckConstraint(condition=models.Q(('drawing', False), ('level', 2), _connector='OR'), name='drawings_are_l2'),
        ),
        migrations.AddField(
            model_name='wellness',
            name='person',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='wellness', to=settings.AUTH_USER_MODEL),
        ),
    ]
