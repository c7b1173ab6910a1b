"""Views of the queue and the audit page: filters kept under a name, one's own or shared.

A view holds an address and opens no door: whoever may not open its page does not find it, and the
page shows what they may see.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from moderation.forms.audit import AuditFilter
from moderation.forms.queue import QueueFilter
from moderation.forms.saved_views import SavedViewForm
from moderation.models import SavedView
from moderation.permissions import AUDIT_VIEW, CASE_LIST, CASE_OPEN

from .people import person_of

OWN_AT_MOST = 30


@dataclass(frozen=True)
class Page:
    """A page that has views: who may open it, its filters, and the views it comes with."""

    route: str
    needs: tuple[str, ...]
    filters: type[forms.Form]
    built_in: tuple[tuple[str, str], ...] = ()


PAGES = {
    SavedView.Page.QUEUE: Page("moderation:queue", (CASE_LIST, CASE_OPEN), QueueFilter),
    SavedView.Page.AUDIT: Page(
        "moderation:audit",
        (AUDIT_VIEW,),
        AuditFilter,
        (
            ("L3 and above this week", "within=week&level=3"),
            ("Exports with URLs", "action=reports_exported&only=links"),
            ("Reveals on exact matches", "only=exact"),
        ),
    ),
}


def shown(request: HttpRequest, name: SavedView.Page, form: forms.Form) -> dict[str, Any]:
    """What the page's row of views needs; ``form`` holds the filters now in force."""
    page, user = PAGES[name], person_of(request)
    address, query = reverse(page.route), query_of(form) if form.is_valid() else ""
    views = list(SavedView.objects.of(user).filter(page=name))
    chips = [
        {"name": said, "address": f"{address}?{kept}", "current": kept == query}
        for said, kept in page.built_in
    ]
    chips += [
        {
            "name": view.name,
            "address": reverse("moderation:saved_view", args=[view.pk]),
            "current": view.query == query,
            "shared_by": "you" if view.owner_id == user.pk else "somebody else",
            "shared": view.shared,
        }
        for view in views
    ]
    own = [view for view in views if view.owner_id == user.pk]
    known = {kept for _, kept in page.built_in} | {view.query for view in own}
    return {
        "page": name,
        "chips": chips,
        "own": [(view, SavedViewForm(instance=view, auto_id=f"view-{view.pk}-%s")) for view in own],
        "query": query,
        "form": SavedViewForm(auto_id="new-view-%s") if query and query not in known else None,
    }


@require_POST
def save_view(request: HttpRequest) -> HttpResponse:
    """Keep the filters of a page under a name; those that its form does not understand are not."""
    name, user = request.POST.get("page", ""), person_of(request)
    if name not in PAGES or not user.has_perms(PAGES[SavedView.Page(name)].needs):
        raise Http404
    page = PAGES[SavedView.Page(name)]
    filters = page.filters(QueryDict(request.POST.get("query", "")))
    query = query_of(filters) if filters.is_valid() else ""
    form = SavedViewForm(request.POST, instance=SavedView(owner=user, page=name, query=query))
    if not query:
        messages.error(request, "Nothing was saved: choose filters first.")
    elif SavedView.objects.filter(owner=user, page=name).count() >= OWN_AT_MOST:
        messages.error(request, f"You have {OWN_AT_MOST} views here: delete one first.")
    elif kept(request, form):
        messages.success(request, f"The view “{form.instance.name}” is saved.")
    return redirect(f"{reverse(page.route)}?{query}")


@require_http_methods(["GET", "HEAD", "POST"])
def saved_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a view; by POST, name it anew or share it, if it is one's own."""
    view = found(request, pk, own=request.method == "POST")
    page = PAGES[SavedView.Page(view.page)]
    if request.method == "POST" and kept(request, SavedViewForm(request.POST, instance=view)):
        messages.success(request, f"The view is now “{view.name}”.")
    filters = page.filters(QueryDict(view.query))
    if filters.is_valid():
        return redirect(f"{reverse(page.route)}?{view.query}")
    wrong = ", ".join(str(filters[name].label) for name in filters.errors if name in filters.fields)
    messages.error(
        request,
        f"The view “{view.name}” no longer fits ({wrong}): what it names is gone. "
        "Choose the filters anew and save them.",
    )
    return redirect(page.route)


@require_POST
def delete_view(request: HttpRequest, pk: int) -> HttpResponse:
    view = found(request, pk, own=True)
    view.delete()
    messages.success(request, f"The view “{view.name}” is deleted.")
    return redirect(PAGES[SavedView.Page(view.page)].route)


def found(request: HttpRequest, pk: int, *, own: bool) -> SavedView:
    """The view, if the person may open its page, and it is theirs or shared; else Http404."""
    user = person_of(request)
    view = SavedView.objects.of(user).filter(pk=pk).first()
    if view is None or not user.has_perms(PAGES[SavedView.Page(view.page)].needs):
        raise Http404
    if own and view.owner_id != user.pk:
        raise Http404
    return view


def kept(request: HttpRequest, form: SavedViewForm) -> bool:
    """Save what the form holds, or say what is wrong with it; return whether it is saved."""
    if not form.is_valid():
        messages.error(request, f"Nothing was saved. {next(iter(form.errors.values()))[0]}")
        return False
    try:
        with transaction.atomic():
            form.save()
    except IntegrityError:
        messages.error(request, "You have a view of this name: choose another.")
        return False
    return True


def query_of(form: forms.Form) -> str:
    """The filters of a valid form as they stand in the address, always in the same order."""
    said = {
        name: field.prepare_value(form.cleaned_data[name]) for name, field in form.fields.items()
    }
    return urlencode({name: value for name, value in said.items() if value})
