"""The queue: what waits, and the way to the next case."""

import re
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import F, Sum
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from moderation.forms.review import QueueFilter
from moderation.models import Case, Grant, Scan
from moderation.models.case import CaseQuerySet
from moderation.permissions import CASE_LIST, CASE_OPEN, DECIDE, DECIDE_FINAL
from moderation.review import answers, listing
from moderation.review import queue as cases_queue

from .paging import query_without
from .people import person_of

NUMBER = re.compile(r"[0-9]{1,18}")  # no more than the column can hold
CASES = 25
PLACES = ("after", "before")  # in the address: the case that the table goes on from
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
    cases = listing.narrowed(visible, chosen).select_related("leased_by__person")
    part = listing.part(
        cases,
        after=_place(request, visible, "after"),
        before=_place(request, visible, "before"),
        size=CASES,
    )
    now = cases_queue.database_now()
    return render(
        request,
        "moderation/queue.html",
        {
            "figures": listing.figures(user),
            "form": form,
            "chips": _chips(request, chosen),
            "part": part,
            "total": listing.total(chosen, user=user),
            "rows": listing.rows(part.cases, now=now),
            "now": now,
            "query": query_without(request, *PLACES),
            "rule": cases_queue.RULE,
            "granted": Grant.objects.classes(user),
            "may_decide": user.has_perm(DECIDE),
            "names": user.has_perm(DECIDE_FINAL),  # others may be second: no word of who is first
            "undoable": answers.undoable(by=user),
            "scanning": [] if part.cases else _scanning(),
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


def _place(request: HttpRequest, cases: CaseQuerySet, name: str) -> Case | None:
    """The case that the address names as a place; None for none, or for one that is not there."""
    number = request.GET.get(name, "")
    return cases.filter(pk=int(number)).first() if NUMBER.fullmatch(number) else None


def _chips(request: HttpRequest, chosen: dict[str, Any]) -> list[dict[str, str]]:
    """The filters in force, each with the address that takes it away."""
    form = QueueFilter()
    chips = []
    for name, value in chosen.items():
        words = dict(getattr(form.fields[name], "choices", ())) if isinstance(value, str) else {}
        rest: QueryDict = request.GET.copy()
        rest.pop(name, None)
        for place in PLACES:
            rest.pop(place, None)
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
