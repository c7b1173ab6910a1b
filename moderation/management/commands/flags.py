"""What was found in a revision, one match a line."""

import json
from typing import Any

from django.core.management.base import CommandParser

from moderation.management.base import Command as Base
from moderation.management.base import revision_named
from moderation.models import Match


class Command(Base):
    help = "Print the matches of a revision as JSON lines, in the order of its rows."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("revision", metavar="NAME@LABEL", help="the revision")

    def act(self, options: dict[str, Any]) -> None:
        revision = revision_named(options["revision"])
        matches = (
            Match.objects.filter(flag__entry__revision=revision)
            .select_related("flag__entry__shard", "flag__case", "known_hash__hash_list")
            .order_by("flag__entry__shard__number", "flag__entry__row", "known_hash", "algorithm")
        )
        for match in matches.iterator(chunk_size=2000):
            entry = match.flag.entry
            line = {
                "shard": entry.shard.name,
                "row": entry.row,
                "row_key": entry.row_key,
                "list": match.known_hash.hash_list.slug,
                "algorithm": match.algorithm,
                "distance": match.distance,
                "variant": match.variant,
                "case": match.flag.case_id,
                "state": match.flag.case.state,
            }
            self.stdout.write(json.dumps(line, ensure_ascii=False))
