"""The chain of custody, recomputed, and compared with what was noted of it before."""

import re
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connection

from config import roles
from moderation.management.base import Command as Base
from moderation.management.numbers import counted
from moderation.models import CustodyEvent

STOP = "keep the database as it is and tell the auditor."


class Command(Base):
    help = (
        "Recompute the chain of custody from its first event; exit 1 where it is broken. A chain"
        " that was cut at its end is intact in itself: note events and head elsewhere now and then,"
        " and give them later with --expect-events and --expect-head."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--expect-events", type=int, metavar="N", help="the number of events when it was noted"
        )
        parser.add_argument("--expect-head", metavar="HEX", help="the head when it was noted")

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        events, head = options.get("expect_events"), options.get("expect_head")
        if events is not None and events < 0:
            raise CommandError("--expect-events must be 0 or more.")
        if head is not None:
            head = re.sub(r"[\s-]", "", head).lower()
            if not re.fullmatch("[0-9a-f]{64}", head):
                raise CommandError("--expect-head must be the 64 hex digits of a head.")
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

    def lines(self, result: dict[str, Any]) -> list[str]:
        return [
            f"The chain of custody is intact: {counted(result['events'], 'event')}.",
            f"head: {result['head']}",
        ]
