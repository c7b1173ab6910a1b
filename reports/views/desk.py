"""The list of reports, one report's page, and the full URL of one entry on request."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from moderation.models import CustodyEvent, Grant
from moderation.permissions import REPORT_COMPOSE, URL_RAW
from moderation.views.paging import page_of, query_without
from moderation.views.people import person_of
from reports import drafting, telling
from reports.agencies import registry
from reports.agencies.facts import facts, items_of
from reports.forms import FilterForm
from reports.models import Report, ReportQuerySet

from . import page
from .access import SEE, any_of

REPORTS = 25


@require_safe
@any_of(*SEE)
def reports(request: HttpRequest) -> HttpResponse:
    form, granted = FilterForm(request.GET), Grant.objects.classes(person_of(request))
    rows = filtered(form, Report.objects.visible_to(person_of(request)))
    shown = page_of(request, rows, size=REPORTS)
    answer = render(
        request,
        "reports/list.html",
        {
            "page": shown,
            "query": query_without(request, "page"),
            "form": form,
            "filtered": any(request.GET.get(name) for name in form.fields),
            "environments": sorted({report.environment for report in shown}),
            "agencies": {slug: agency.name for slug, agency in registry.AGENCIES.items()},
            "undrafted": drafting.undrafted(granted),
            "told": telling.told(granted),
            "granted": granted,
            "may_draft": request.user.has_perm(REPORT_COMPOSE),
            "exportable": Report.APPROVED_AND_ON,
        },
    )
    answer["Cache-Control"] = "no-store"
    return answer


def filtered(form: FilterForm, rows: ReportQuerySet) -> ReportQuerySet:
    """Return those of the reports that fit the filters; one that makes no sense is left aside."""
    form.is_valid()
    wanted = {name: value for name, value in form.cleaned_data.items() if value}
    reference = wanted.pop("reference", "")
    rows = rows.with_submission().filter(**wanted)
    if reference:
        rows = rows.filter(submissions__external_reference__icontains=reference).distinct()
    return rows.select_related("case", "composed_by__person").order_by("-drafted_at", "-pk")


@require_safe
@any_of(*SEE)
def report(request: HttpRequest, pk: int) -> HttpResponse:
    return page.show(request, page.report_of(request, pk))


@require_POST
@never_cache
@any_of(URL_RAW)
@any_of(*SEE)
def url(request: HttpRequest, pk: int, item: int) -> HttpResponse:
    """The full URL of one entry as inert text, on record."""
    row = page.report_of(request, pk)
    found = get_object_or_404(items_of(row), pk=item)
    with transaction.atomic():
        CustodyEvent.objects.append(
            "url_unmasked", row, by=person_of(request), after={"entry": found.entry_id}
        )
    (fact,) = facts([found], report=row)
    if request.headers.get("HX-Request"):
        return render(request, "reports/_url.html", {"fact": fact, "shown": True})
    return page.show(request, row, shown_item=found.pk)
