"""The filters of the queue: what they ask, and the first page of it however long the queue is.

Two ways lead to a page, and both have a bound. What many cases fit is met soon on the way along
the order of work. Where WALKED cases held too few, what fits is looked up by the index of facets
and put in order, if it is no more than FEW; else the page says how far it has looked.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from moderation.models import Case
from moderation.models.case import PINNED_BEFORE, CaseQuerySet
from moderation.scanning import facets

from .listing import Part, part

FEW = 5_000  # cases that are put in order for one page
WALKED = 10_000  # cases of the order of work that are looked at for one page
FACETS = ("list", "revision", "category", "distance", "entries", "link", "trust")
ORDERED = ("state", "triage", "harm_class", "match")  # each has an index in the order of work
SOON = timedelta(hours=24)
WEEK, MONTH = timedelta(days=7), timedelta(days=30)


def narrowed(cases: CaseQuerySet, filters: Mapping[str, Any], *, user: User) -> CaseQuerySet:
    """Apply the filters; without a state the cases in work are meant."""
    words = [
        facets.word(name, getattr(filters[name], "pk", filters[name]))
        for name in FACETS
        if filters.get(name)
    ]
    if words:
        cases = cases.filter(facets__contains=words)
    cases = cases.filter(state=filters["state"]) if filters.get("state") else cases.in_work()
    for name in ("triage", "harm_class"):
        if filters.get(name):
            cases = cases.filter(**{name: filters[name]})
    if match := filters.get("match"):
        cases = cases.filter(exact=match == "exact")
    if filters.get("distance"):
        cases = cases.filter(exact=False)
    for name, asked in (("age", _AGE), ("due", _DUE)):
        if value := filters.get(name):
            cases = cases.filter(asked[value]())
    if filters.get("pinned"):
        cases = cases.filter(turn__lt=-PINNED_BEFORE / 2)  # where the order begins
    return _held(cases, filters.get("who", ""), user=user)


def page(
    cases: CaseQuerySet,
    filters: Mapping[str, Any],
    *,
    user: User,
    after: Case | None,
    before: Case | None,
    size: int,
) -> Part:
    """Return up to ``size`` of the cases that fit, behind a case, before one, or the first."""
    fitting = narrowed(cases, filters, user=user)
    if len(filters) < 2 and set(filters) <= {*ORDERED, "pinned"}:
        return part(fitting, after=after, before=before, size=size)
    met = part(fitting, after=after, before=before, size=size, along=_way(filters), most=WALKED)
    few = _few(fitting) if met.looked is not None else None
    if few is None:
        return met
    found = part(cases.filter(pk__in=few), after=after, before=before, size=size)
    found.total = len(few)
    return found


def _few(fitting: CaseQuerySet) -> list[int] | None:
    """The numbers of all that fit, in no order; None for more than FEW.

    A bitmap looks up what an index has; any other plan might read the whole queue for a few.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
        found = list(fitting.order_by().values_list("pk", flat=True)[: FEW + 1])
        cursor.execute("SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = on")
    return found if len(found) <= FEW else None


def _way(filters: Mapping[str, Any]) -> CaseQuerySet:
    """The cases of one index in the order of work, by the filter that says most of the place."""
    state = filters.get("state", "")
    if state and state not in Case.IN_WORK:
        return Case.objects.filter(state=state)
    for name in ("triage", "harm_class"):
        if filters.get(name):
            return Case.objects.in_work().filter(**{name: filters[name]})
    if filters.get("match") or filters.get("distance"):
        exact = filters.get("match") == "exact" and not filters.get("distance")
        return Case.objects.in_work().filter(exact=exact)
    return Case.objects.filter(state=state) if state else Case.objects.in_work()


def _held(cases: CaseQuerySet, who: str, *, user: User) -> CaseQuerySet:
    match who:
        case "me":
            return cases.leased_to(user)
        case "hold":
            return cases.on_hold()
        case "held":
            return cases.leased().filter(lease_kind=Case.Lease.WORK)
        case "nobody":
            return cases.unleased()
    return cases


_AGE = {
    "day": lambda: Q(opened_at__gt=Now() - timedelta(days=1)),
    "week": lambda: Q(opened_at__gt=Now() - WEEK),
    "older": lambda: Q(opened_at__lte=Now() - WEEK),
    "oldest": lambda: Q(opened_at__lte=Now() - MONTH),
}
_DUE = {
    "over": lambda: Q(due_at__lte=Now()),
    "soon": lambda: Q(due_at__lte=Now() + SOON),
}
