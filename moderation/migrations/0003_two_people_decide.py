from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("moderation", "0002_retention")]

    operations = [
        migrations.RemoveConstraint(model_name="decision", name="two_people_confirm"),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(second__isnull=False) & ~models.Q(first=models.F("second")),
                name="two_people_decide",
            ),
        ),
    ]
