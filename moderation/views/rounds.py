"""A new round of a case by a lead's word: sent back while it is with the leads, or reopened."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from moderation.forms.review import ReopenForm, SendBackForm
from moderation.models import Case
from moderation.models.case import CaseConflict
from moderation.permissions import CASE_OPEN, DECIDE_FINAL
from moderation.review import decisions, merging, rounds

from . import case_page
from .cases import case_of
from .leases import again, token_of, too_late
from .people import person_of


@require_POST
@permission_required((CASE_OPEN, DECIDE_FINAL), raise_exception=True)
def send_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel the answers of this round and put the case back to open."""
    row, form = case_of(request, pk), SendBackForm(request.POST)
    if not form.is_valid():
        return again(request, row, send_back=form)
    try:
        rounds.send_back(
            row,
            by=person_of(request),
            token=token_of(request),
            reason=form.cleaned_data["send_back_reason"],
        )
    except CaseConflict:
        return too_late(request, pk)
    messages.success(
        request, f"Case {pk} is open again: its answers are cancelled, and two people answer anew."
    )
    return redirect("moderation:queue")


@require_POST
@permission_required((CASE_OPEN, DECIDE_FINAL), raise_exception=True)
def reopen(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a closed case again, or make one of its own of a case that is part of another."""
    row, form, user = case_of(request, pk), ReopenForm(request.POST), person_of(request)
    if not form.is_valid():
        return case_page.show(request, row, reopen_form=form, status=400)
    because = decisions.BY_LEAD + form.cleaned_data["reopen_reason"]
    anew = merging.separate if row.state == Case.State.MERGED else decisions.reopen
    try:
        anew(row, because=because, by=user)
    except merging.UnderHold:
        messages.error(request, "What this case is part of is under legal hold. Nothing was done.")
    except CaseConflict:
        messages.error(request, "The case was changed meanwhile. Nothing was done.")
    else:
        messages.success(
            request, "The case is open again. What was decided stands until it is decided anew."
        )
    return redirect("moderation:case", pk=pk)
