"""The hashes of files."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from moderation.management.base import Command as Base
from moderation.media.decode import PictureError
from moderation.media.hashing import hash_picture

MAX_BYTES = 256 << 20


class Command(Base):
    help = "Print the hashes of picture files, one JSON line a file, or why there are none."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", nargs="+", metavar="FILE", help="a picture")

    def act(self, options: dict[str, Any]) -> None:
        failed = 0
        for name in options["file"]:
            line = {"file": name, **_hashes(Path(name))}
            failed += "error" in line
            self.stdout.write(json.dumps(line, ensure_ascii=False))
        if failed:
            raise CommandError(f"{failed} of {len(options['file'])} files have no hashes.")


def _hashes(path: Path) -> dict[str, object]:
    try:
        if path.stat().st_size > MAX_BYTES:
            return {"error": "too_many_bytes"}
        hashes = hash_picture(path.read_bytes(), exact=True)
    except OSError as error:
        return {"error": error.strerror or "unreadable"}
    except PictureError as error:
        return {"error": error.reason}
    return {
        "md5": hashes.md5.hex(),
        "sha1": hashes.sha1.hex(),
        "sha256": hashes.sha256.hex(),
        "pdq": hashes.pdq.hex(),
        "pdq_quality": hashes.pdq_quality,
        "phash": hashes.phash.hex(),
    }
