"""Is this manifest ours, whole, and done?"""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from moderation.datasets import manifests
from moderation.management.base import Command as Base
from moderation.management.numbers import counted
from moderation.models import Manifest, Removal


class Command(Base):
    help = (
        "Check a manifest's signature and lines, and say how many of its removals are verified"
        " gone. With PATHs, check too that they hold none of the listed rows."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("manifest", metavar="FILE", help="the manifest")
        parser.add_argument("path", nargs="*", metavar="PATH", help="cleaned copies to check too")
        parser.add_argument("--key", metavar="HEX", help="the signer's; default: this installation")

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        manifest = manifests.read(options["manifest"])
        key = (options["key"] or manifests.public_key(settings.SIGNING_KEY)).lower()
        if manifest.public_key != key:
            raise CommandError("The manifest is whole, but signed with another key.")
        if options["path"] and (left := manifests.still_present(manifest, options["path"])):
            stand = "entry still stands" if left == 1 else "entries still stand"
            raise CommandError(f"{left:,} listed {stand} in these files: apply it first.")
        ours = Manifest.objects.filter(sha256=manifest.sha256).first()
        gone = Removal.objects.filter(lines__manifest=ours, state=Removal.State.VERIFIED)
        return {
            "manifest": options["manifest"],
            "lines": len(manifest.lines),
            "verified": gone.count() if ours else 0,
        }

    def lines(self, result: dict[str, Any]) -> list[str]:
        return [
            f"{result['manifest']}: whole, signed, {counted(result['lines'], 'removal')}, of which"
            f" {result['verified']:,} verified gone by a scan of a later revision."
        ]
