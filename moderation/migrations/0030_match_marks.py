from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0028_entry_by_pdq'),
    ]

    operations = [
        migrations.AddField(
            model_name='match',
            name='low_quality',
            field=models.BooleanField(default=False, help_text='Of PDQ: the picture has little structure, so a smaller distance was asked for.'),
        ),
        migrations.AddField(
            model_name='match',
            name='phash_distance',
            field=models.PositiveSmallIntegerField(help_text="Of PDQ: bits between the picture's pHash and the one that the supplier gives of the same entry; empty where it gives none.", null=True),
        ),
    ]
