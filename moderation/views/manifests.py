"""Removal manifests: what was published for which revision, by whom, and who has applied it."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from moderation.datasets import removals
from moderation.datasets.manifests import ManifestRefused, file_name
from moderation.evidence import sealing
from moderation.models import Manifest, Revision
from moderation.permissions import MANIFEST_PUBLISH, SCAN_VIEW

from .paging import page_of, query_without
from .people import person_of


@require_safe
@permission_required(SCAN_VIEW, raise_exception=True)
def manifests(request: HttpRequest) -> HttpResponse:
    rows = (
        Manifest.objects.select_related("revision__dataset", "built_by__person")
        .annotate(receipt_count=Count("receipts"), last_applied=Max("receipts__applied_at"))
        .order_by("-built_at")
    )
    return render(
        request,
        "moderation/manifests.html",
        {
            "page": page_of(request, rows),
            "query": query_without(request, "page"),
            "may_publish": request.user.has_perm(MANIFEST_PUBLISH),
        },
    )


@require_POST
@permission_required(MANIFEST_PUBLISH, raise_exception=True)
def build_manifest(request: HttpRequest, pk: int) -> HttpResponse:
    revision = get_object_or_404(Revision, pk=pk)
    person = person_of(request)
    try:
        manifest, new = removals.build_manifest(revision, by=person)
    except ManifestRefused as refused:
        messages.error(request, str(refused))
        return redirect("moderation:revision", pk=pk)
    if new:
        lines = manifest.line_count
        removed = "1 removal" if lines == 1 else f"{lines:,} removals"
        messages.success(
            request,
            f"Manifest {manifest.number} stands: {removed}. What to do next stands under it.",
        )
    else:
        who = "You" if manifest.built_by_id == person.pk else "Somebody else"
        messages.info(
            request,
            f"{who} built manifest {manifest.number} on {manifest.built_at:%d %b %Y at %H:%M} UTC: "
            "it lists them all. No other was built now.",
        )
    return redirect("moderation:revision", pk=pk)


@require_safe
@permission_required(MANIFEST_PUBLISH, raise_exception=True)
def download_manifest(request: HttpRequest, pk: int) -> HttpResponse:
    """The manifest as it was signed, byte for byte."""
    manifest = get_object_or_404(
        Manifest.objects.select_related("sealed", "revision__dataset"), pk=pk
    )
    try:
        data = removals.read_manifest(manifest, by=person_of(request))
    except sealing.Unreadable:
        messages.error(
            request,
            f"Manifest {manifest.number} cannot be read from the evidence store: restore the store "
            "from its backup, or build the manifest again.",
        )
        return redirect("moderation:revision", pk=manifest.revision_id)
    answer = HttpResponse(data, content_type="application/jsonl")
    of = manifest.revision
    name = file_name(of.dataset.name, of.label, manifest.number)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    return answer
