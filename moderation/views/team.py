"""The team: who works on what, by which grant, until when; giving and withdrawing grants."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from moderation.forms.grants import GrantForm
from moderation.models import Grant
from moderation.people import granting
from moderation.permissions import PREVIEW_GRANT, USER_MANAGE

from .paging import page_of
from .people import person_of

PEOPLE = 50
PAST = 20  # of a person's ended grants, the last ones


@require_safe
@never_cache
@permission_required(PREVIEW_GRANT, raise_exception=True)
def team(request: HttpRequest) -> HttpResponse:
    """Everybody who may need a grant, with the grants in force; those running out first."""
    giver = person_of(request)
    people = page_of(request, _people(giver), size=PEOPLE)
    live: dict[int, list[Grant]] = {}
    for grant in Grant.objects.live().filter(person__in=list(people)).order_by("ends_at"):
        live.setdefault(grant.person_id, []).append(grant)
    rows = [
        {"person": person, "roles": _roles(person), "grants": live.get(person.pk, [])}
        for person in people
    ]
    return render(
        request,
        "moderation/team.html",
        {
            "page": people,
            "rows": rows,
            "soon": Grant.objects.running_out(granting.SOON)
            .select_related("person__person")
            .order_by("ends_at"),
            "soon_days": granting.SOON,
            "names": giver.has_perm(USER_MANAGE),
        },
    )


@require_safe
@never_cache
@permission_required(PREVIEW_GRANT, raise_exception=True)
def member(request: HttpRequest, pk: int) -> HttpResponse:
    """One person: roles and grants."""
    return _member(request, _person(request, pk), GrantForm())


@require_POST
@permission_required(PREVIEW_GRANT, raise_exception=True)
def give_grant(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the person a grant; never oneself."""
    person, form = _person(request, pk), GrantForm(request.POST)
    if person.pk == person_of(request).pk:
        raise PermissionDenied
    if form.is_valid():
        try:
            granting.give(person, by=person_of(request), **form.cleaned_data)
        except granting.GrantRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "The grant is given, and in force now.")
            return redirect("moderation:member", pk=pk)
    return _member(request, person, form, status=400)


@require_POST
@permission_required(PREVIEW_GRANT, raise_exception=True)
def withdraw_grant(request: HttpRequest, pk: int) -> HttpResponse:
    """End a grant at once; never one's own."""
    grant = get_object_or_404(Grant, pk=pk, person__in=_people(person_of(request)))
    if granting.withdraw(grant, by=person_of(request)):
        messages.success(request, "The grant is withdrawn, and ended at once.")
    else:
        messages.error(request, "This grant had ended already. Nothing was changed.")
    return redirect("moderation:member", pk=grant.person_id)


def _people(giver: User) -> QuerySet[User]:
    """Whom the giver sees: an operator everybody, a lead those who work on cases."""
    people = User.objects.select_related("person").prefetch_related("groups")
    if not giver.has_perm(USER_MANAGE):
        people = people.filter(
            pk__in=User.objects.filter(groups__name__in=granting.WITH_CASES).values("pk")
        )
    return people.order_by("-is_active", "pk")


def _person(request: HttpRequest, pk: int) -> User:
    return get_object_or_404(_people(person_of(request)), pk=pk)


def _roles(person: User) -> str:
    names = sorted(group.name for group in person.groups.all())
    return ", ".join(names).replace("_", " ")


def _member(
    request: HttpRequest, person: User, form: GrantForm, *, status: int = 200
) -> HttpResponse:
    giver = person_of(request)
    grants = Grant.objects.filter(person=person).select_related("given_by__person")
    live = grants.live()
    context: dict[str, Any] = {
        "person": person,
        "their_roles": _roles(person),  # the frame's own "roles" are those of who looks
        "live": live.order_by("ends_at"),
        "past": grants.exclude(pk__in=live).order_by("-ends_at")[:PAST],
        "form": form,
        "own": person.pk == giver.pk,
        "may_need": bool({group.name for group in person.groups.all()} & set(granting.WITH_CASES)),
        "names": giver.has_perm(USER_MANAGE),
        "back_room": giver.has_perm(USER_MANAGE) and giver.is_staff,
    }
    return render(request, "moderation/member.html", context, status=status)
