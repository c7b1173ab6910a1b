"""The H1 switch."""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from moderation.management.base import ActingCommand as Base
from moderation.permissions import SETTINGS_MANAGE
from moderation.scanning import fetching


class Command(Base):
    help = "Switch fetching on with a recorded legal basis, or off. It is off by default."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("state", choices=["on", "off"])
        parser.add_argument("--basis", default="", metavar="TEXT", help="why it is lawful here")
        parser.add_argument(
            "--jurisdiction",
            default="",
            metavar="TEXT",
            help="whose law it is; without it no preview opens",
        )
        parser.add_argument("--officer", default="", metavar="NAME", help="who answers for it")
        parser.add_argument("--until", default="", metavar="DATE", help="its last day, YYYY-MM-DD")

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        by = self.person(options, SETTINGS_MANAGE)
        if options["state"] == "off":
            if not fetching.switch_off(by=by):
                self.say("Fetching was off already.")
            return {"fetching": False, "until": None}
        if not (options["basis"] and options["officer"] and options["until"]):
            raise CommandError("fetching on needs --basis, --officer and --until.", returncode=2)
        try:
            recorded = fetching.switch_on(
                basis=options["basis"],
                jurisdiction=options["jurisdiction"],
                officer=options["officer"],
                until=_end_of(options["until"]),
                by=by,
            )
        except fetching.BasisRefused as error:
            raise CommandError(str(error)) from error
        if not recorded.jurisdiction:
            self.say("No --jurisdiction: links are fetched, and no preview opens.")
        return {"fetching": True, "until": recorded.until.isoformat()}


def _end_of(text: str) -> datetime:
    """A date means its last moment, UTC; a time with offset means itself."""
    try:
        if (day := parse_date(text)) is not None:
            return datetime.combine(
                day, datetime.max.time(), tzinfo=timezone.get_default_timezone()
            )
        if (moment := parse_datetime(text)) is not None and moment.tzinfo is not None:
            return moment
    except ValueError:
        pass
    raise CommandError("--until takes a date, as YYYY-MM-DD.", returncode=2)
