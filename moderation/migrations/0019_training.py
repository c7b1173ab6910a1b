"""Trainings get rows of their own, and the grants of previews rest on them."""

import datetime

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models

LONGEST = datetime.timedelta(days=731)
USUAL = datetime.timedelta(days=365)


def trainings_from_grants(apps, schema_editor):
    """One training for each person and date that grants name; it counts until the last of them ends."""
    Grant, Training = (apps.get_model("moderation", name) for name in ("Grant", "Training"))
    named = Grant.objects.filter(trained_on__isnull=False)
    dates = named.values("person", "trained_on").annotate(last=models.Max("ends_at"))
    for each in dates.order_by("person", "trained_on"):
        held_on = each["trained_on"]
        until = max(held_on + USUAL, min(each["last"].date(), held_on + LONGEST))
        first = named.filter(person=each["person"], trained_on=held_on).order_by("pk").first()
        training = Training.objects.create(
            person_id=each["person"],
            what="On record with a grant",
            held_on=held_on,
            until=until,
            recorded_by_id=first.given_by_id,
        )
        named.filter(person=each["person"], trained_on=held_on).update(training=training)


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0018_saved_views'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Training',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('what', models.CharField(max_length=120)),
                ('held_on', models.DateField()),
                ('until', models.DateField(help_text='The last day on which it counts.')),
                ('recorded_at', models.DateTimeField(auto_now_add=True)),
                ('struck_at', models.DateTimeField(help_text='When a wrong record was struck out.', null=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='trainings', to=settings.AUTH_USER_MODEL)),
                ('recorded_by', models.ForeignKey(help_text="Nobody for a made-up installation's own.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('until__gt', models.F('held_on')), ('until__lte', django.db.models.expressions.CombinedExpression(models.F('held_on'), '+', models.Value(LONGEST)))), name='training_ends'),
                    models.CheckConstraint(condition=models.Q(('recorded_by__isnull', True), models.Q(('recorded_by', models.F('person')), _negated=True), _connector='OR'), name='nobody_records_their_own_training'),
                ],
            },
        ),
        migrations.AddField(
            model_name='grant',
            name='training',
            field=models.ForeignKey(help_text='Previews are granted on one.', null=True, on_delete=django.db.models.deletion.PROTECT, to='moderation.training'),
        ),
        migrations.RunPython(trainings_from_grants, migrations.RunPython.noop),
    ]
