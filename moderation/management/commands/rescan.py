"""Hash-only scans of what is due, and nothing else."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from moderation import tasks
from moderation.management import scans, waiting
from moderation.management.base import ActingCommand as Base
from moderation.management.base import revision_named
from moderation.models import Scan
from moderation.permissions import SCAN_RUN
from moderation.scanning import progress, rescans


class Command(Base):
    help = (
        "Compare stored hashes with what is new in the hash lists: what is due and nothing else."
        " No link is opened."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("revision", nargs="?", metavar="NAME@LABEL", help="default: all")
        parser.add_argument(
            "--wait", action="store_true", help="stay until they end; starts a worker if none runs"
        )

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        by = self.person(options, SCAN_RUN)
        only = revision_named(options["revision"]) if options["revision"] else None
        self.scans = [rescans.start(each, by=by) for each in rescans.due(only)]
        if not self.scans:
            self.say("Nothing is due.")
        elif options["wait"]:
            waiting.until_over(self.scans)
        else:
            for scan in self.scans:
                tasks.enqueue_scan.delay(scan.pk)
        for scan in self.scans:
            scan.refresh_from_db()
        failed = [scan for scan in self.scans if scan.state == Scan.State.FAILED]
        if failed:
            raise CommandError(f"Scan {failed[0].pk} failed: {failed[0].error}")
        return {
            "scans": [
                {"revision": str(scan.revision), **progress.as_json(scan)} for scan in self.scans
            ]
        }

    def lines(self, result: dict[str, Any]) -> list[str]:
        told = []
        for scan, figures in zip(self.scans, result["scans"], strict=True):
            told.append(" · ".join(super().lines(figures | {"flags": scans.flags(scan)})))
            told += scans.verified(scan)
        return told
