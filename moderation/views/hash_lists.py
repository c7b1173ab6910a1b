"""Hash lists: what is in force, each list's versions, and loading a new one in two steps."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core import signing
from django.db.models import BigIntegerField, Count, F, Q, QuerySet, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from moderation import tasks
from moderation.forms.hash_lists import FORMAT_WORDS, IN_FILE, LoadForm, in_words
from moderation.hash_lists import alarms, changing, loading, profiles, uploads
from moderation.hash_lists.formats import ALGORITHM_FORMATS
from moderation.hash_lists.known import ListError
from moderation.hash_lists.reasons import in_order
from moderation.models import (
    CustodyEvent,
    Dispute,
    HashList,
    HashListVersion,
    KnownBlock,
    KnownHash,
    Match,
    PassedOver,
)
from moderation.models.case import HarmClass
from moderation.permissions import CASE_OPEN, LIST_MANAGE, LIST_VIEW
from moderation.review import disputes

from . import known_hashes
from .paging import page_of, query_without
from .people import person_of

SALT = "hash list load, upon a version"
KEPT_SALT = "hash list upload"
WITHDRAWN = "known_hash_withdrawn version "  # why a case went back, as its custody event says
VERSIONS = 10
DISPUTES = 20
HELD = 20  # disabled values, and values set aside, that the page of a list shows


@require_safe
@permission_required(LIST_VIEW, raise_exception=True)
def hash_lists(request: HttpRequest) -> HttpResponse:
    return render(
        request,
        "moderation/hash_lists.html",
        {
            "lists": [with_kind(row) for row in with_size()],
            "set_aside": set_aside(),
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
    back = sent_back(version for version in page if version.removed)
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
                    "format": FORMAT_WORDS.get(version.format, version.format),
                    "rejected": sum(version.rejected.values()),
                    "reasons": in_order(version.rejected),
                    "sent_back": back.get(version.pk, []),
                }
                for version in page
            ],
            "algorithms": [
                {"algorithm": algorithm, "count": count}
                for algorithm, count in sorted(
                    usable_counts(row).items(), key=lambda each: (-each[1], each[0])
                )
            ],
            "matched": known_hashes.most_matched(row),
            "may_manage": request.user.has_perm(LIST_MANAGE),
            "may_open": request.user.has_perm(CASE_OPEN),
            "disputes": disputes.of_list(row)[:DISPUTES],
            "disputes_run": Dispute.objects.unended().filter(known_hash__hash_list=row).exists(),
        }
        | held_values(row)
        | {"passed_over": passed_over(row)},
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
        return _form(request, LoadForm(initial=as_last_time(request.GET.get("list", ""))))
    person = person_of(request)
    kept = _kept(request, owner=person.pk)
    form = LoadForm(request.POST, request.FILES, has_file=kept is not None)
    if not form.is_valid() or kept is None:
        return _form(request, form, kept=kept, status=400)
    try:
        return _figures(request, kept["name"], kept["called"], form.reading())
    except ListError as error:
        form.add_error(None, in_words(str(error)))
        return _form(request, form, kept=kept, status=400)
    except uploads.UploadGone as error:
        form.add_error("file", in_words(str(error)))
        return _form(request, form, status=400)


def _figures(
    request: HttpRequest, name: str, called: str, reading: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """The page of what a kept file would change, with a token to load exactly that."""
    person = person_of(request)
    would = _load(name, reading, by=person, dry_run=True)
    said = {"name": name, "called": called, "reading": reading, "by": person.pk}
    token = signing.dumps(said | {"upon": would.upon}, salt=SALT)
    return render(
        request,
        "moderation/hash_list_load.html",
        {
            "would": would,
            "alarms": alarms.of(would, dry_run=True),
            "rejected": sum(would.rejected.values()),
            "reasons": in_order(would.rejected),
            "reading": reading,
            "facts": facts_of(reading),
            "checksum": name[:64],
            "called": called,
            "token": token,
        },
        status=status,
    )


@require_POST
@permission_required(LIST_MANAGE, raise_exception=True)
def confirm_load(request: HttpRequest) -> HttpResponse:
    """Second step: load exactly the bytes that the dry run read, or discard them.

    Where another version was loaded since, its figures are shown anew, and nothing is loaded. Sent
    a second time it says when that was loaded.
    """
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
        if (earlier := _version_of(name, reading)) is not None:
            return _loaded_before(request, earlier)
        messages.success(request, "The uploaded file is deleted; nothing was changed.")
        return redirect("moderation:hash_lists")
    try:
        try:
            loaded = _load(name, reading, by=person, dry_run=False, upon=kept["upon"])
        except loading.ChangedMeanwhile:
            messages.warning(
                request,
                "Another version of the list was loaded since. Nothing was changed: these are the "
                "figures now.",
            )
            return _figures(request, name, kept["called"], reading, status=409)
    except (ListError, uploads.UploadGone) as error:
        earlier = _version_of(name, reading)  # the first of two takes the file along
        if earlier is None:
            messages.error(request, in_words(str(error)))
            return redirect("moderation:load_hash_list")
        return _loaded_before(request, earlier)
    uploads.discard(name)
    if loaded.repeated and (earlier := _version_of(name, reading)) is not None:
        return _loaded_before(request, earlier)
    tasks.notice_lists()
    messages.success(
        request,
        f"{loaded.slug} {loaded.label} is in force: {loaded.new:,} new, "
        f"{loaded.changed:,} changed, {loaded.removed:,} withdrawn. "
        "Revisions it makes due are scanned in the background.",
    )
    return redirect("moderation:hash_list", slug=loaded.slug)


def _version_of(name: str, reading: dict[str, Any]) -> HashListVersion | None:
    """The version that these very bytes are already, read in this way; None where there is none,
    or where a new list of that name was made meanwhile that is another in what was said of it."""
    said = vars(_options(reading)) if reading["is_new"] else {}
    version = HashListVersion.objects.filter(
        hash_list__slug=reading["slug"],
        label=reading["label"],
        format=reading["format"],
        checksum=name[:64],
    ).first()
    differs = version is not None and any(
        value is not None and getattr(version.hash_list, name) != value
        for name, value in said.items()
    )
    return None if differs else version


def _loaded_before(request: HttpRequest, version: HashListVersion) -> HttpResponse:
    messages.info(
        request,
        f"{version} was loaded already, on {version.loaded_at:%d %b %Y at %H:%M} UTC. "
        "Nothing was changed now.",
    )
    return redirect("moderation:hash_list", slug=version.hash_list.slug)


def held_values(row: HashList) -> dict[str, Any]:
    """Return the standing values of a list that are disabled, and those set aside: the newest of
    each, and how many more there are."""
    standing = row.known_hashes.filter(removed_in=None)
    disabled = standing.disabled().select_related("disabled_by__person").order_by("-disabled_at")
    aside = standing.set_aside().annotate(flagged=Count("matches")).order_by("-set_aside_at")
    return {
        "disabled": disabled[:HELD],
        "more_disabled": max(0, disabled.count() - HELD),
        "set_aside": aside[:HELD],
        "more_set_aside": max(0, aside.count() - HELD),
    }


def passed_over(row: HashList) -> list[tuple[str, int]]:
    """Return why matches of the list are on no flag, with their number in what is compared now."""
    sums = row.coverage.aggregate(
        **{
            reason: Sum(Cast(KeyTextTransform(reason, "passed_over"), BigIntegerField()))
            for reason in PassedOver.values
        }
    )
    return [(label, sums[reason]) for reason, label in PassedOver.choices if sums[reason]]


def with_size() -> QuerySet[HashList]:
    """Return the lists with ``size``, the values that stand: counted from what versions changed."""
    return (
        HashList.objects.select_related("current", "precision")
        .annotate(
            size=Sum("versions__new", default=0) - Sum("versions__removed", default=0),
            version_count=Count("versions"),
            run_out=Q(expires_at__lte=timezone.now()),
        )
        .order_by(F("enabled").desc(), "slug")
    )


def usable_counts(row: HashList) -> dict[str, int]:
    """Return how many values of each algorithm the list is compared with."""
    counts = Counter(KnownBlock.objects.standing_counts(row))
    disabled = row.known_hashes.filter(removed_in=None).disabled()
    counts.subtract(disabled.values_list("algorithm", flat=True))
    return {algorithm: count for algorithm, count in counts.items() if count}


def as_last_time(slug: str) -> dict[str, str]:
    """Return how the form starts for a list: as its current version was read, where that is known.

    The algorithm is known where all values that stand are of one.
    """
    row = HashList.objects.select_related("current").filter(slug=slug).first()
    if row is None:
        return {}
    if row.current is None:
        return {"slug": slug}
    start = {"slug": slug, "format": row.current.format}
    if row.current.format in ALGORITHM_FORMATS:
        standing = list(KnownBlock.objects.standing_counts(row))
        if standing:
            start["algorithm"] = standing[0] if len(standing) == 1 else IN_FILE
    return start


def facts_of(reading: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what was said about the file, in words: what a look at it should find right."""
    file_format = FORMAT_WORDS[reading["format"]]
    parts = [file_format, reading["algorithm"]]
    if reading["format"] in ALGORITHM_FORMATS and not reading["algorithm"]:
        parts.append("each value with its own algorithm")
    if reading["profile_text"] or reading["profile"]:
        parts.append("profile of your own" if reading["profile_text"] else reading["profile"])
    parts.append("changes only" if reading["delta"] else "the whole list")
    facts = [("Read as", ", ".join(part for part in parts if part))]
    if reading["is_new"]:
        facts += [
            ("Owner", reading["owner"] or "not recorded"),
            ("Trust", dict(HashList.Trust.choices)[reading["trust"]]),
            ("Effect", "negative list: suppresses" if reading["negative"] else "raises flags"),
            ("Kind", dict(HarmClass.choices).get(reading["harm_class"], "as each value says")),
            ("Values", "made up, for demos and training" if reading["synthetic"] else "real"),
        ]
    return facts


