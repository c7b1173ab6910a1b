import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0025_own_lists'),
    ]

    operations = [
        migrations.CreateModel(
            name='ListPrecision',
            fields=[
                ('hash_list', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='precision', serialize=False, to='moderation.hashlist')),
                ('exact_reviewed', models.PositiveBigIntegerField(default=0)),
                ('exact_confirmed', models.PositiveBigIntegerField(default=0)),
                ('near_reviewed', models.PositiveBigIntegerField(default=0)),
                ('near_confirmed', models.PositiveBigIntegerField(default=0)),
                ('exact_weight', models.FloatField(default=1.0, help_text='What an exact match counts in a priority, 0.5 to 1.')),
                ('near_weight', models.FloatField(default=1.0, help_text='Likewise a near one.')),
                ('weighed', models.BooleanField(default=True, help_text='Whether the cases that wait have their priority by these weights.')),
                ('counted_at', models.DateTimeField(auto_now=True)),
            ],
        ),
    ]
