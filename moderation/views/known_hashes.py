"""One known hash: its facts, never a picture; disabling it, lifting that, releasing it."""

from collections import Counter
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import Count, Max, Min
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from moderation import tasks
from moderation.forms.list_rules import DisableForm
from moderation.hash_lists import values
from moderation.models import Case, Decision, HashList, KnownHash, Match
from moderation.permissions import LIST_MANAGE, LIST_VIEW

from .people import person_of

DISTANCES = (0, 8, 16, 24, 31, 47)  # ends of the bands that near matches are told in
MOST = 10
SOON = "What was passed over is compared again in the background."


@require_safe
@permission_required(LIST_VIEW, raise_exception=True)
def known_hash(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, pk, DisableForm())


@require_safe
@permission_required(LIST_VIEW, raise_exception=True)
def find_known_hash(request: HttpRequest) -> HttpResponse:
    """Go to a known hash by its number, as the evidence of a case says it."""
    number = request.GET.get("number", "").strip()
    possible = number.isdecimal() and len(number) < 19  # no more than the column can hold
    if possible and KnownHash.objects.filter(pk=int(number)).exists():
        return redirect("moderation:known_hash", pk=int(number))
    messages.error(
        request, "No known hash of this number has matched or been disabled: see the number again."
    )
    return redirect("moderation:hash_lists")


@require_POST
@permission_required(LIST_MANAGE, raise_exception=True)
def disable_known_hash(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the value out of use, until a day or without end."""
    row, form = get_object_or_404(KnownHash, pk=pk), DisableForm(request.POST)
    if not form.is_valid():
        return _page(request, pk, form, status=400)
    said = form.cleaned_data
    try:
        values.disable(row, by=person_of(request), until=said["until"], note=said["note"])
    except values.ValueRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"Known hash {pk} is disabled: its matches raise no flag now.")
    return redirect("moderation:known_hash", pk=pk)


@require_POST
@permission_required(LIST_MANAGE, raise_exception=True)
def lift_known_hash(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a disabled value into force again; a second press changes nothing."""
    values.lift(get_object_or_404(KnownHash, pk=pk), by=person_of(request))
    tasks.notice_lists()
    messages.success(request, f"Known hash {pk} is in force again. {SOON}")
    return redirect("moderation:known_hash", pk=pk)


@require_POST
@permission_required(LIST_MANAGE, raise_exception=True)
def release_known_hash(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a value that was set aside flag all it is near to; a second press changes nothing."""
    values.release(get_object_or_404(KnownHash, pk=pk), by=person_of(request))
    tasks.notice_lists()
    messages.success(request, f"Known hash {pk} is released. {SOON}")
    return redirect("moderation:known_hash", pk=pk)


def most_matched(hash_list: HashList) -> list[Any]:
    """Return the values of a list with the most matches, those first."""
    matches = Match.objects.filter(known_hash__hash_list=hash_list).order_by()
    counts = matches.values("known_hash", "algorithm").annotate(count=Count("pk"))
    return list(counts.order_by("-count", "known_hash")[:MOST])


def facts_of(row: KnownHash) -> dict[str, Any]:
    """Return what the matches of a value tell: how many, how near, and what became of them."""
    matches = Match.objects.filter(known_hash=row).order_by()
    about = matches.aggregate(
        entries=Count("flag", distinct=True),
        revisions=Count("flag__entry__revision", distinct=True),
        first=Min("found_at"),
        last=Max("last_scan__started_at"),
    )
    distances = Counter(
        dict(matches.values_list("distance").annotate(count=Count("pk")))
        if row.algorithm in ("pdq", "phash")
        else {}
    )
    cases = Case.objects.filter(pk__in=matches.values("flag__case"))
    closed = cases.filter(state=Case.State.CLOSED)
    standing = Decision.objects.standing().filter(case__in=closed).order_by("case", "-pk")
    verdicts = Counter(standing.distinct("case").values_list("verdict", flat=True))
    return {
        "about": about,
        "distances": _in_bands(distances),
        "cases": [
            ("in work", cases.count() - closed.count()),
            ("removed", verdicts[Decision.Verdict.CONFIRMED]),
            ("kept", verdicts[Decision.Verdict.CLEARED]),
        ],
    }


def _in_bands(distances: Counter[int]) -> list[tuple[str, int]]:
    bands, low = [], 0
    for high in DISTANCES:
        count = sum(n for distance, n in distances.items() if low <= distance <= high)
        if count:
            bands.append((f"{low}" if low == high else f"{low} to {high}", count))
        low = high + 1
    return bands


def _page(request: HttpRequest, pk: int, form: DisableForm, *, status: int = 200) -> HttpResponse:
    row = get_object_or_404(
        KnownHash.objects.select_related(
            "hash_list", "added_in", "removed_in", "disabled_by__person"
        ),
        pk=pk,
    )
    return render(
        request,
        "moderation/known_hash.html",
        {
            "known": row,
            "disabled": row.is_disabled(),
            "prefix": bytes(row.value)[:4].hex(),
            "form": form,
            "disputes": row.disputes.all(),
            "may_manage": request.user.has_perm(LIST_MANAGE),
        }
        | facts_of(row),
        status=status,
    )
