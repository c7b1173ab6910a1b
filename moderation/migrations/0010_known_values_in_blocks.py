"""Every known value goes into a block; rows stay for those about which something is said."""

from itertools import groupby

import django.db.models.deletion
import numpy as np
import psycopg
from django.db import migrations, models

from moderation.algorithms import ALGORITHMS
from moderation.hash_lists.keys import is_open, key_of
from moderation.hash_lists.labels import Kind, Kinds, Labels, pack

MOST = 65_536

# A value that matched or was noted keeps all its rows: they tell whether it still stands.
SAID = """
CREATE TEMPORARY TABLE said_value ON COMMIT DROP AS
SELECT DISTINCT hash_list_id, algorithm, value FROM moderation_knownhash k
WHERE note <> '' OR disabled_at IS NOT NULL OR set_aside_at IS NOT NULL OR released_at IS NOT NULL
OR EXISTS (SELECT 1 FROM moderation_match m WHERE m.known_hash_id = k.id)
"""
VALUES = """
SELECT id, hash_list_id, added_in_id, algorithm, value, scheme, category, media, external_id,
    removed_in_id, EXISTS (
        SELECT 1 FROM said_value s
        WHERE (s.hash_list_id, s.algorithm, s.value) = (k.hash_list_id, k.algorithm, k.value)
    )
FROM moderation_knownhash k
ORDER BY hash_list_id, added_in_id, algorithm,
    CASE WHEN algorithm = ANY(%s) THEN sha256(value) ELSE value END
"""
BLOCK = """
INSERT INTO moderation_knownblock
    (hash_list_id, added_in_id, algorithm, count, lowest, highest, keys, labels)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
"""
WITHDRAWAL = """
INSERT INTO moderation_knownwithdrawal (block_id, removed_in_id, count, places)
VALUES (%s, %s, %s, %s)
"""
PLACE = """
UPDATE moderation_knownhash k SET block_id = %s, place = s.place
FROM unnest(%s::bigint[], %s::int[]) AS s (id, place) WHERE k.id = s.id
"""


def convert(apps, schema_editor):
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute(SAID)
        cursor.execute("ANALYZE said_value")
    open_ones = [name for name in ALGORITHMS if is_open(name)]
    # Neither cursor is Django's: no value gets into its log of queries.
    with (
        psycopg.ServerCursor(connection.connection, "known_values") as values,
        psycopg.Cursor(connection.connection) as write,
    ):
        values.itersize = 10_000
        values.execute(VALUES, [open_ones], binary=True)
        for (hash_list, added_in, algorithm), rows in groupby(values, lambda row: row[1:4]):
            block = []
            for row in rows:
                block.append(row)
                if len(block) == MOST:
                    write_block(write, hash_list, added_in, algorithm, block)
                    block = []
            if block:
                write_block(write, hash_list, added_in, algorithm, block)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM moderation_knownhash WHERE block_id IS NULL")
        # Checks that wait for the end of the transaction would stop the change of the table below.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def write_block(cursor, hash_list, added_in, algorithm, rows):
    keys = [key_of(algorithm, row[4]) for row in rows]
    cursor.execute(
        BLOCK,
        [
            hash_list,
            added_in,
            algorithm,
            len(rows),
            keys[0],
            keys[-1],
            b"".join(keys),
            labels_of(algorithm, rows),
        ],
    )
    (block,) = cursor.fetchone()
    removed = {}
    for place, row in enumerate(rows):
        if row[9] is not None:
            removed.setdefault(row[9], []).append(place)
    for version, places in removed.items():
        packed = np.array(places, dtype="<i4").tobytes()
        cursor.execute(WITHDRAWAL, [block, version, len(places), packed])
    kept = [(row[0], place) for place, row in enumerate(rows) if row[10]]
    if kept:
        ids, places = zip(*kept, strict=True)
        cursor.execute(PLACE, [block, list(ids), list(places)])


def labels_of(algorithm, rows):
    import pyarrow as pa

    kinds = Kinds()
    return pack(
        Labels(
            np.array([kinds.number(Kind(*row[5:8])) for row in rows], dtype=np.int32),
            pa.array([row[8] for row in rows], pa.large_string()),
            pa.array([row[4] for row in rows], pa.large_binary()) if is_open(algorithm) else None,
        ),
        kinds,
    )


class Migration(migrations.Migration):
    dependencies = [("moderation", "0009_known_blocks")]

    operations = [
        migrations.RunPython(convert),
        migrations.AlterField(
            model_name="knownhash",
            name="block",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="rows",
                to="moderation.knownblock",
            ),
        ),
        migrations.AlterField(
            model_name="knownhash",
            name="place",
            field=models.PositiveIntegerField(help_text="Of the value in its block."),
        ),
        migrations.AddConstraint(
            model_name="knownhash",
            constraint=models.UniqueConstraint(fields=("block", "place"), name="one_row_per_value"),
        ),
    ]
