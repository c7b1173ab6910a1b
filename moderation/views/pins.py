"""Pinning a case, by a lead: a small page of its own, so that it is one key from the queue."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from moderation.forms.queue import PinForm
from moderation.permissions import CASE_OPEN, DECIDE_FINAL
from moderation.review import pinning, queue

from .people import person_of


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@permission_required((CASE_OPEN, DECIDE_FINAL), raise_exception=True)
def pin(request: HttpRequest, pk: int) -> HttpResponse:
    """Say why the case comes first; where it is pinned, take that back."""
    user = person_of(request)
    case = get_object_or_404(queue.openable_by(user), pk=pk)
    form = PinForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            pinning.pin(case, by=user, reason=form.cleaned_data["pin_reason"])
        except pinning.NotPinned as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, f"Case {pk} is pinned: it comes first.")
        return redirect("moderation:queue")
    return render(request, "moderation/pin.html", {"case": case, "form": form})


@require_POST
@permission_required((CASE_OPEN, DECIDE_FINAL), raise_exception=True)
def unpin(request: HttpRequest, pk: int) -> HttpResponse:
    user = person_of(request)
    case = get_object_or_404(queue.openable_by(user), pk=pk)
    try:
        pinning.unpin(case, by=user)
    except pinning.NotPinned as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"Case {pk} is no longer pinned.")
    return redirect("moderation:queue")
