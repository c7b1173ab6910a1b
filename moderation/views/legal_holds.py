"""Setting and lifting the legal hold of a case, on the case page."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from moderation.evidence import legal_holds
from moderation.forms.review import LegalHoldForm
from moderation.models.case import CaseConflict
from moderation.permissions import CASE_OPEN, LEGAL_HOLD

from . import case_page
from .cases import case_of
from .people import person_of


@require_POST
@permission_required((CASE_OPEN, LEGAL_HOLD), raise_exception=True)
def set_hold(request: HttpRequest, pk: int) -> HttpResponse:
    """Put the case under legal hold; a second time changes nothing and says so."""
    row, form = case_of(request, pk), LegalHoldForm(request.POST)
    if not form.is_valid():
        return case_page.show(request, row, hold_form=form, status=400)
    reason = form.cleaned_data["hold_reason"]
    try:
        if legal_holds.set_hold(row, by=person_of(request), reason=reason):
            messages.success(
                request, "Legal hold set. Nothing sealed for this case is deleted now."
            )
        else:
            messages.error(request, "This case already was under legal hold. Nothing was changed.")
    except CaseConflict:
        messages.error(request, "This case is part of another one: put that under legal hold.")
    return redirect("moderation:case", pk=pk)


@require_POST
@permission_required((CASE_OPEN, LEGAL_HOLD), raise_exception=True)
def lift_hold(request: HttpRequest, pk: int) -> HttpResponse:
    """End the legal hold of the case; a second time changes nothing and says so."""
    row, form = case_of(request, pk), LegalHoldForm(request.POST)
    if not form.is_valid():
        return case_page.show(request, row, hold_form=form, status=400)
    reason = form.cleaned_data["hold_reason"]
    if legal_holds.lift_hold(row, by=person_of(request), reason=reason):
        messages.success(request, "Legal hold lifted. The retention rule applies again.")
    else:
        messages.error(request, "This case was under no legal hold. Nothing was changed.")
    return redirect("moderation:case", pk=pk)
