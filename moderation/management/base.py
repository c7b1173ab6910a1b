"""What all of Breakwater's commands share: --json, exit codes, one clear line (design.md)."""

import json
import logging
import os
import sys
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, ProgrammingError
from kombu.exceptions import OperationalError as BrokerError

from config.services import disk_is_full
from moderation.datasets.manifests import ManifestRefused
from moderation.datasets.readers import DatasetError
from moderation.files import LocationError
from moderation.models import Revision
from moderation.models.custody import by_command
from moderation.models.person import Capability
from moderation.scanning.planning import ScanRefused

logger = logging.getLogger(__name__)

REFUSALS = (DatasetError, ManifestRefused, ScanRefused, LocationError)


class Command(BaseCommand):
    """Runs `act`, prints what it returns, and turns refusals into one line and exit code 1."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object on standard output"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = self.act(options)
        except BrokenPipeError:
            # Whoever read the lines has enough, as `head` does; nothing more can be written there.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        except Exception as error:
            if isinstance(error, CommandError) or disk_is_full(error):
                raise  # manage.py has a line of its own for a full disk
            raise self._refusal(error) from error
        if options.get("json") and result is not None:
            self.stdout.write(self.as_json(result))
        elif result is not None:
            self.stdout.write("\n".join(self.lines(result)))

    def _refusal(self, error: Exception) -> CommandError:
        """The one line for an error that ended `act`."""
        if isinstance(error, REFUSALS):
            return CommandError(str(error))
        if isinstance(error, ProgrammingError):
            return CommandError(
                "The database does not have this version's tables: run manage.py migrate."
            )
        if isinstance(error, OperationalError | InterfaceError):
            return CommandError("The database does not answer: see that it runs.")
        if isinstance(error, BrokerError):
            return CommandError("The queue does not answer: see that Redis or Valkey runs.")
        if isinstance(error, OSError):
            return CommandError(error.strerror or type(error).__name__)
        # What nobody foresaw may quote what was read: the log says where it happened, and no more.
        logger.error("%s failed", type(self).__module__.rpartition(".")[2], exc_info=error)
        return CommandError(
            f"An unexpected {type(error).__name__} stopped it: the lines above say where."
        )

    def act(self, options: dict[str, Any]) -> dict[str, Any] | None:
        """Do the job and return the object that --json prints."""
        raise NotImplementedError

    def as_json(self, result: dict[str, Any]) -> str:
        return json.dumps(result, ensure_ascii=False)

    def lines(self, result: dict[str, Any]) -> list[str]:
        """The same for a person to read."""
        return [f"{name}: {_plain(value)}" for name, value in result.items()]

    def say(self, text: str) -> None:
        """A line of progress, on standard error."""
        self.stderr.write(text, style_func=lambda line: line)

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except CommandError as error:
            if getattr(self, "_called_from_command_line", False):
                self.stderr.write(str(error))
                sys.exit(error.returncode)
            raise


class ActingCommand(Command):
    """A command that leaves a trace in the chain of custody, under a person's name where given."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--by",
            metavar="LOGIN",
            help="who does this, for the chain of custody (default: system); their roles must"
            " allow it, and the chain says that it was made by command",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with by_command():
            super().handle(*args, **options)

    def person(self, options: dict[str, Any], *needs: str) -> User | None:
        """The person named by --by, None for the system.

        CommandError for nobody of that login, and for a person without one of the permissions
        that the same step needs on its page.
        """
        login = options.get("by")
        if not login:
            return None
        user = User.objects.filter(username=login, is_active=True).first()
        if user is None:
            raise CommandError("--by names no active login of this installation.")
        for missing in (each for each in needs if not user.has_perm(each)):
            words = dict(Capability._meta.permissions)[missing.partition(".")[2]]
            raise CommandError(
                f"--by names somebody who may not do this (“{words}” is in none of their roles):"
                " name who does it, or leave --by out."
            )
        return user


def revision_named(name: str) -> Revision:
    """The revision written NAME@LABEL, or CommandError with those that exist."""
    revision = Revision.objects.named(name).select_related("dataset").first()
    if revision is not None:
        return revision
    if "@" not in name:
        raise CommandError(f"Write the revision as NAME@LABEL, not {name!r}.", returncode=2)
    known = ", ".join(str(each) for each in Revision.objects.select_related("dataset")[:5])
    raise CommandError(
        f"No revision is called {name!r}. "
        + (f"There are: {known}." if known else "Import one with import_dataset.")
    )


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or "none"
    return str(value)
