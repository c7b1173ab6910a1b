"""What is due to go, and that it goes: key, file, and a certificate in the chain (H10, H11).

Previews go PREVIEW_KEEP_DAYS after their case was closed. A case that is in work again, or about
which a report still waits to be filed, keeps them; one under a legal hold keeps everything.
Payloads and manifests stay: how long a report must be kept is for the law of the place to say (H9).
"""

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from moderation.evidence import store
from moderation.models import Case, CustodyEvent, Preview, SealedObject
from moderation.models.case import CaseQuerySet

BATCH = 200  # objects in one transaction, and files in one run
CASES = 100  # looked at in one run
LEFT_BEHIND = timedelta(days=1)  # longer than any work that seals something may take
UNFILED = ("draft", "proposed", "approved")  # states of a report that has not left the house


def delete_due() -> int:
    """Shred a bounded number of what is due and return how many. The rest is the next run's.

    Two runs at once share the work: each steps over what the other has locked.
    """
    shredded = _unused()
    for pk in _cases_with_due_previews():
        shredded += _previews_of(pk)
    for sealed in SealedObject.objects.to_erase().order_by("shredded_at")[: 2 * BATCH]:
        store.erase(sealed)
    return shredded


def _cases_with_due_previews() -> list[int]:
    readable = SealedObject.objects.readable().filter(kind=SealedObject.Kind.PREVIEW)
    due = Preview.objects.filter(sealed__in=readable, entry__flag__case__in=_finished())
    return list(due.values_list("entry__flag__case", flat=True).distinct()[:CASES])


def _finished() -> CaseQuerySet:
    long_ago = timezone.now() - timedelta(days=settings.PREVIEW_KEEP_DAYS)
    return Case.objects.filter(
        state=Case.State.CLOSED, closed_at__lte=long_ago, legal_hold_since=None
    ).exclude(reports__state__in=UNFILED)


@transaction.atomic
def _previews_of(case_id: int) -> int:
    """Shred previews of a case that is still finished once it is locked: it cannot be reopened,
    nor put under a legal hold, before their certificates are written."""
    locked = Case.objects.select_for_update(no_key=True, skip_locked=True)
    if not locked.filter(pk=case_id) or not _finished().filter(pk=case_id).exists():
        return 0
    previews = SealedObject.objects.readable().filter(preview__entry__flag__case=case_id)
    return _shred(previews.values_list("pk", flat=True)[:BATCH], why="retention", case=case_id)


@transaction.atomic
def _unused() -> int:
    old = SealedObject.objects.readable().filter(created_at__lt=timezone.now() - LEFT_BEHIND)
    return _shred(old.unused().values_list("pk", flat=True)[:BATCH], why="unused")


def _shred(keys: Iterable[uuid.UUID], *, why: str, **about: int) -> int:
    """Destroy the keys of these objects, each with its certificate; their files go afterwards."""
    rows = SealedObject.objects.readable().select_for_update(skip_locked=True)
    count = 0
    for sealed in rows.filter(pk__in=list(keys)).order_by("pk"):
        store.destroy_key(sealed)
        CustodyEvent.objects.append(
            "evidence_deleted",
            sealed,
            by=None,
            after={"kind": sealed.kind, "size": sealed.size, **about},
            reason=why,
            file_sha256=sealed.sha256,
        )
        count += 1
    return count
