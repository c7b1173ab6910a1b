"""What a lead does about exposure: reset it for who asks, without a figure of theirs."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from moderation.forms.wellness import ResetForm
from moderation.permissions import WELLNESS_TEAM
from moderation.review import budget

from .people import person_of


@require_POST
@permission_required(WELLNESS_TEAM, raise_exception=True)
def reset_exposure(request: HttpRequest, pk: int) -> HttpResponse:
    """Reset somebody's exposure for a reason that goes on record."""
    person, form = get_object_or_404(User, pk=pk), ResetForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Write a reason, in plain words and without links or hashes.")
        return redirect("moderation:team")
    try:
        budget.reset(person, by=person_of(request), reason=form.cleaned_data["reason"])
    except budget.NotAsked:
        messages.error(request, "This person does not ask for a reset, or it was done already.")
    else:
        messages.success(request, "Reset. Their points are counted from now on.")
    return redirect("moderation:team")
