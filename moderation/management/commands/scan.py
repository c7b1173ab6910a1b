"""Scan a revision."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from moderation import tasks
from moderation.management import scans, waiting
from moderation.management.base import ActingCommand as Base
from moderation.management.base import revision_named
from moderation.models import Scan
from moderation.permissions import SCAN_FETCH, SCAN_RUN
from moderation.scanning import planning, progress


class Command(Base):
    help = (
        "Start or resume a scan of a revision against the hash lists in force. Without --fetch no"
        " link is opened: what the dataset carries, and what was fetched before, is compared."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("revision", metavar="NAME@LABEL", help="the revision")
        parser.add_argument("--fetch", action="store_true", help="download what has no hashes yet")
        parser.add_argument("--lists", metavar="SLUG,...", help="only these hash lists")
        parser.add_argument(
            "--wait", action="store_true", help="stay until it ends; starts a worker if none runs"
        )

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        needs = (SCAN_RUN, SCAN_FETCH) if options["fetch"] else (SCAN_RUN,)
        by = self.person(options, *needs)
        revision = revision_named(options["revision"])
        slugs = options["lists"].split(",") if options["lists"] else None
        scan = planning.start_or_resume(revision, by=by, fetch=options["fetch"], lists=slugs)
        if options["wait"]:
            waiting.until_over([scan])
        else:
            tasks.enqueue_scan.delay(scan.pk)
        scan.refresh_from_db()
        if scan.state == Scan.State.FAILED:
            raise CommandError(f"Scan {scan.pk} failed: {scan.error}")
        self.scan = scan
        return progress.as_json(scan)

    def lines(self, result: dict[str, Any]) -> list[str]:
        told = super().lines(result | {"flags": scans.flags(self.scan)})
        return [*told, *scans.verified(self.scan)]
