"""What was decided here onto our own list, so that rescans find it elsewhere."""

from typing import Any

from moderation import tasks
from moderation.hash_lists import decided
from moderation.management.base import ActingCommand as Base
from moderation.management.numbers import counted
from moderation.permissions import LIST_MANAGE


class Command(Base):
    help = (
        "Write what was decided, or taken back, since the last time as a version of this site's own"
        " list; rescans then look for it in all ledgers. The schedule does it every hour."
    )

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        versions = decided.gather(by=self.person(options, LIST_MANAGE))
        if versions:
            tasks.notice_lists()
        return {
            "versions": [
                {
                    "list": each.hash_list.slug,
                    "version": each.label,
                    "new": each.new,
                    "changed": each.changed,
                    "removed": each.removed,
                }
                for each in versions
            ]
        }

    def lines(self, result: dict[str, Any]) -> list[str]:
        return [
            f"{each['list']} {each['version']}: new {each['new']}, changed {each['changed']}, "
            f"removed {counted(each['removed'], 'value')}."
            for each in result["versions"]
        ] or ["Nothing was decided since the last time."]
