"""A grant names its training and no date; a legal basis its jurisdiction; a person their colours."""

from django.db import migrations, models


def dates_from_trainings(apps, schema_editor):
    """On the way back: the date that a grant's training has."""
    for grant in apps.get_model("moderation", "Grant").objects.filter(training__isnull=False):
        grant.trained_on = grant.training.held_on
        grant.save(update_fields=["trained_on"])


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0019_training'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='grant',
            name='previews_after_training',
        ),
        migrations.RunPython(migrations.RunPython.noop, dates_from_trainings),
        migrations.RemoveField(
            model_name='grant',
            name='trained_on',
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('level', 0), ('training__isnull', False), _connector='OR'), name='previews_by_training'),
        ),
        migrations.AddField(
            model_name='legalbasis',
            name='jurisdiction',
            field=models.CharField(blank=True, default='', help_text='Whose law it is. Empty opens no preview.', max_length=100),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='person',
            name='contrast',
            field=models.CharField(choices=[('auto', 'As this device is set'), ('more', 'More contrast')], default='auto', max_length=4),
        ),
        migrations.AddField(
            model_name='person',
            name='text_size',
            field=models.CharField(choices=[('usual', 'Usual'), ('large', 'Large'), ('largest', 'Largest')], default='usual', max_length=7),
        ),
        migrations.AddField(
            model_name='person',
            name='theme',
            field=models.CharField(choices=[('auto', 'As this device is set'), ('light', 'Light'), ('dark', 'Dark')], default='auto', max_length=5),
        ),
    ]