def sent_back(versions: Iterable[HashListVersion]) -> dict[int, list[int]]:
    """Return, by version id, the closed cases that it sent back because it withdrew their values.

    What happened stands in the chain of custody; what would happen now is another question.
    """
    pairs = set(
        Match.objects.filter(known_hash__removed_in__in=[version.pk for version in versions])
        .values_list("known_hash__removed_in", "flag__case")
        .order_by()
    )
    events = CustodyEvent.objects.filter(
        object_type="case",
        object_id__in={str(case) for _, case in pairs},
        action="case_reopened",
        reason__startswith=WITHDRAWN,
    ).values_list("reason", "object_id")
    found: dict[int, list[int]] = {}
    for reason, case in set(events):
        number = reason.removeprefix(WITHDRAWN)
        if number.isdecimal():
            found.setdefault(int(number), []).append(int(case))
    return {number: sorted(cases) for number, cases in found.items()}


def set_aside() -> dict[int, int]:
    """Return, by list, how many standing values wait for a list manager to look."""
    aside = KnownHash.objects.set_aside().filter(removed_in=None).order_by()
    return dict(aside.values_list("hash_list").annotate(count=Count("pk")))


def with_kind(row: HashList) -> HashList:
    """Return the list with ``kind``: its harm class in words, empty where each value says so."""
    kind = dict(HarmClass.choices).get(row.harm_class, row.harm_class)
    row.kind = kind  # type: ignore[attr-defined]
    return row


