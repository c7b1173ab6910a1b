"""The overview: what waits for this person and what is running; and the choice of colours."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from moderation import permissions
from moderation.models import (
    CustodyEvent,
    Dispute,
    FetchGrant,
    Grant,
    HashList,
    LegalBasis,
    Person,
    Removal,
    Scan,
    Training,
)
from moderation.models.person import Contrast, TextSize, Theme
from moderation.people import granting, training
from moderation.review import listing

from . import custody_words
from .audit import status_of_chain
from .hash_lists import set_aside
from .people import Own, own_of, person_of

LOOK = {"theme": Theme, "contrast": Contrast, "text_size": TextSize}
AGREEMENT_NOTICE = timedelta(days=30)
SCANS_SHOWN = 5


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """One panel for each kind of work that the person's roles contain."""
    user = person_of(request)
    panels = {
        "cases": (permissions.CASE_OPEN, lambda: waiting_cases(own_of(request))),
        "scans": (permissions.SCAN_VIEW, running_scans),
        "removals": (permissions.MANIFEST_PUBLISH, removals_due),
        "lists": (permissions.LIST_MANAGE, lists_to_look_after),
        "grants": (permissions.PREVIEW_GRANT, grants_running_out),
        "fetching": (permissions.SETTINGS_MANAGE, fetching),
        "audit": (permissions.AUDIT_VIEW, lambda: recent_events(user)),
    }
    shown = {name: look() for name, (needs, look) in panels.items() if user.has_perm(needs)}
    may_report = any(
        user.has_perm(name) for name in (permissions.REPORT_COMPOSE, permissions.REPORT_APPROVE)
    )
    return render(
        request,
        "moderation/home.html",
        {
            "panels": shown,
            "mine": running_out_for(user),
            "may_report": may_report,
            "has_work": bool(shown) or may_report,
        },
    )


@require_POST
def set_look(request: HttpRequest) -> HttpResponse:
    """Keep the colours, contrast or size of text that the person chose, and go back."""
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = "/"
    chosen = {
        name: request.POST[name]
        for name, choices in LOOK.items()
        if request.POST.get(name) in choices.values
    }
    if chosen:
        Person.objects.filter(user=person_of(request)).update(**chosen)
    return HttpResponseRedirect(back)


def waiting_cases(own: Own) -> dict[str, Any]:
    """Return what the queue counts for this person, and whether they also decide as a lead."""
    leads = own.user.has_perm(permissions.DECIDE_FINAL)
    overdue = listing.overdue(own.classes) if leads else 0
    return listing.figures(own.user, classes=own.classes) | {"is_lead": leads, "overdue": overdue}


def running_scans() -> dict[str, Any]:
    """Return the scans under way and the last ones that ended."""
    scans = Scan.objects.select_related("revision__dataset").order_by("-started_at")
    return {
        "live": list(scans.live()[:SCANS_SHOWN]),
        "ended": list(scans.exclude(finished_at=None)[:SCANS_SHOWN]),
    }


def removals_due() -> list[Any]:
    """Return the revisions with confirmed removals that no manifest holds yet."""
    return list(
        Removal.objects.filter(state=Removal.State.DUE)
        .values("entry__revision", "entry__revision__dataset__name", "entry__revision__label")
        .annotate(count=Count("pk"))
        .order_by("entry__revision__dataset__name", "entry__revision__label")
    )


def lists_to_look_after() -> dict[str, Any]:
    """Return the lists that do no work, or soon will not."""
    now = timezone.now()
    lists = HashList.objects.all()
    return {
        "in_force": lists.in_force(at=now).count(),
        "empty": list(lists.filter(current=None)),
        "off": list(lists.filter(enabled=False)),
        "set_aside": [
            (each, count) for pk, count in set_aside().items() for each in lists.filter(pk=pk)
        ],
        "disputes": list(
            Dispute.objects.filter(state=Dispute.State.RAISED)
            .order_by("known_hash__hash_list__slug")
            .values_list("known_hash__hash_list__slug")
            .annotate(count=Count("pk"))
        ),
        "expiring": list(lists.filter(expires_at__lt=now + AGREEMENT_NOTICE)),
    }


def grants_running_out() -> dict[str, Any]:
    """Return how many grants soon end, for whoever renews them."""
    soon = Grant.objects.running_out(granting.SOON).count()
    return {"soon": soon, "days": granting.SOON}


def running_out_for(user: User) -> dict[str, Any]:
    """Return what of the person's own soon ends: grants, and the training that previews rest on."""
    mine = Grant.objects.running_out(granting.SOON).filter(person=user)
    return {
        "grants": list(mine.order_by("ends_at")),
        "fetching": list(
            FetchGrant.objects.running_out(granting.SOON).filter(person=user).order_by("ends_at")
        ),
        "trainings": list(Training.objects.running_out(training.SOON).filter(person=user)),
    }


def fetching() -> dict[str, Any]:
    """Return the legal basis that now allows fetching, or None."""
    return {"basis": LegalBasis.objects.current().order_by("-until").first()}


def recent_events(user: User) -> dict[str, Any]:
    """Return the newest events, and what the last check of the chain found."""
    events = list(CustodyEvent.objects.readable_by(user).order_by("-seq")[:SCANS_SHOWN])
    versions = custody_words.versions_in(events)
    return {
        "events": [custody_words.told(event, versions) for event in events],
        "chain": status_of_chain(),
    }
