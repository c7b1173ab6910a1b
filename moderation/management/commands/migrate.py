"""migrate, as the owner of the tables; the application's role then gets its rights."""

from typing import Any

from django.core.management.commands import migrate
from django.db import connections

from config import roles


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        with roles.as_owner(connection):
            super().handle(*args, **options)
            if not (options["plan"] or options["check_unapplied"]):
                roles.grant(connection, to=roles.application())