def _kept(request: HttpRequest, *, owner: int) -> dict[str, str] | None:
    """The upload this request is about: a file sent now, or the one kept from the try before.

    ``name`` reads it back, ``called`` is what its owner calls it.
    """
    sent = request.FILES.get("file")
    if sent is not None and sent.size:
        return {"name": uploads.keep(sent.chunks(), owner=owner), "called": str(sent.name)}
    try:
        kept = signing.loads(
            request.POST.get("kept", ""), salt=KEPT_SALT, max_age=uploads.KEPT_SECONDS
        )
    except signing.BadSignature:
        return None
    if sent is not None or kept.get("by") != owner:
        return None
    return {"name": kept["name"], "called": kept["called"]}


def _load(
    name: str, reading: dict[str, Any], *, by: User, dry_run: bool, upon: int | None = None
) -> loading.Loaded:
    is_new = reading["is_new"]
    with uploads.opened(name) as file:
        if HashList.objects.filter(slug=reading["slug"]).exists() == is_new:
            raise ListError(
                "a list of this name was made meanwhile; choose it by its name"
                if is_new
                else "there is no such list; choose one, or a new list"
            )
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
            upon=upon,
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
        negative=reading["negative"],
    )


def _form(
    request: HttpRequest,
    form: LoadForm,
    *,
    kept: dict[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    """The form; an upload that is kept need not be chosen again."""
    context: dict[str, Any] = {"form": form}
    if kept is not None:
        signed = signing.dumps(kept | {"by": person_of(request).pk}, salt=KEPT_SALT)
        context |= {"called": kept["called"], "kept": signed}
    return render(request, "moderation/hash_list_load.html", context, status=status)
