"""Hash lists: what is in force, each list's versions, and loading a new one in two steps."""

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core import signing
from django.db.models import Count, F, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from moderation import tasks
from moderation.forms.hash_lists import LoadForm, in_words
from moderation.hash_lists import changing, loading, profiles, uploads
from moderation.hash_lists.known import ListError
from moderation.hash_lists.withdrawals import affected_cases
from moderation.models import HashList
from moderation.models.case import HarmClass
from moderation.permissions import LIST_MANAGE, LIST_VIEW

from .paging import page_of, query_without
from .people import person_of

SALT = "hash list load"
VERSIONS = 10


@require_safe
@permission_required(LIST_VIEW, raise_exception=True)
def hash_lists(request: HttpRequest) -> HttpResponse:
    return render(
        request,
        "moderation/hash_lists.html",
        {
            "lists": [with_kind(row) for row in with_size()],
            "now": timezone.now(),
            "may_manage": request.user.has_perm(LIST_MANAGE),
        },
    )


@require_safe
@permission_required(LIST_VIEW, raise_exception=True)
def hash_list(request: HttpRequest, slug: str) -> HttpResponse:
    row = get_object_or_404(with_size(), slug=slug)
    page = page_of(
        request, row.versions.select_related("loaded_by__person").order_by("-number"), size=VERSIONS
    )
    return render(
        request,
        "moderation/hash_list_detail.html",
        {
            "list": with_kind(row),
            "now": timezone.now(),
            "page": page,
            "query": query_without(request, "page"),
            "versions": [
                {
                    "version": version,
                    "rejected": sum(version.rejected.values()),
                    "reasons": in_order(version.rejected),
                    "reopens": affected_cases(version).count() if version.removed else 0,
                }
                for version in page
            ],
            "algorithms": row.known_hashes.usable()
            .order_by()
            .values("algorithm")
            .annotate(count=Count("pk"))
            .order_by("-count"),
            "disabled": row.known_hashes.filter(
                removed_in=None, disabled_until__gt=timezone.now()
            ).count(),
            "may_manage": request.user.has_perm(LIST_MANAGE),
        },
    )


@require_POST
@permission_required(LIST_MANAGE, raise_exception=True)
def switch_hash_list(request: HttpRequest, slug: str) -> HttpResponse:
    """Switch a list on or off, as the button said: a second press changes nothing."""
    row = get_object_or_404(HashList, slug=slug)
    enabled = request.POST.get("enabled") == "on"
    changing.change(row, by=person_of(request), enabled=enabled)
    messages.success(request, f"{slug} is switched {'on' if enabled else 'off'}.")
    return redirect("moderation:hash_list", slug=slug)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(LIST_MANAGE, raise_exception=True)
def load_hash_list(request: HttpRequest) -> HttpResponse:
    """First step: take the file, say what it would change, change nothing."""
    if request.method != "POST":
        return _form(request, LoadForm(initial={"slug": request.GET.get("list", "")}))
    form = LoadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _form(request, form, status=400)
    person = person_of(request)
    name = uploads.keep(form.cleaned_data["file"].chunks(), owner=person.pk)
    reading = form.reading()
    try:
        would = _load(name, reading, by=person, dry_run=True)
    except (ListError, uploads.UploadGone) as error:
        uploads.discard(name)
        form.add_error(None, in_words(str(error)))
        return _form(request, form, status=400)
    token = signing.dumps({"name": name, "reading": reading, "by": person.pk}, salt=SALT)
    return render(
        request,
        "moderation/hash_list_load.html",
        {
            "would": would,
            "rejected": sum(would.rejected.values()),
            "reasons": in_order(would.rejected),
            "reading": reading,
            "is_new": not HashList.objects.filter(slug=would.slug).exists(),
            "checksum": name[:64],
            "token": token,
        },
    )


@require_POST
@permission_required(LIST_MANAGE, raise_exception=True)
def confirm_load(request: HttpRequest) -> HttpResponse:
    """Second step: load exactly the bytes that the dry run read, or discard them."""
    person = person_of(request)
    try:
        kept = signing.loads(request.POST.get("token", ""), salt=SALT, max_age=uploads.KEPT_SECONDS)
    except signing.BadSignature:
        kept = {}
    if kept.get("by") != person.pk:
        messages.error(request, "That dry run is too old or not yours: upload the file again.")
        return redirect("moderation:load_hash_list")
    name, reading = kept["name"], kept["reading"]
    if "discard" in request.POST:
        uploads.discard(name)
        messages.success(request, "The uploaded file is deleted; nothing was changed.")
        return redirect("moderation:hash_lists")
    try:
        loaded = _load(name, reading, by=person, dry_run=False)
    except (ListError, uploads.UploadGone) as error:
        messages.error(request, in_words(str(error)))
        return redirect("moderation:load_hash_list")
    uploads.discard(name)
    tasks.notice_lists()
    messages.success(
        request,
        f"{loaded.slug} {loaded.label} is in force: {loaded.new:,} new, "
        f"{loaded.changed:,} changed, {loaded.removed:,} withdrawn. "
        "Revisions it makes due are scanned in the background.",
    )
    return redirect("moderation:hash_list", slug=loaded.slug)


def with_size() -> QuerySet[HashList]:
    """Return the lists with ``size``, the values that stand: counted from what versions changed."""
    return (
        HashList.objects.select_related("current")
        .annotate(
            size=Sum("versions__new", default=0) - Sum("versions__removed", default=0),
            version_count=Count("versions"),
            run_out=Q(expires_at__lte=timezone.now()),
        )
        .order_by(F("enabled").desc(), "slug")
    )


def in_order(rejected: dict[str, int]) -> list[tuple[str, int]]:
    """Return the reasons in words with their counts, the most frequent first."""
    order = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
    return [(reason.replace("_", " "), count) for reason, count in order]


def with_kind(row: HashList) -> HashList:
    """Return the list with ``kind``: its harm class in words, empty where each value says so."""
    kind = dict(HarmClass.choices).get(row.harm_class, row.harm_class)
    row.kind = kind  # type: ignore[attr-defined]
    return row


def _load(name: str, reading: dict[str, Any], *, by: User, dry_run: bool) -> loading.Loaded:
    is_new = not HashList.objects.filter(slug=reading["slug"]).exists()
    with uploads.opened(name) as file:
        return loading.load(
            file,
            slug=reading["slug"],
            label=reading["label"],
            format=reading["format"],
            algorithm=reading["algorithm"] or None,
            profile=_profile(reading),
            options=_options(reading) if is_new else None,
            delta=reading["delta"],
            dry_run=dry_run,
            by=by,
        )


def _profile(reading: dict[str, Any]) -> profiles.Profile | None:
    if reading["profile_text"]:
        return profiles.profile_from(json.loads(reading["profile_text"]))
    return profiles.BUILT_IN[reading["profile"]] if reading["profile"] else None


def _options(reading: dict[str, Any]) -> loading.ListOptions:
    """What the form says about a new list; a list that exists keeps what it has."""
    return loading.ListOptions(
        trust=reading["trust"],
        owner=reading["owner"] or None,
        harm_class=reading["harm_class"] or None,
        synthetic=reading["synthetic"],
    )


def _form(request: HttpRequest, form: LoadForm, *, status: int = 200) -> HttpResponse:
    context = {"form": form, "slugs": HashList.objects.values_list("slug", flat=True)}
    return render(request, "moderation/hash_list_load.html", context, status=status)
