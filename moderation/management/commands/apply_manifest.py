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
        "Write copies of the shards without the entries that the manifest lists, and without those"
        " that people still decide about: these come back by themselves once they are kept and this"
        " runs again. The sources are not touched. A receipt is kept for a manifest of this"
        " installation; of entries of another one nothing is known but its manifest."
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
        held_back = removals.held_back(manifest)
        applied = manifests.apply(
            manifest, options["path"], out=options["out"], also=held_back.lines
        )
        self._record(manifest, applied, held_back, by=by)
        self.name, self.out = manifest.name, options["out"]
        told = {
            "rows_in": applied.rows_in,
            "rows_out": applied.rows_out,
            "removed": applied.removed,
        }
        # Where nothing is left out beside the lines, what is printed is what it always was.
        if held_back.provisional:
            told["provisional"] = len(held_back.provisional)
        if held_back.unlisted:
            told["unlisted"] = len(held_back.unlisted)
        return {**told, "checksums": applied.checksums}

    def lines(self, result: dict[str, Any]) -> list[str]:
        checksums = result["checksums"]
        told = [f"  {name}  SHA-256 {sha}" for name, sha in sorted(checksums.items())[:FILES]]
        if len(checksums) > FILES:
            told.append(f"  and {len(checksums) - FILES:,} more: --json names them all")
        out, dataset = shlex.quote(self.out), self.name.rpartition("@")[0]
        provisional, unlisted = result.get("provisional", 0), result.get("unlisted", 0)
        left_out = [f"{provisional:,} provisionally left out"] if provisional else []
        left_out += [f"{unlisted:,} left out that no manifest lists yet"] if unlisted else []
        return [
            f"{self.name}: {result['rows_in']:,} rows in, {result['removed']:,} removed, "
            + "".join(f"{each}, " for each in left_out)
            + f"{result['rows_out']:,} rows out.",
            *self._about(provisional, unlisted),
            f"{counted(len(checksums), 'file')} in {self.out}:",
            *told,
            "Next: register the copies as a new revision and scan it; its scan verifies that the "
            "removed entries are gone.",
            f"  manage.py import_dataset {out} --dataset {shlex.quote(dataset)} --revision LABEL",
            f"  manage.py scan {shlex.quote(dataset)}@LABEL --wait",
        ]

    def _about(self, provisional: int, unlisted: int) -> list[str]:
        """What the rows are that were left out beside the lines, and what becomes of them."""
        told = []
        if provisional:
            told.append(
                "Provisionally left out is what people still decide about. What they keep comes "
                "back when this runs again, into a new folder."
            )
        if unlisted:
            told.append(
                "What no manifest lists yet was confirmed since this one was built: build the next."
            )
        return told

    def _record(
        self,
        manifest: manifests.ManifestFile,
        applied: manifests.Applied,
        held_back: removals.HeldBack,
        *,
        by: User | None,
    ) -> None:
        """Keep a receipt, unless the same result had one; say what is out of the ordinary."""
        if applied.repeated:
            self.say("The folder held this result already, byte for byte: nothing has changed.")
            kept = Receipt.objects.filter(
                manifest__sha256=manifest.sha256, checksums=applied.checksums
            )
            if kept.exists():
                return
        if removals.record_receipt(manifest, applied, held_back=held_back, by=by) is None:
            self.say(
                "The manifest is not of this installation: no receipt was kept, and nothing beside "
                "its lines was left out."
            )
