"""Files or hashes against the lists in force."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from moderation.management.base import Command as Base
from moderation.scanning import screening


class Command(Base):
    help = "Screen pictures or hashes against the hash lists in force; one JSON line an item."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", nargs="*", metavar="FILE", help="a picture")
        parser.add_argument(
            "--hash", action="append", default=[], metavar="ALGORITHM:VALUE", help="repeatable"
        )

    def act(self, options: dict[str, Any]) -> None:
        if not options["file"] and not options["hash"]:
            raise CommandError("Give files, or --hash ALGORITHM:VALUE.", returncode=2)
        unread = 0
        try:
            for number, text in enumerate(options["hash"], 1):
                algorithm, colon, value = text.partition(":")
                if not colon:
                    raise CommandError("Write --hash as ALGORITHM:VALUE.", returncode=2)
                # The value itself is sensitive: an item is named by its algorithm and place.
                self._print(f"{algorithm}:{number}", screening.screen_hash(algorithm, value))
            for name in options["file"]:
                unread += not self._screen_file(name)
        except screening.NoLists as error:
            raise CommandError(str(error)) from error
        if unread:
            raise CommandError(f"{unread} files could not be read.")

    def _screen_file(self, name: str) -> bool:
        try:
            if Path(name).stat().st_size > settings.SCREEN_MAX_BYTES:
                self.say(f"{name!r}: larger than {settings.SCREEN_MAX_BYTES} bytes")
                return False
            data = Path(name).read_bytes()
        except OSError as error:
            self.say(f"{name!r}: {error.strerror}")
            return False
        self._print(name, screening.screen_picture(data))
        return True

    def _print(self, item: str, screened: screening.Screened) -> None:
        line = {"item": item, **screened.as_json()}
        self.stdout.write(json.dumps(line, ensure_ascii=False))
