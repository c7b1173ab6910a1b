"""Cleaned copies of dataset files."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from moderation.datasets import manifests, removals
from moderation.management.base import Command as Base


class Command(Base):
    help = (
        "Write copies of the shards without the entries that the manifest lists. The sources are"
        " not touched. A receipt is kept for a manifest of this installation."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("manifest", metavar="FILE")
        parser.add_argument("path", nargs="+", metavar="PATH", help="the revision's shards")
        parser.add_argument("--out", required=True, metavar="DIR", help="for the cleaned copies")
        parser.add_argument(
            "--key", metavar="HEX", help="refuse a manifest not signed with this public key"
        )

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        manifest = manifests.read(options["manifest"])
        if options["key"] and options["key"].lower() != manifest.public_key:
            raise CommandError("The manifest is signed with another key than --key says.")
        applied = manifests.apply(manifest, options["path"], out=options["out"])
        if removals.record_receipt(manifest, applied, by=None) is None:
            self.say("The manifest is not of this installation: no receipt was kept.")
        return {
            "rows_in": applied.rows_in,
            "rows_out": applied.rows_out,
            "removed": applied.removed,
            "checksums": applied.checksums,
        }
