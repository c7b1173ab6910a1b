"""People, for whoever manages them: adding one, and what is done to one; each asks first."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from moderation.forms.members import AddPersonForm, ChangePersonForm
from moderation.people import factors, identities, members
from moderation.permissions import USER_MANAGE

from .people import person_of
from .team import member_page

manages_people = permission_required(USER_MANAGE, raise_exception=True)


@never_cache
@require_http_methods(["GET", "POST"])
@manages_people
def add_person(request: HttpRequest) -> HttpResponse:
    """Add a person, who then chooses a password by a link."""
    by = person_of(request)
    form = AddPersonForm(request.POST or None, by=by)
    if request.method == "POST" and form.is_valid():
        try:
            person = members.add(by=by, **form.cleaned_data)
        except members.PersonRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "The person is added. Make the link to a password next.")
            return redirect("moderation:member", pk=person.pk)
    status = 400 if request.method == "POST" else 200
    return render(request, "moderation/add_person.html", {"form": form}, status=status)


@require_POST
@manages_people
def change_person(request: HttpRequest, pk: int) -> HttpResponse:
    """Change login, mail address and roles; never one's own."""
    person, by = _person(request, pk), person_of(request)
    if person.pk == by.pk:
        raise PermissionDenied
    form = ChangePersonForm(request.POST, by=by, person=person)
    if not form.is_valid():
        return member_page(request, person, change_form=form, status=400)
    try:
        changed = members.change(person, by=by, **form.cleaned_data)
    except members.PersonRefused as refusal:
        form.add_error(None, str(refusal))
        return member_page(request, person, change_form=form, status=400)
    messages.success(request, "Saved." if changed else "Nothing was different.")
    return redirect("moderation:member", pk=pk)


@require_POST
@manages_people
def switch_person(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch somebody off, or on again."""
    person, by = _person(request, pk), person_of(request)
    if request.POST.get("to") == "on":
        done = members.switch_on(person, by=by)
        said = "The person can log in again. Grants that ended meanwhile are given anew."
    else:
        done = members.switch_off(person, by=by)
        said = "The person is switched off: their cases went back, their sessions ended."
    _say(request, done, said)
    return redirect("moderation:member", pk=pk)


@require_POST
@manages_people
def reset_factors(request: HttpRequest, pk: int) -> HttpResponse:
    """Take away the second steps of somebody who lost theirs."""
    factors.reset(_person(request, pk), by=person_of(request))
    messages.success(request, "The second steps are reset, and every session ended.")
    return redirect("moderation:member", pk=pk)


@require_POST
@manages_people
def end_sessions(request: HttpRequest, pk: int) -> HttpResponse:
    ended = members.end_sessions(_person(request, pk), by=person_of(request))
    _say(request, bool(ended), f"Sessions ended: {ended}.")
    return redirect("moderation:member", pk=pk)


@require_POST
@manages_people
def record_subject(request: HttpRequest, pk: int) -> HttpResponse:
    """Write down who somebody is at the identity provider; empty takes it away."""
    person, subject = _person(request, pk), request.POST.get("subject", "").strip()
    if not identities.offered():
        raise Http404
    try:
        done = identities.record_subject(person, subject, by=person_of(request))
    except members.PersonRefused as refusal:
        messages.error(request, str(refusal))
    else:
        _say(request, done, "Recorded." if subject else "Removed: nobody signs in as this person.")
    return redirect("moderation:member", pk=pk)


@never_cache
@require_POST
@manages_people
def make_link(request: HttpRequest, pk: int) -> HttpResponse:
    """Make the link by which the person chooses a password; only this answer shows it."""
    person = _person(request, pk)
    parts = members.make_link(person, by=person_of(request))
    return _once(
        request,
        person,
        title="Link to choose a password",
        text="It works once, for a day; the present password stays until then. Hand it to the"
        " person alone.",
        secret=request.build_absolute_uri(reverse("choose_password", args=parts)),
    )


@never_cache
@require_POST
@manages_people
def change_token(request: HttpRequest, pk: int) -> HttpResponse:
    """Make or withdraw the person's token of the API; only this answer shows a new key."""
    person, by = _person(request, pk), person_of(request)
    if request.POST.get("step") != "make":
        _say(request, members.withdraw_token(person, by=by), "The token is withdrawn.")
        return redirect("moderation:member", pk=pk)
    return _once(
        request,
        person,
        title="Token for the API",
        text="A program that screens for this person sends it. A token made before is no longer"
        " good.",
        secret=members.make_token(person, by=by),
    )


def _person(request: HttpRequest, pk: int) -> User:
    person = get_object_or_404(User.objects.select_related("person"), pk=pk)
    if not members.may_change(person, by=person_of(request)):
        raise PermissionDenied
    return person


def _say(request: HttpRequest, done: bool, said: str) -> None:
    if done:
        messages.success(request, said)
    else:
        messages.warning(request, "That was so already. Nothing was changed.")


def _once(request: HttpRequest, person: User, **more: Any) -> HttpResponse:
    return render(request, "moderation/shown_once.html", {"person": person} | more)
