"""A removal manifest of what two people confirmed."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from config import env
from moderation.datasets import removals
from moderation.management.base import Command as Base
from moderation.management.base import revision_named


class Command(Base):
    help = "Write the signed manifest of a revision's confirmed removals to a file."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("revision", metavar="NAME@LABEL")
        parser.add_argument(
            "--out", metavar="FILE", help="default: a numbered file under manifests/ of the data"
        )

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        manifest = removals.build_manifest(revision_named(options["revision"]), by=None)
        path = Path(
            options["out"]
            or env.DATA
            / "manifests"
            / f"revision-{manifest.revision_id}-{manifest.number:04}.jsonl"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.part")
        fresh.write_bytes(removals.read_manifest(manifest, by=None))
        fresh.replace(path)
        return {"manifest": str(path), "lines": manifest.line_count}
