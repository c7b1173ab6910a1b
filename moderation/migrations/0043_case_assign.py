from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0042_near_level'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='capability',
            options={'default_permissions': (), 'managed': False, 'permissions': [('case_list', 'See the queue'), ('case_open', 'Open a case'), ('decide', 'Answer a case'), ('decide_second', 'Answer as second person'), ('decide_final', 'Decide disputed and escalated cases'), ('case_assign', 'Assign a case to a named person'), ('preview_l1', 'Reveal previews of 24 px'), ('preview_l2', 'Reveal previews of 64 px'), ('preview_l3', 'Hold previews of 256 px in view'), ('wellness_team', "Reset somebody's exposure"), ('url_raw', 'See a full URL'), ('report_compose', 'Edit and propose reports'), ('report_approve', 'Approve a report that somebody else composed'), ('report_export', 'Export reports'), ('list_view', 'See hash lists'), ('list_manage', 'Load and change hash lists'), ('hash_lookup', 'Screen a single hash or picture'), ('scan_view', 'See datasets and scans'), ('scan_run', 'Start, pause and cancel scans'), ('scan_fetch', 'Start scans that fetch'), ('manifest_publish', 'Build removal manifests'), ('preview_grant', 'Grant harm classes and previews'), ('user_manage', 'Manage people'), ('settings_manage', 'Manage settings and schedules'), ('legal_hold', 'Set and lift legal holds'), ('audit_view', 'Read the chain of custody'), ('identity_view', 'See who is behind a pseudonym')]},
        ),
    ]
