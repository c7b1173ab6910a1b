"""Exports: choose which file is wanted and why, then get it. Every file is on record."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from moderation.permissions import REPORT_EXPORT, URL_RAW
from moderation.views.people import person_of
from reports import exporting, submitting
from reports.agencies import registry
from reports.agencies.base import Agency
from reports.forms import ExportForm
from reports.models import Report, ReportRefused

AT_ONCE = 500


@require_safe
@permission_required(REPORT_EXPORT, raise_exception=True)
def choose(request: HttpRequest) -> HttpResponse:
    """The dialog for the reports named in the address; ``kind`` says which file is marked."""
    chosen = _chosen(request, request.GET.getlist("report"))
    if not chosen:
        messages.error(request, "Choose approved reports first: mark them in the list.")
        return redirect("reports:list")
    whole = request.GET.get("kind") == "whole" and request.user.has_perm(URL_RAW)
    initial = {"report": chosen, "kind": "whole" if whole else "masked"}
    form = ExportForm(agency=_agency(chosen), initial=initial)
    return _show(request, form, chosen)


@require_POST
@permission_required(REPORT_EXPORT, raise_exception=True)
def download(request: HttpRequest) -> HttpResponse:
    """The file, once; it is not kept here, its checksum is."""
    chosen = _chosen(request, request.POST.getlist("report"))
    form = ExportForm(request.POST, agency=_agency(chosen))
    if not form.is_valid():
        return _show(request, form, chosen, status=400)
    try:
        made = exporting.export(
            chosen,
            by=person_of(request),
            purpose=form.cleaned_data["purpose"],
            format=form.cleaned_data["format"],
            whole=form.cleaned_data["kind"] == "whole",
            columns=form.cleaned_data["columns"],
        )
    except exporting.NotAllowed as not_allowed:
        raise PermissionDenied(str(not_allowed)) from not_allowed
    except ReportRefused as refused:
        form.add_error(None, str(refused))
        return _show(request, form, chosen, status=400)
    answer = HttpResponse(made.data, content_type=made.content_type)
    answer["Content-Disposition"] = f'attachment; filename="{made.name}"'
    answer["Cache-Control"] = "no-store"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _chosen(request: HttpRequest, named: list[str]) -> list[Report]:
    """Those of the named reports that can be exported; 404 where one is not the person's to see."""
    pks = {int(name) for name in named[:AT_ONCE] if name.isdecimal() and len(name) < 19}
    rows = Report.objects.visible_to(person_of(request)).filter(pk__in=pks)
    if rows.count() < len(pks):
        raise Http404
    return list(rows.exportable().order_by("pk"))


def _agency(reports: list[Report]) -> Agency:
    slugs = {report.agency for report in reports}
    return registry.agency(slugs.pop()) if len(slugs) == 1 else registry.AGENCIES["iwf"]


def _show(
    request: HttpRequest, form: ExportForm, chosen: list[Report], *, status: int = 200
) -> HttpResponse:
    answer = render(
        request,
        "reports/export.html",
        {
            "form": form,
            "chosen": [(report, submitting.coverage(report)) for report in chosen],
            "notes": any(report.note for report in chosen),
            "may_whole": request.user.has_perm(URL_RAW),
            "production": any(report.is_production for report in chosen),
        },
        status=status,
    )
    answer["Cache-Control"] = "no-store"
    return answer
