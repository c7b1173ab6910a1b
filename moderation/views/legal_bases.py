"""The legal basis: recorded and ended by who manages settings; auditors read its history too."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required, user_passes_test
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from moderation.forms.legal_bases import LegalBasisForm
from moderation.models import LegalBasis
from moderation.permissions import AUDIT_VIEW, SETTINGS_MANAGE
from moderation.scanning import fetching

from .paging import page_of
from .people import person_of

PAGE = 20


def _reads(user: Any) -> bool:
    if not (user.has_perm(SETTINGS_MANAGE) or user.has_perm(AUDIT_VIEW)):
        raise PermissionDenied
    return True


@require_safe
@never_cache
@user_passes_test(_reads)
def legal_basis(request: HttpRequest) -> HttpResponse:
    """What is in force, the form for the next one, and what was."""
    return _page(request, LegalBasisForm())


@require_POST
@permission_required(SETTINGS_MANAGE, raise_exception=True)
def record_basis(request: HttpRequest) -> HttpResponse:
    """Record a legal basis, which ends the one in force."""
    form = LegalBasisForm(request.POST)
    if form.is_valid():
        try:
            fetching.switch_on(by=person_of(request), **form.cleaned_data)
        except fetching.BasisRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "The legal basis is on record: scans may fetch.")
            return redirect("moderation:legal_basis")
    return _page(request, form, status=400)


@require_POST
@permission_required(SETTINGS_MANAGE, raise_exception=True)
def end_basis(request: HttpRequest) -> HttpResponse:
    """End the legal basis in force: fetching stops, and no preview opens."""
    if fetching.switch_off(by=person_of(request)):
        messages.success(request, "Ended: nothing is fetched, and no preview opens.")
    else:
        messages.warning(request, "None was in force. Nothing was changed.")
    return redirect("moderation:legal_basis")


def _page(request: HttpRequest, form: LegalBasisForm, *, status: int = 200) -> HttpResponse:
    history = LegalBasis.objects.select_related("recorded_by__person").order_by("-pk")
    return render(
        request,
        "moderation/legal_basis.html",
        {
            "current": fetching.current(),
            "page": page_of(request, history, size=PAGE),
            "form": form,
            "manages": person_of(request).has_perm(SETTINGS_MANAGE),
        },
        status=status,
    )
