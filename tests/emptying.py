"""Empty the tables after a test whose transactions were real: as Django's flush, but quicker.

Django works out anew what `post_migrate` writes: content types, permissions, roles, the schedule.
Here those rows are copied once, after the first flush, and put back. And where the role may go
round triggers rows are deleted: to truncate makes every table and index a new file.
"""

import time
from typing import Any

from django.core.management import call_command
from django.core.management.color import no_style
from django.core.management.sql import sql_flush
from django.db import OperationalError, connection, transaction

COPIES = "copies"  # the schema of what is put back
TRIES, PAUSE = 1000, 0.02  # seconds, while a server still answers what the test asked last
MAY_GO_ROUND = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
_statements: list[str] = []


def empty() -> None:
    """Leave the tables as Django's flush does."""
    if not _statements:
        call_command("flush", verbosity=0, interactive=False)
        _statements.extend(_prepared())
        return
    lock, *others = _statements
    with transaction.atomic(), connection.cursor() as cursor:
        _lock(cursor, lock)
        for statement in others:
            cursor.execute(statement)


def _lock(cursor: Any, statement: str) -> None:
    """Lock all tables, or none: who holds some and waits for others meets in a deadlock whoever
    reads them in another order."""
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                cursor.execute(f"{statement} NOWAIT")
        except OperationalError:
            time.sleep(PAUSE)
        else:
            return
    cursor.execute(statement)


def _prepared() -> list[str]:
    """Copy every row there is; return what locks all tables, empties them, puts the copies back."""
    known = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = [connection.ops.quote_name(name) for name in known]
    back = []
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {COPIES} CASCADE; CREATE SCHEMA {COPIES}")
        for table in tables:
            cursor.execute(f"SELECT EXISTS (SELECT FROM {table})")
            if cursor.fetchone() == (True,):
                cursor.execute(f"CREATE TABLE {COPIES}.{table} AS TABLE {table}")
                back.append(f"INSERT INTO {table} SELECT * FROM {COPIES}.{table}")
        cursor.execute(MAY_GO_ROUND)
        may_go_round = cursor.fetchone() == (True,)
    lock = f"LOCK TABLE {', '.join(tables)}"  # as to truncate does: who still writes comes first
    if not may_go_round:
        return [lock, *sql_flush(no_style(), connection), *back]
    rows_go = [f"DELETE FROM {table}" for table in tables]
    return [lock, "SET LOCAL session_replication_role = replica", "; ".join([*rows_go, *back])]
