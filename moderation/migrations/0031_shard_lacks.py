import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0030_match_marks'),
    ]

    operations = [
        migrations.AddField(
            model_name='shard',
            name='lacks',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=20), default=list, help_text='Algorithms of which its ledger is known to have no value.', size=None),
        ),
    ]
