"""Register dataset files as a revision."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from moderation.datasets.registering import register
from moderation.management.base import ActingCommand as Base
from moderation.permissions import SCAN_RUN


class Command(Base):
    help = (
        "Register files, folders or globs as a revision of a dataset. The files stay where they"
        " are; form and columns are detected. Running it twice changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "path", nargs="+", metavar="PATH", help="a file, folder, glob or s3:// address"
        )
        parser.add_argument(
            "--dataset", required=True, metavar="NAME", help="the dataset; new ones are made"
        )
        parser.add_argument("--revision", required=True, metavar="LABEL", help="your name for it")
        parser.add_argument(
            "--map",
            default="",
            metavar="url=COL,md5=COL,...",
            help="which column holds what, where the names are not the usual ones",
        )

        parser.add_argument(
            "--synthetic", action="store_true", help="made-up data: never reported for real"
        )

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        done = register(
            options["path"],
            dataset=options["dataset"],
            revision=options["revision"],
            mapping=_mapping(options["map"]),
            synthetic=options["synthetic"],
            by=self.person(options, SCAN_RUN),
        )
        for note in done.notes:
            self.say(note)
        if done.changed:
            self.say(f"{done.changed} shards had changed and were registered anew.")
        elif not done.new:
            self.say("Nothing changed: every file was registered already.")
        return {
            "dataset": options["dataset"],
            "revision": options["revision"],
            "shards": done.shards,
            "entries": done.entries,
            "columns": done.columns,
        }


def _mapping(text: str) -> dict[str, str]:
    """Field to column; an empty column says that none serves the field."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not name.strip() or not equals for name, equals, _ in pairs):
        raise CommandError("Write --map as field=column pairs: --map url=COL,md5=COL", returncode=2)
    return {name.strip(): column.strip() for name, _, column in pairs}
