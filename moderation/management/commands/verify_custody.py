"""The chain of custody, recomputed, and compared with what was noted of it before; or a part of it
in a file, for which nothing else is needed."""

import re
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import CommandError, CommandParser
from django.db import connection

from config import roles
from moderation import chain
from moderation.management.base import Command as Base
from moderation.management.numbers import counted
from moderation.models import CustodyEvent

STOP = "keep the database as it is and tell the auditor."


class Command(Base):
    help = (
        "Recompute the chain of custody from its first event; exit 1 where it is broken. A chain"
        " that was cut at its end is intact in itself: note events and head elsewhere now and then,"
        " and give them later with --expect-events and --expect-head. With --export it is the file"
        " alone that is checked, and no server is needed."
    )

    @staticmethod
    def needs_servers(options: Namespace) -> bool:
        """Whether manage.py starts the servers for it."""
        return options.export is None

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--expect-events", type=int, metavar="N", help="the number of events when it was noted"
        )
        parser.add_argument("--expect-head", metavar="HEX", help="the head when it was noted")
        parser.add_argument(
            "--export", type=Path, metavar="FILE", help="check this file from the audit page"
        )

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        events, head = options.get("expect_events"), options.get("expect_head")
        if events is not None and events < 0:
            raise CommandError("--expect-events must be 0 or more.")
        if head is not None:
            head = re.sub(r"[\s-]", "", head).lower()
            if not re.fullmatch("[0-9a-f]{64}", head):
                raise CommandError("--expect-head must be the 64 hex digits of a head.")
        if options.get("export") is not None:
            return self.prove(options["export"], options, events=events, head=head)
        if roles.could_change(connection, roles.application()):
            self.say(roles.WARNING)
        chain = CustodyEvent.objects.check_chain()
        holds = CustodyEvent.objects.holds(events=events, head=head)
        result = {
            "events": chain.events,
            "head": chain.head,
            "intact": chain.intact and holds,
        }
        if result["intact"]:
            return result
        if options["json"]:
            self.stdout.write(self.as_json(result))
        if not chain.intact:
            raise CommandError(f"The chain is broken at event {chain.broken_at}: {STOP}")
        raise CommandError(
            f"The chain is not the one that was noted: it was cut or written anew; {STOP}"
        )

    def prove(
        self, file: Path, options: dict[str, Any], *, events: int | None, head: str | None
    ) -> dict[str, Any]:
        """Check a file from the audit page by itself, and against what was noted of the chain."""
        try:
            # Its own ends of lines, and what is no UTF-8 as signs that fit no hash.
            with file.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
                found = chain.prove(_bounded(lines), events=events, head=head)
        except chain.NotProven as error:
            raise CommandError(f"{error} The file proves nothing.") from None
        if found.noted is False:
            raise CommandError(
                "The file is whole in itself, but what was noted of the chain is not in it: it was "
                f"made up, or the note is not of one of its events, {found.first} to {found.last}."
            )
        return {"events": found.last - found.first + 1, "intact": True} | asdict(found)

    def lines(self, result: dict[str, Any]) -> list[str]:
        if "in_full" in result:
            return proven_in_words(result)
        return [
            f"The chain of custody is intact: {counted(result['events'], 'event')}.",
            f"head: {result['head']}",
        ]


def proven_in_words(result: dict[str, Any]) -> list[str]:
    told = [
        f"The file is intact: {counted(result['events'], 'event')}, {result['first']} to "
        f"{result['last']}, {result['in_full']} of them in full.",
        f"head: {result['head']}",
    ]
    if result["noted"] is None:
        told.append(
            "Whoever made the whole of it up could make it so: compare the head with one from "
            "elsewhere, by --expect-head."
        )
    return told


def _bounded(lines: TextIO) -> Iterator[str]:
    """The lines of a file; one that never ends is cut, and then is none of ours."""
    while line := lines.readline(chain.LONGEST + 1):
        yield line
