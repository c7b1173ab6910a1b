"""Two roles in the database: the owner makes the tables, the application fills them.

What must stand can be added to by the application and read, and no more: whatever goes wrong in
it, the database refuses to change the chain of custody (docs/decisions/0018-custody-role.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from config import env, services

APPEND_ONLY = ("moderation_custodyevent", "moderation_decision")
ADDRESS = ("USER", "PASSWORD", "HOST", "PORT")
MAINTAIN_SINCE = 170000  # ANALYZE by whoever does not own the table
WARNING = (
    "The role that the application uses in the database could change the chain of custody: give it"
    " a role of its own (docs/decisions/0018-custody-role.md)."
)
COULD_CHANGE = """
SELECT coalesce(bool_or(
    r.rolsuper OR r.rolcreaterole OR pg_has_role(r.oid, c.relowner, 'MEMBER')
    OR has_any_column_privilege(r.oid, c.oid, 'UPDATE')
    OR has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER')
), false)
FROM pg_roles AS r, unnest(%s::text[]) AS named (name)
JOIN pg_class AS c ON c.oid = to_regclass(named.name)
WHERE r.rolname = coalesce(nullif(%s, ''), current_user)
"""


def application() -> str:
    """Return the role that the application uses; empty where its address names none."""
    return str(env.database(services.database_url())["USER"])


@contextmanager
def as_owner(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Be connected as the owner inside the block; nothing changes for whoever is already."""
    owner = env.database(services.owner_url())
    before = {name: connection.settings_dict[name] for name in ADDRESS}
    if before["USER"] == owner["USER"]:
        yield
        return
    connection.close()
    connection.settings_dict.update({name: owner[name] for name in ADDRESS})
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


def grant(connection: BaseDatabaseWrapper, *, to: str) -> None:
    """Give a role what the application needs of all tables there are; only their owner can.

    Nothing is done for the owner itself, and for a role that this server does not have.
    """
    with transaction.atomic(connection.alias), connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s AND rolname <> current_user", [to])
        if not cursor.rowcount:
            return
        role = connection.ops.quote_name(to)
        cursor.execute("SELECT quote_ident(current_schema())")
        schema = cursor.fetchone()[0]
        rights = "SELECT, INSERT, UPDATE, DELETE"
        if connection.pg_version >= MAINTAIN_SINCE:  # type: ignore[attr-defined]
            rights += ", MAINTAIN"
        cursor.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        cursor.execute(f"GRANT {rights} ON ALL TABLES IN SCHEMA {schema} TO {role}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}")
        tables = ", ".join(APPEND_ONLY)
        cursor.execute(f"REVOKE ALL ON {tables} FROM {role}, PUBLIC")
        cursor.execute(f"GRANT SELECT, INSERT ON {tables} TO {role}")


def could_change(connection: BaseDatabaseWrapper, role: str) -> bool:
    """Return whether a role could change or empty what must stand, or switch its triggers off.

    An empty name means the role of the connection.
    """
    with connection.cursor() as cursor:
        cursor.execute(COULD_CHANGE, [list(APPEND_ONLY), role])
        return bool(cursor.fetchone()[0])
