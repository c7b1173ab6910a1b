from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0031_shard_lacks'),
    ]

    operations = [
        migrations.AddField(
            model_name='receipt',
            name='provisional',
            field=models.PositiveBigIntegerField(default=0, help_text='Left out beside the lines of the manifest, while people decide.'),
        ),
        migrations.AddField(
            model_name='receipt',
            name='unlisted',
            field=models.PositiveBigIntegerField(default=0, help_text='Left out likewise: confirmed since the manifest was built.'),
        ),
    ]
