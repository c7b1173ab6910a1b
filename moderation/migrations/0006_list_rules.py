import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("moderation", "0005_case_counts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="coverage",
            name="held_values",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                default=list,
                help_text="Known hashes whose matches were passed over as disabled or set aside.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="coverage",
            name="negatives",
            field=models.CharField(
                blank=True,
                help_text="State of the negative lists that suppressed matches.",
                max_length=32,
            ),
        ),
        migrations.AddField(
            model_name="coverage",
            name="passed_over",
            field=models.JSONField(default=dict, help_text="Reason to count of matches."),
        ),
        migrations.AddField(
            model_name="coverage",
            name="phash_flags",
            field=models.BooleanField(default=False, help_text="As the list had it at that time."),
        ),
        migrations.AddField(
            model_name="coverage",
            name="share",
            field=models.FloatField(default=1.0, help_text="The list's sample at that time."),
        ),
        migrations.AddField(
            model_name="hashlist",
            name="negative",
            field=models.BooleanField(
                default=False,
                help_text="Its values are known to be harmless: they raise no flag and suppress others'.",
            ),
        ),
        migrations.AddField(
            model_name="hashlist",
            name="sample_ratio",
            field=models.FloatField(
                blank=True,
                help_text="Share of matching entries that are flagged, 0 to 1; empty: all, of trial none.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(0),
                    django.core.validators.MaxValueValidator(1),
                ],
            ),
        ),
        migrations.AddField(
            model_name="knownhash",
            name="disabled_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="knownhash",
            name="disabled_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="knownhash",
            name="released_at",
            field=models.DateTimeField(
                help_text="Since then flood control lets it through.", null=True
            ),
        ),
        migrations.AddField(
            model_name="knownhash",
            name="set_aside_at",
            field=models.DateTimeField(help_text="When its matches were too many.", null=True),
        ),
        migrations.AddField(
            model_name="shardscan",
            name="passed_over",
            field=models.JSONField(
                default=dict, help_text="Reason to count of the matches that raise no flag."
            ),
        ),
        migrations.AlterField(
            model_name="hashlist",
            name="trust",
            field=models.CharField(
                choices=[
                    ("trusted", "Trusted: an exact match is quarantined at once"),
                    ("standard", "Standard: people decide first"),
                    ("trial", "Trial: counted, and a sample reviewed where one is set"),
                ],
                default="standard",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="knownhash",
            name="disabled_until",
            field=models.DateTimeField(help_text="Empty: until it is lifted.", null=True),
        ),
        migrations.AlterField(
            model_name="knownhash",
            name="note",
            field=models.TextField(blank=True, help_text="Why it was disabled."),
        ),
        migrations.AlterField(
            model_name="scan",
            name="reason",
            field=models.CharField(
                choices=[
                    ("new_revision", "New revision"),
                    ("new_list_version", "New list version"),
                    ("rules", "Passed over before"),
                    ("requested", "Asked for"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="shardscan",
            name="exact",
            field=models.PositiveBigIntegerField(
                default=0, help_text="Exact matches, all there are."
            ),
        ),
        migrations.AlterField(
            model_name="shardscan",
            name="near",
            field=models.PositiveBigIntegerField(
                default=0, help_text="Near matches, all there are."
            ),
        ),
        migrations.AddIndex(
            model_name="knownhash",
            index=models.Index(
                condition=models.Q(
                    ("disabled_at__isnull", False), ("set_aside_at__isnull", False), _connector="OR"
                ),
                fields=["hash_list"],
                name="known_hash_passed_over",
            ),
        ),
        migrations.AddConstraint(
            model_name="hashlist",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("sample_ratio__isnull", True), ("sample_ratio__range", (0, 1)), _connector="OR"
                ),
                name="sample_ratio_0_to_1",
            ),
        ),
        # Matches of trial lists were counted and raised no flag: so it stays until a sample is set.
        migrations.RunSQL(
            """
            UPDATE moderation_coverage c SET share = 0, passed_over = '{"unsampled": 0}'
            FROM moderation_hashlist l WHERE l.id = c.hash_list_id AND l.trust = 'trial'
            """,
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(
            """
            UPDATE moderation_coverage c SET phash_flags = true
            FROM moderation_hashlist l WHERE l.id = c.hash_list_id AND l.phash_flags
            """,
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(
            """
            UPDATE moderation_knownhash SET disabled_at = now() WHERE disabled_until IS NOT NULL
            """,
            migrations.RunSQL.noop,
        ),
    ]
