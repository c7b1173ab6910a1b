"""A removal manifest of what two people confirmed."""

import shlex
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from config import env
from moderation.datasets import manifests, removals
from moderation.management.base import ActingCommand as Base
from moderation.management.base import revision_named
from moderation.management.numbers import counted
from moderation.permissions import MANIFEST_PUBLISH


class Command(Base):
    help = "Write the signed manifest of a revision's confirmed removals to a file."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("revision", metavar="NAME@LABEL", help="the revision")
        parser.add_argument(
            "--out",
            metavar="FILE",
            help="default: under manifests/ of the data, called after the revision",
        )

    def lines(self, result: dict[str, Any]) -> list[str]:
        removed = counted(result["lines"], "removal")
        if self.new:
            told = f"manifest {self.number}, {removed}, signed."
        else:
            told = f"nothing was added since, manifest {self.number} stands already: {removed}."
        return [
            f"{result['manifest']}: {told}",
            "Next, with the files of the revision:",
            f"  manage.py apply_manifest {shlex.quote(result['manifest'])} PATH... --out DIR",
        ]

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        by = self.person(options, MANIFEST_PUBLISH)
        revision = revision_named(options["revision"])
        manifest, self.new = removals.build_manifest(revision, by=by)
        self.number = manifest.number
        of = manifest.revision
        name = manifests.file_name(of.dataset.name, of.label, manifest.number)
        path = Path(options["out"] or env.DATA / "manifests" / name)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.part")
        fresh.write_bytes(removals.read_manifest(manifest, by=by))
        fresh.replace(path)
        return {"manifest": str(path), "lines": manifest.line_count}
