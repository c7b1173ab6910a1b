"""A database of its own for one test, to migrate forwards and backwards in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor


@contextmanager
def database_of_its_own() -> Iterator[None]:
    """Make an empty database the usual one for a while."""
    usual = connections["default"]
    name = f"{usual.settings_dict['NAME']}_old"
    with usual.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    other = usual.copy()
    other.settings_dict["NAME"] = name
    connections["default"] = other
    try:
        yield
    finally:
        other.close()
        connections["default"] = usual
        with usual.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def latest() -> str:
    """The name of the app's last migration, at which our own code works."""
    return str(MigrationExecutor(connection).loader.graph.leaf_nodes("moderation")[0][1])


def migrate(name: str) -> Any:
    """Go to a migration of the app, and return the models as they are there."""
    executor = MigrationExecutor(connection)
    executor.migrate([("moderation", name)])
    return executor.loader.project_state([("moderation", name)]).apps
