"""Cases that nobody could tell: they wait, quarantined as they were, and come back by themselves.

A case wakes when a scan got an answer for one of its entries since, when a new match speaks of it
(`scanning.flagging`), and after WAIT_DAYS at the latest.
"""

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings
from django.db import transaction
from django.db.models import Max

from moderation.datasets import ledger
from moderation.models import Case, Entry, Review, Scan, Shard
from moderation.outcomes import Outcome
from moderation.review import decisions, queue

SEEN = (Outcome.HASHED, Outcome.GONE)  # an answer, whatever it says
FACTS = ("row", "outcome", "reason", "http_status", "fetched_at")


@transaction.atomic
def wake(case_id: int, *, because: str) -> bool:
    """Put a waiting case back to open; False, and nothing done, where it waits no longer."""
    case = Case.objects.select_for_update(no_key=True).get(pk=case_id)
    if case.state != Case.State.WAITING:
        return False
    decisions.new_round(case, "wake", because=because)
    return True


def wake_due() -> int:
    """Wake what has waited for WAIT_DAYS, each case in its own transaction; return how many."""
    long_ago = queue.database_now() - timedelta(days=settings.WAIT_DAYS)
    due = [pk for pk, since in _since().items() if since <= long_ago]
    return sum(wake(pk, because="waited") for pk in sorted(due))


def wake_answered(scan: Scan) -> int:
    """Wake what a scan that fetches got an answer for since it waits; return how many.

    What the ledger says of the entry now is put into its row, for whoever looks next.
    """
    if scan.kind != Scan.Kind.CONTENT:
        return 0
    since = _since()
    entries = Entry.objects.filter(flag__case__in=since, revision=scan.revision_id)
    found: set[int] = set()
    for shard in Shard.objects.filter(pk__in=entries.values("shard")).exclude(ledger=""):
        ours = {each.row: each for each in entries.filter(shard=shard).select_related("flag")}
        wanted = pa.array(sorted(ours), type=pa.int64())
        for batch in ledger.read(shard.ledger, FACTS, only=ours):
            here = pc.is_in(batch.column("row"), value_set=wanted)
            for told in batch.filter(here).to_pylist():
                entry = ours[told.pop("row")]
                at = told["fetched_at"]
                if told["outcome"] not in SEEN or at is None:
                    continue
                if at > since[entry.flag.case_id]:
                    Entry.objects.filter(pk=entry.pk).update(**told)
                    found.add(entry.flag.case_id)
    return sum(wake(pk, because=f"answered scan {scan.pk}") for pk in sorted(found))


def _since() -> dict[int, datetime]:
    """The waiting cases, and since when each of them does."""
    answers = Review.objects.standing().filter(
        answer=Review.Answer.CANNOT_TELL, case__state=Case.State.WAITING
    )
    return dict(answers.order_by().values_list("case").annotate(since=Max("settled_at")))
