"""The queue: what waits, and the way to the next case."""

import re
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import F, Sum
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_celery_beat.models import PeriodicTask

from moderation.forms.queue import QueueFilter
from moderation.models import Case, SavedView, Scan
from moderation.models.case import CaseQuerySet, HarmClass
from moderation.permissions import CASE_LIST, CASE_OPEN, DECIDE, DECIDE_FINAL
from moderation.review import answers, filtering, listing
from moderation.review import queue as cases_queue
from moderation.scanning import priorities

from . import saved_views
from .paging import query_without
from .people import own_of, person_of

NUMBER = re.compile(r"[0-9]{1,18}")  # no more than the column can hold
CASES = 25
RESCANS = "moderation.tasks.rescan_due"
PLACES = ("after", "before")  # in the address: the case that the table goes on from


@require_safe
@never_cache
@permission_required((CASE_LIST, CASE_OPEN), raise_exception=True)
def queue(request: HttpRequest) -> HttpResponse:
    own = own_of(request)
    user, classes = own.user, own.classes
    visible = cases_queue.visible_to(user, classes=classes)
    form = QueueFilter(request.GET)
    chosen = form.chosen()
    part = filtering.page(
        visible.select_related("leased_by__person"),
        chosen,
        user=user,
        after=_place(request, visible, "after"),
        before=_place(request, visible, "before"),
        size=CASES,
    )
    now = cases_queue.database_now()
    leads = user.has_perm(DECIDE_FINAL)
    total = listing.total(chosen, classes=classes) if part.total is None else part.total
    return render(
        request,
        "moderation/queue.html",
        {
            "figures": listing.figures(user, classes=classes),
            "form": form,
            "chips": _chips(request, chosen),
            "not_understood": [form[name].label for name in form.errors],
            "part": part,
            "total": total,
            "by_trust": listing.by_trust(classes),
            "overdue": listing.overdue(classes) if leads else 0,
            "views": saved_views.shown(request, SavedView.Page.QUEUE, form),
            "rows": listing.rows(part.cases, now=now),
            "now": now,
            "query": query_without(request, *PLACES),
            "rule": cases_queue.RULE,
            "due": priorities.due_in_words(),
            "mandatory": settings.DUTY_PROFILE == "mandatory",
            "in_work": Case.IN_WORK,
            "granted": own.granted,
            "left_out": [HarmClass(each).label for each in own.wellness.opted_out],
            "may_decide": user.has_perm(DECIDE),
            "names": leads,  # others may be second: no word of who is first
            "undoable": answers.undoable(by=user, granted=own.granted),
            "scanning": [] if part.cases else _scanning(),
            "next_look": None if part.cases else _next_look(),
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
        label = str(form[name].label)
        chips.append({"name": label, "value": text, "without": f"?{rest.urlencode()}"})
    return chips


def _next_look() -> datetime | None:
    """When the schedule next looks for what is due for a scan; None where it is off."""
    task = (
        PeriodicTask.objects.filter(task=RESCANS, enabled=True).select_related("interval").first()
    )
    if task is None or task.interval is None:
        return None
    now = timezone.now()
    return max((task.last_run_at or now) + task.interval.schedule.run_every, now)


def _scanning() -> list[dict[str, Any]]:
    live = Scan.objects.live().select_related("revision__dataset").order_by("pk")[:5]
    sums = live.annotate(
        done=Sum("shard_scans__rows_done"), rows=Sum(F("shard_scans__shard__rows"))
    )
    return [
        {"revision": scan.revision, "state": scan.state, "done": scan.done, "rows": scan.rows}
        for scan in sums
    ]
