"""A confirmed case that no report can carry: record that a person has told the hotline."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from moderation.permissions import REPORT_COMPOSE
from moderation.views.people import person_of
from reports import drafting, telling
from reports.agencies import environments
from reports.forms import TellForm
from reports.models import ReportRefused

from . import page


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(REPORT_COMPOSE, raise_exception=True)
def tell(request: HttpRequest, pk: int) -> HttpResponse:
    case = page.case_of(request, pk)
    if not drafting.is_confirmed(case):
        messages.error(request, f"Case {pk} does not stand confirmed: nobody is to be told.")
        return redirect("reports:list")
    form, status = TellForm(request.POST or None), 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                telling.record(case, by=person_of(request), **form.cleaned_data)
            except ReportRefused as refused:
                form.add_error(None, str(refused))
            else:
                messages.success(request, f"It is on record that the hotline knows of case {pk}.")
                return redirect("reports:list")
    context = {"case": case, "form": form, "environment": environments.environment_now()}
    answer = render(request, "reports/tell.html", context, status=status)
    answer["Cache-Control"] = "no-store"
    return answer
