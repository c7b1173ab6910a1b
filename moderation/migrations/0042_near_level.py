from django.db import migrations, models


def weigh_again(apps, schema_editor):
    """Cases that wait are given the priority that they have by the rules as they are now."""
    apps.get_model('moderation', 'ListPrecision').objects.update(weighed=False)


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0041_back_to_people'),
    ]

    operations = [
        migrations.AddField(
            model_name='listprecision',
            name='near_level',
            field=models.PositiveSmallIntegerField(help_text='The preview level that was enough for half of the near ones; 0 is no look. Empty where few are decided.', null=True),
        ),
        migrations.RunPython(weigh_again, migrations.RunPython.noop),
    ]
