"""Jumping: one box that leads to a case, a dataset, a person or a page, for whoever may go there.

What is typed comes by POST alone, so that no link and no hash stands in an address or a log.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from moderation import permissions
from moderation.evidence import sealing
from moderation.models import Case, Entry, Person, Revision
from moderation.models.case import CaseQuerySet
from moderation.review import queue

from . import context
from .people import person_of

OF_A_KIND = 5
LONGEST = 2000
NUMBER = re.compile(r"(?:case\s*)?#?([0-9]{1,18})", re.IGNORECASE)
HASH = re.compile(r"[0-9a-fA-F]{8,64}")
LINK = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
DIGESTS = {"md5": 32, "sha1": 40, "sha256": 64, "pdq": 64, "url_key": 32}  # hex digits


@dataclass(frozen=True)
class Place:
    """Where one can go."""

    words: str
    kind: str
    address: str


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters("to")
def jump(request: HttpRequest) -> HttpResponse:
    """The box on a page of its own; a script asks for what was found alone."""
    said = request.POST.get("to", "").strip()[:LONGEST]
    found = list(places(said, request)) if said else []
    part = request.headers.get("HX-Request") == "true"
    answer = render(
        request,
        "components/jump_found.html" if part else "moderation/jump.html",
        {"found": found, "said": said},
    )
    answer["Cache-Control"] = "no-store"
    return answer


def places(said: str, request: HttpRequest) -> Iterator[Place]:
    """What the words lead to, the surest first; nothing that this person may not open."""
    user = person_of(request)
    yield from _cases(said, user)
    yield from _pages(said, request)
    yield from _datasets(said, user)
    yield from _people(said, user)


def _cases(said: str, user: User) -> Iterator[Place]:
    cases = queue.openable_by(user)
    if number := NUMBER.fullmatch(said):
        for case in cases.filter(pk=int(number[1])):
            yield _case(case, "by its number")
    if LINK.fullmatch(said):
        entries = Entry.objects.filter(url_key=sealing.url_key(said))
        for case in cases.filter(flags__entry__in=entries).distinct()[:OF_A_KIND]:
            yield _case(case, "has this link")
    if HASH.fullmatch(said):
        for case in islice(_by_hash(said.lower(), cases), OF_A_KIND):
            yield _case(case, "has this hash")


def _by_hash(said: str, cases: CaseQuerySet) -> Iterator[Case]:
    """The cases with an entry whose digest or PDQ, or the keyed hash of whose link, begins so."""
    seen: set[int] = set()
    for name, digits in DIGESTS.items():
        if len(said) > digits:
            continue
        low, high = bytes.fromhex(said.ljust(digits, "0")), bytes.fromhex(said.ljust(digits, "f"))
        entries = Entry.objects.filter(**{f"{name}__gte": low, f"{name}__lte": high})
        for case in cases.filter(flags__entry__in=entries).distinct()[:OF_A_KIND]:
            if case.pk not in seen:
                seen.add(case.pk)
                yield case


def _case(case: Case, why: str) -> Place:
    return Place(f"Case {case.pk}", f"case, {why}", reverse("moderation:case", args=[case.pk]))


def _pages(said: str, request: HttpRequest) -> Iterator[Place]:
    own = [("Overview", reverse("home")), ("My account", reverse("mfa_index"))]
    named = [(item["label"], item["address"]) for item in context.rail(request)] + own
    for label, address in named:
        if said.lower() in label.lower():
            yield Place(label, "page", address)


def _datasets(said: str, user: User) -> Iterator[Place]:
    if len(said) < 2 or not user.has_perm(permissions.SCAN_VIEW):
        return
    name, _, label = said.partition("@")
    revisions = Revision.objects.filter(dataset__name__icontains=name, label__startswith=label)
    for revision in revisions.select_related("dataset")[:OF_A_KIND]:
        yield Place(str(revision), "dataset", reverse("moderation:revision", args=[revision.pk]))


def _people(said: str, user: User) -> Iterator[Place]:
    """By pseudonym, for whoever may open the page of a person: names are not asked for here."""
    if len(said) < 2 or not user.has_perm(permissions.PREVIEW_GRANT):
        return
    for person in Person.objects.filter(pseudonym__icontains=said)[:OF_A_KIND]:
        address = reverse("moderation:member", args=[person.user_id])
        yield Place(person.pseudonym, "person", address)
