"""Disputes with a list's owner: what is open, telling the owner, and what came of it."""

import hashlib
import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from moderation import tasks
from moderation.forms.disputes import EndForm
from moderation.models import Dispute, HashList
from moderation.models.dispute import DisputeConflict
from moderation.permissions import LIST_MANAGE, LIST_VIEW
from moderation.review import disputes

from .people import person_of

TOO_LATE = "The dispute has ended meanwhile. Nothing was changed."


@require_safe
@permission_required(LIST_VIEW, raise_exception=True)
def dispute(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, pk, EndForm())


@require_POST
@permission_required(LIST_MANAGE, raise_exception=True)
def tell_owner(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that the owner was told by hand, on another channel."""
    row = get_object_or_404(Dispute, pk=pk)
    if disputes.tell([row.pk], by=person_of(request), how=Dispute.Told.BY_HAND):
        messages.success(request, "Noted: the list owner was told.")
    else:
        messages.error(request, TOO_LATE)
    return redirect("moderation:dispute", pk=pk)


@require_POST
@permission_required(LIST_MANAGE, raise_exception=True)
def end_dispute(request: HttpRequest, pk: int) -> HttpResponse:
    """End it with what the owner said."""
    row, form = get_object_or_404(Dispute, pk=pk), EndForm(request.POST)
    if not form.is_valid():
        return _page(request, pk, form, status=400)
    outcome = Dispute.Outcome(form.cleaned_data["outcome"])
    try:
        back = disputes.end(
            row, by=person_of(request), outcome=outcome, note=form.cleaned_data["note"]
        )
    except DisputeConflict:
        messages.error(request, TOO_LATE)
        return redirect("moderation:dispute", pk=pk)
    tasks.notice_lists()
    told = f" Cases open again: {len(back)}." if back else ""
    messages.success(request, f"The dispute has ended.{told}")
    return redirect("moderation:dispute", pk=pk)


@require_POST
@never_cache
@permission_required(LIST_MANAGE, raise_exception=True)
def export_disputes(request: HttpRequest, slug: str) -> HttpResponse:
    """A file of a list's running disputes for its owner: the only place where values are whole."""
    row = get_object_or_404(HashList, slug=slug)
    running = [each for each in disputes.of_list(row) if each.state != Dispute.State.ENDED]
    if not running:
        messages.error(request, "There is no running dispute to take out.")
        return redirect("moderation:hash_list", slug=slug)
    data = json.dumps({"list": slug, "disputes": [_told(each) for each in running]}, indent=2)
    content = data.encode()
    disputes.tell(
        [each.pk for each in running],
        by=person_of(request),
        how=Dispute.Told.EXPORT,
        file_sha256=hashlib.sha256(content).hexdigest(),
    )
    answer = HttpResponse(content, content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="disputes-{slug}.json"'
    return answer


def _told(row: Dispute) -> dict[str, Any]:
    """What the owner needs to find the value, and nothing about a case."""
    known = row.known_hash
    return {
        "dispute": row.pk,
        "raised": row.raised_at.date().isoformat(),
        "algorithm": known.algorithm,
        "value": bytes(known.value).hex(),
        "reference": known.external_id,
        "category": known.category,
        "says": "Two people hold this value wrong for what it matches.",
    }


def _page(request: HttpRequest, pk: int, form: EndForm, *, status: int = 200) -> HttpResponse:
    row = get_object_or_404(
        Dispute.objects.select_related(
            "known_hash__hash_list", "decision", "told_by__person", "ended_by__person"
        ),
        pk=pk,
    )
    return render(
        request,
        "moderation/dispute.html",
        {
            "dispute": row,
            "running": row.state != Dispute.State.ENDED,
            "form": form,
            "may_manage": request.user.has_perm(LIST_MANAGE),
        },
        status=status,
    )
