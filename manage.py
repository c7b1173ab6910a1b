#!/usr/bin/env python3
"""Run a command of Breakwater, with the embedded servers up for as long as it takes."""

import os
import signal
import sys
from contextlib import redirect_stdout
from types import FrameType

# These read no row: no server is worth starting for them.
WITHOUT_SERVERS = frozenset(
    {"hash", "help", "version", "check", "collectstatic", "findstatic", "makemigrations"}
    | {"compilemessages", "makemessages", "diffsettings", "spectacular", "startapp"}
)


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")
    try:
        from django.core.management import execute_from_command_line

        from config import services
    except ModuleNotFoundError as error:
        print(
            f"{error.name} is not installed for this Python: run `make setup`, "
            "then .venv/bin/python manage.py.",
            file=sys.stderr,
        )
        return 1
    from django.core.exceptions import ImproperlyConfigured

    signal.signal(signal.SIGTERM, _terminated)
    try:
        if not _needs_servers(arguments):
            execute_from_command_line(arguments)
            return 0
        with services.running():
            _migrate_if_new(arguments[1])
            execute_from_command_line(arguments)
    except (services.ServiceError, ImproperlyConfigured) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except Exception as error:
        if not services.disk_is_full(error):
            raise
        print(
            "The disk is full: free some space, or set BREAKWATER_DATA to a folder elsewhere.",
            file=sys.stderr,
        )
        return 1
    return 0


def _terminated(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _needs_servers(arguments: list[str]) -> bool:
    """Return whether the command reads or writes data.

    Its arguments are parsed here already: wrong usage and ``--help`` need no server.
    """
    import django
    from django.core.management import CommandError, ManagementUtility, get_commands

    if len(arguments) < 2 or arguments[1].startswith("-"):
        return False
    name = arguments[1]
    if name in WITHOUT_SERVERS and "--database" not in arguments:
        return False
    django.setup()
    if name not in get_commands():
        return False  # Django names what is near
    command = ManagementUtility(arguments).fetch_command(name)
    if name != "runserver":
        parser = command.create_parser(os.path.basename(arguments[0]), name)
        try:
            options = parser.parse_args(arguments[2:])
        except CommandError:
            return False  # Django says it once more, with the usage
        asks = getattr(command, "needs_servers", None)
        return asks is None or bool(asks(options))
    return True


def _migrate_if_new(command: str) -> None:
    """Make the tables of a new embedded database; a database of your own is yours to migrate."""
    from django.core.management import call_command
    from django.db import connection

    from config import services

    if command in {"migrate", "test"} or not services.embedded():
        return
    with services.alone("migrate"):
        tables = connection.introspection.table_names()
        connection.close()
        if not tables:
            with redirect_stdout(sys.stderr):
                call_command("migrate", interactive=False, verbosity=1)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
