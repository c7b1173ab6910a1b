"""The steps of a report, one POST each. A step that no longer fits changes nothing and says so."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from moderation.permissions import REPORT_APPROVE, REPORT_COMPOSE
from moderation.views.people import person_of
from reports import drafting, submitting
from reports.agencies.facts import items_of
from reports.forms import (
    AnswerForm,
    CorrectForm,
    EditForm,
    FileForm,
    SendBackForm,
    StepForm,
    WithdrawForm,
)
from reports.models import Report, ReportConflict, ReportRefused

from . import page
from .access import any_of

Step = Callable[[], object]


@require_POST
@permission_required(REPORT_COMPOSE, raise_exception=True)
def draft(request: HttpRequest, pk: int) -> HttpResponse:
    """Draft what is missing for a confirmed case, or take in entries that joined it."""
    case = page.case_of(request, pk)
    try:
        drafted = drafting.draft(case, by=person_of(request))
    except ReportRefused as refused:
        messages.error(request, str(refused))
        return redirect("reports:list")
    if not drafted:
        messages.error(request, f"Nobody is to be told about case {pk}, as it is classed now.")
        return redirect("reports:list")
    messages.success(request, f"The draft of case {pk} is up to date.")
    return redirect("reports:detail", pk=drafted[0].pk)


@require_POST
@permission_required(REPORT_COMPOSE, raise_exception=True)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    report = page.report_of(request, pk)
    form = _edit_form(request, report)

    def step() -> object:
        return _save(report, form, by=person_of(request))

    return _take(request, report, form, step, name="edit_form", done="Saved.")


@require_POST
@permission_required(REPORT_COMPOSE, raise_exception=True)
def propose(request: HttpRequest, pk: int) -> HttpResponse:
    """Save what the form says and propose it: what is proposed is what the person sees."""
    report = page.report_of(request, pk)
    said = "note" in request.POST
    form = _edit_form(request, report) if said else StepForm(request.POST, report=report)

    def step() -> object:
        by, edit_no = person_of(request), form.cleaned_data["edit_no"]
        if isinstance(form, EditForm):
            edit_no = _save(report, form, by=by).edit_no
        return drafting.propose(report, by=by, edit_no=edit_no)

    name = "edit_form" if said and not form.is_valid() else ""  # once saved, it shows what is saved
    done = "Proposed. Another person approves it."
    return _take(request, report, form, step, name=name, done=done)


@require_POST
@any_of(REPORT_COMPOSE, REPORT_APPROVE)
def send_back(request: HttpRequest, pk: int) -> HttpResponse:
    report = page.report_of(request, pk)
    form = SendBackForm(request.POST, report=report)

    def step() -> object:
        return drafting.send_back(report, by=person_of(request), **form.cleaned_data)

    return _take(request, report, form, step, name="send_back_form", done="It is a draft again.")


@require_POST
@permission_required(REPORT_APPROVE, raise_exception=True)
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    report, form = _plain(request, pk)

    def step() -> object:
        edit_no = form.cleaned_data["edit_no"]
        return submitting.approve(report, by=person_of(request), edit_no=edit_no)

    done = "Approved and sealed. Export the agency's file, file it, and record the reference."
    return _take(request, report, form, step, name="", done=done)


@require_POST
@permission_required(REPORT_COMPOSE, raise_exception=True)
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    report = page.report_of(request, pk)
    form = WithdrawForm(request.POST, report=report)

    def step() -> object:
        return drafting.withdraw(report, by=person_of(request), **form.cleaned_data)

    return _take(request, report, form, step, name="withdraw_form", done="Withdrawn.")


@require_POST
@permission_required(REPORT_COMPOSE, raise_exception=True)
def file(request: HttpRequest, pk: int) -> HttpResponse:
    report = page.report_of(request, pk)
    form = FileForm(request.POST, report=report)

    def step() -> object:
        said = {name: form.cleaned_data[name] for name in form.fields if name != "without_export"}
        return submitting.file(report, by=person_of(request), **said)

    return _take(request, report, form, step, name="file_form", done="The reference is recorded.")


@require_POST
@permission_required(REPORT_COMPOSE, raise_exception=True)
def correct(request: HttpRequest, pk: int) -> HttpResponse:
    report = page.report_of(request, pk)
    form = CorrectForm(request.POST, report=report)

    def step() -> object:
        return submitting.correct_reference(report, by=person_of(request), **form.cleaned_data)

    done = "The reference is corrected; the old one stays in the history."
    return _take(request, report, form, step, name="correct_form", done=done)


@require_POST
@permission_required(REPORT_COMPOSE, raise_exception=True)
def answer(request: HttpRequest, pk: int) -> HttpResponse:
    report = page.report_of(request, pk)
    form = AnswerForm(request.POST, report=report)

    def step() -> object:
        return submitting.record_outcome(report, by=person_of(request), **form.cleaned_data)

    return _take(request, report, form, step, name="answer_form", done="The answer is recorded.")


def _edit_form(request: HttpRequest, report: Report) -> EditForm:
    named = [name.removeprefix("country_") for name in request.POST if name.startswith("country_")]
    pks = [int(name) for name in named if name.isdecimal() and len(name) < 19]
    return EditForm(request.POST, report=report, items=items_of(report).filter(pk__in=pks))


def _save(report: Report, form: EditForm, *, by: User) -> Report:
    return drafting.edit(
        report,
        by=by,
        note=form.cleaned_data["note"],
        grade=form.cleaned_data["grade"],
        countries=form.countries,
        edit_no=form.cleaned_data["edit_no"],
    )


def _plain(request: HttpRequest, pk: int) -> tuple[Report, StepForm]:
    report = page.report_of(request, pk)
    return report, StepForm(request.POST, report=report)


def _take(
    request: HttpRequest, report: Report, form: StepForm, step: Step, *, name: str, done: str
) -> HttpResponse:
    """Take the step and go to the page; a form that is wrong comes back with what is wrong.

    409 when the report has gone on meanwhile, 400 for everything a person can put right.
    """
    if not form.is_valid():
        alone = {"problem": "Send the page's own form: load it again."}
        more = {name: form, "wrong": form} if name else alone
        return page.show(request, report, status=400, **more)
    try:
        step()
    except ReportConflict as conflict:
        now = page.report_of(request, report.pk)
        return page.show(request, now, status=409, problem=str(conflict))
    except ReportRefused as refused:
        more = {name: form} if name else {}
        return page.show(
            request, page.report_of(request, report.pk), status=400, problem=str(refused), **more
        )
    messages.success(request, done)
    return redirect("reports:detail", pk=report.pk)
