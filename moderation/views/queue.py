"""The queue: what waits, and the way to the next case."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import F, Sum
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from moderation.forms.review import QueueFilter
from moderation.models import Scan
from moderation.permissions import CASE_LIST, CASE_OPEN, DECIDE, DECIDE_FINAL
from moderation.review import answers, listing
from moderation.review import queue as cases_queue

from .paging import page_of, query_without
from .people import person_of

CASES = 25
CHIPS = {
    "state": "State",
    "triage": "Triage",
    "match": "Match",
    "list": "List",
    "revision": "Revision",
}


@require_safe
@never_cache
@permission_required((CASE_LIST, CASE_OPEN), raise_exception=True)
def queue(request: HttpRequest) -> HttpResponse:
    user = person_of(request)
    visible = cases_queue.visible_to(user)
    form = QueueFilter(request.GET)
    chosen = form.chosen()
    cases = listing.narrowed(visible, chosen).by_priority().select_related("leased_by__person")
    page = page_of(request, cases, size=CASES)
    now = cases_queue.database_now()
    return render(
        request,
        "moderation/queue.html",
        {
            "figures": listing.figures(user),
            "form": form,
            "chips": _chips(request, chosen),
            "page": page,
            "rows": listing.rows(list(page), now=now),
            "now": now,
            "query": query_without(request, "page"),
            "rule": cases_queue.RULE,
            "may_decide": user.has_perm(DECIDE),
            "names": user.has_perm(DECIDE_FINAL),  # others may be second: no word of who is first
            "undoable": answers.undoable(by=user),
            "scanning": [] if page.object_list else _scanning(),
        },
    )


@require_POST
@permission_required((CASE_OPEN, DECIDE), raise_exception=True)
def queue_next(request: HttpRequest) -> HttpResponse:
    """Claim the next case and open it."""
    return to_next(request)


def to_next(request: HttpRequest) -> HttpResponse:
    """Redirect to the person's next case, or to the queue with a word where there is none."""
    case = cases_queue.claim_next(by=person_of(request))
    if case is None:
        messages.info(request, "No case waits for you now.")
        return redirect("moderation:queue")
    return redirect("moderation:case", pk=case.pk)


def _chips(request: HttpRequest, chosen: dict[str, Any]) -> list[dict[str, str]]:
    """The filters in force, each with the address that takes it away."""
    form = QueueFilter()
    chips = []
    for name, value in chosen.items():
        words = dict(getattr(form.fields[name], "choices", ())) if isinstance(value, str) else {}
        rest: QueryDict = request.GET.copy()
        rest.pop(name, None)
        rest.pop("page", None)
        text = str(words.get(value, value))
        chips.append({"name": CHIPS[name], "value": text, "without": f"?{rest.urlencode()}"})
    return chips


def _scanning() -> list[dict[str, Any]]:
    live = Scan.objects.live().select_related("revision__dataset").order_by("pk")[:5]
    sums = live.annotate(
        done=Sum("shard_scans__rows_done"), rows=Sum(F("shard_scans__shard__rows"))
    )
    return [
        {"revision": scan.revision, "state": scan.state, "done": scan.done, "rows": scan.rows}
        for scan in sums
    ]
