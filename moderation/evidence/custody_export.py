"""Custody events taken out of the chain, with what proves them to somebody without our database.

The lines run without a gap from the first event asked for to the event of the export itself. What
was not asked for stands there as a digest that gives nothing away (docs/decisions/0023).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet

from moderation import chain
from moderation.models import CustodyEvent
from moderation.permissions import AUDIT_VIEW, DECIDE

LINES_AT_ONCE = 2000


class NotExported(Exception):
    """These events cannot be taken out; the message is for the person."""


@dataclass(frozen=True)
class Export:
    """Which events leave: those asked for, up to ``until``, in a file that ends with ``event``."""

    asked: QuerySet[CustodyEvent]
    event: CustodyEvent
    first: int
    until: int

    @property
    def name(self) -> str:
        return f"custody-{self.first}-to-{self.event.seq}.jsonl"

    def lines(self) -> Iterator[str]:
        """Yield the file line by line; a part of the chain is in memory, never the whole."""
        chain_ = CustodyEvent.objects.order_by("seq")
        previous = chain_.get(seq=self.first).prev_hash
        yield _line({"form": chain.FORM, "first": self.first, "previous": bytes(previous).hex()})
        for start in range(self.first, self.event.seq + 1, LINES_AT_ONCE):
            part = {"seq__gte": start, "seq__lt": min(start + LINES_AT_ONCE, self.event.seq + 1)}
            wanted = self.asked.filter(**part, seq__lte=self.until).order_by()
            in_full = set(wanted.values_list("seq", flat=True)) | {self.event.seq}
            for event in chain_.filter(**part):
                # The oldest have no salt: their hash covers their words and nothing shorter.
                told = event.seq in in_full or not event.salt
                yield _line(_in_full(event) if told else _left_out(event))


def export(
    asked: QuerySet[CustodyEvent], *, by: User, purpose: str, filters: dict[str, str]
) -> Export:
    """Record that the events asked for are taken out, by whom and what for, and return them.

    Args:
        filters: what they were chosen by, in codes; stands in the event.

    Raises:
        NotExported: no event fits; or the person answers cases, of which an audit tells more than
            they may know.
    """
    if not by.has_perm(AUDIT_VIEW) or by.has_perm(DECIDE):
        raise NotExported("Who may answer cases takes no events out: ask an auditor.")
    newest = CustodyEvent.objects.order_by("-seq").first()
    if newest is None:
        raise NotExported("There is no event yet.")
    until = newest.seq
    asked = asked.order_by().filter(seq__lte=until)
    found = asked.aggregate(first=Min("seq"), salted=Count("seq", filter=~Q(salt=b"")))
    if found["first"] is None:
        raise NotExported("No event fits: there is nothing to take out.")
    span = CustodyEvent.objects.filter(seq__gte=found["first"], seq__lte=until)
    facts = {
        "first": found["first"],
        "until": until,
        "in_full": found["salted"] + span.filter(salt=b"").count(),
        "filters": filters,
    }
    with transaction.atomic():
        event = CustodyEvent.objects.append(
            chain.EXPORTED, newest, by=by, after=facts, reason=purpose
        )
    return Export(asked, event, first=found["first"], until=until)


def _line(row: dict[str, Any]) -> str:
    return f"{chain.written(row)}\n"


def _in_full(event: CustodyEvent) -> dict[str, Any]:
    salt, hash_ = bytes(event.salt).hex(), bytes(event.hash).hex()
    return {"event": event.content(), "salt": salt, "hash": hash_}


def _left_out(event: CustodyEvent) -> dict[str, Any]:
    digest = chain.digest_of(event.content(), bytes(event.salt))
    return {"seq": event.seq, "digest": digest.hex(), "hash": bytes(event.hash).hex()}
