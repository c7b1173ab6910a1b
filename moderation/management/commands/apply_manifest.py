"""Cleaned copies of dataset files."""

import shlex
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from moderation.datasets import manifests, removals
from moderation.management.base import ActingCommand as Base
from moderation.management.numbers import counted
from moderation.models import Receipt
from moderation.permissions import MANIFEST_PUBLISH

FILES = 20  # so many are named to a person; JSON names all


class Command(Base):
    help = (
        "Write copies of the shards without the entries that the manifest lists. The sources are"
        " not touched. A receipt is kept for a manifest of this installation."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("manifest", metavar="FILE", help="the manifest")
        parser.add_argument("path", nargs="+", metavar="PATH", help="the revision's shards")
        parser.add_argument("--out", required=True, metavar="DIR", help="for the cleaned copies")
        parser.add_argument(
            "--key", metavar="HEX", help="refuse a manifest not signed with this public key"
        )

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        by = self.person(options, MANIFEST_PUBLISH)
        manifest = manifests.read(options["manifest"])
        if options["key"] and options["key"].lower() != manifest.public_key:
            raise CommandError("The manifest is signed with another key than --key says.")
        applied = manifests.apply(manifest, options["path"], out=options["out"])
        self._record(manifest, applied, by=by)
        self.name, self.out = manifest.name, options["out"]
        return {
            "rows_in": applied.rows_in,
            "rows_out": applied.rows_out,
            "removed": applied.removed,
            "checksums": applied.checksums,
        }

    def lines(self, result: dict[str, Any]) -> list[str]:
        checksums = result["checksums"]
        told = [f"  {name}  SHA-256 {sha}" for name, sha in sorted(checksums.items())[:FILES]]
        if len(checksums) > FILES:
            told.append(f"  and {len(checksums) - FILES:,} more: --json names them all")
        out, dataset = shlex.quote(self.out), self.name.rpartition("@")[0]
        return [
            f"{self.name}: {result['rows_in']:,} rows in, {result['removed']:,} removed, "
            f"{result['rows_out']:,} rows out.",
            f"{counted(len(checksums), 'file')} in {self.out}:",
            *told,
            "Next: register the copies as a new revision and scan it; its scan verifies that the "
            "removed entries are gone.",
            f"  manage.py import_dataset {out} --dataset {shlex.quote(dataset)} --revision LABEL",
            f"  manage.py scan {shlex.quote(dataset)}@LABEL --wait",
        ]

    def _record(
        self, manifest: manifests.ManifestFile, applied: manifests.Applied, *, by: User | None
    ) -> None:
        """Keep a receipt, unless the same result had one; say what is out of the ordinary."""
        if applied.repeated:
            self.say("The folder held this result already, byte for byte: nothing has changed.")
            kept = Receipt.objects.filter(
                manifest__sha256=manifest.sha256, checksums=applied.checksums
            )
            if kept.exists():
                return
        if removals.record_receipt(manifest, applied, by=by) is None:
            self.say("The manifest is not of this installation: no receipt was kept.")
