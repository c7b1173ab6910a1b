from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("moderation", "0001_initial")]

    operations = [
        migrations.RemoveField(model_name="sealedobject", name="keep_until"),
        migrations.AddField(
            model_name="sealedobject",
            name="erased_at",
            field=models.DateTimeField(
                help_text="When its file was deleted, after that.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="sealedobject",
            name="shredded_at",
            field=models.DateTimeField(help_text="When its key was destroyed.", null=True),
        ),
        migrations.AddIndex(
            model_name="sealedobject",
            index=models.Index(
                fields=["shredded_at"],
                name="sealed_to_erase",
                condition=models.Q(shredded_at__isnull=False, erased_at__isnull=True),
            ),
        ),
    ]
