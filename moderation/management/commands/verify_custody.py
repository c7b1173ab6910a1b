"""The chain of custody, recomputed."""

from typing import Any

from django.core.management.base import CommandError

from moderation.management.base import Command as Base
from moderation.models import CustodyEvent


class Command(Base):
    help = "Recompute the chain of custody from its first event; exit 1 where it is broken."

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        chain = CustodyEvent.objects.check_chain()
        result = {"events": chain.events, "head": chain.head, "intact": chain.intact}
        if not chain.intact:
            if options["json"]:
                self.stdout.write(self.as_json(result))
            raise CommandError(
                f"The chain is broken at event {chain.broken_at}: keep the database as it is and"
                " tell the auditor."
            )
        return result
