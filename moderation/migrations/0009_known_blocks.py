import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('moderation', '0008_pace'),
    ]

    operations = [
        migrations.AddField(
            model_name='knownhash',
            name='place',
            field=models.PositiveIntegerField(help_text='Of the value in its block.', null=True),
        ),
        migrations.CreateModel(
            name='KnownBlock',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('algorithm', models.CharField(max_length=20)),
                ('count', models.PositiveIntegerField()),
                ('lowest', models.BinaryField()),
                ('highest', models.BinaryField()),
                ('keys', models.BinaryField()),
                ('labels', models.BinaryField()),
                ('added_in', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='blocks', to='moderation.hashlistversion')),
                ('hash_list', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='blocks', to='moderation.hashlist')),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.AddField(
            model_name='knownhash',
            name='block',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rows', to='moderation.knownblock'),
        ),
        migrations.CreateModel(
            name='KnownWithdrawal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('count', models.PositiveIntegerField()),
                ('places', models.BinaryField(help_text='32-bit numbers, little-endian, ascending.')),
                ('block', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='withdrawals', to='moderation.knownblock')),
                ('removed_in', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='withdrawals', to='moderation.hashlistversion')),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.AddIndex(
            model_name='knownblock',
            index=models.Index(fields=['hash_list', 'algorithm'], name='moderation__hash_li_c2390d_idx'),
        ),
        migrations.AddConstraint(
            model_name='knownblock',
            constraint=models.CheckConstraint(condition=models.Q(('count__gte', 1), ('count__lte', 65536)), name='block_size'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='knownblock',
            trigger=pgtrigger.compiler.Trigger(name='values_stay', sql=pgtrigger.compiler.UpsertTriggerSql(func='RAISE EXCEPTION \'pgtrigger: Cannot update of "hash_list_id", "added_in_id", "algorithm", "count", "lowest", "highest", "keys" or delete rows from % table\', TG_TABLE_NAME;', hash='69f30f0de7113dde777fa7015366328845451ecb', operation='UPDATE OF "hash_list_id", "added_in_id", "algorithm", "count", "lowest", "highest", "keys" OR DELETE', pgid='pgtrigger_values_stay_53d8a', table='moderation_knownblock', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='knownblock',
            trigger=pgtrigger.compiler.Trigger(name='blocks_stay', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    IF current_setting('breakwater.may_truncate', true) IS DISTINCT FROM 'on' THEN\n        RAISE EXCEPTION 'Cannot truncate table %', TG_TABLE_NAME;\n    END IF;\n    RETURN NULL;\n", hash='075f92b640eb5c3405f436fa6a37c3112014e6b7', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_blocks_stay_19b4d', table='moderation_knownblock', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='knownwithdrawal',
            constraint=models.UniqueConstraint(fields=('block', 'removed_in'), name='one_withdrawal'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='knownwithdrawal',
            trigger=pgtrigger.compiler.Trigger(name='withdrawals_stay', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='fa4e2e59956b198e2e5f2b9830946edd606094d3', operation='UPDATE OR DELETE', pgid='pgtrigger_withdrawals_stay_f5b64', table='moderation_knownwithdrawal', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='knownwithdrawal',
            trigger=pgtrigger.compiler.Trigger(name='withdrawals_never_emptied', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    IF current_setting('breakwater.may_truncate', true) IS DISTINCT FROM 'on' THEN\n        RAISE EXCEPTION 'Cannot truncate table %', TG_TABLE_NAME;\n    END IF;\n    RETURN NULL;\n", hash='96157faeddeff47edc239b69b22f672de9bebdba', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_withdrawals_never_emptied_c518e', table='moderation_knownwithdrawal', when='BEFORE')),
        ),
        # Hashes do not compress, and labels are compressed as they come.
        migrations.RunSQL(
            """
            ALTER TABLE moderation_knownblock ALTER COLUMN keys SET STORAGE EXTERNAL;
            ALTER TABLE moderation_knownblock ALTER COLUMN labels SET STORAGE EXTERNAL;
            """,
            migrations.RunSQL.noop,
        ),
    ]
