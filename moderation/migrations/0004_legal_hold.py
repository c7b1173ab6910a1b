from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("moderation", "0003_two_people_decide")]

    operations = [
        migrations.RemoveField(model_name="sealedobject", name="legal_hold"),
        migrations.AddField(
            model_name="case",
            name="legal_hold_since",
            field=models.DateTimeField(
                help_text="While set, nothing sealed for this case is deleted (H10).", null=True
            ),
        ),
        migrations.AddField(
            model_name="case",
            name="legal_hold_reason",
            field=models.CharField(blank=True, default="", max_length=300),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(legal_hold_since__isnull=True, legal_hold_reason="")
                | models.Q(legal_hold_since__isnull=False) & ~models.Q(legal_hold_reason=""),
                name="legal_hold_has_a_reason",
            ),
        ),
    ]
