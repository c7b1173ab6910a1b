"""The team: who works on what, by which grant, until when; giving and withdrawing grants.

A lead sees pseudonyms; who manages people sees names; an auditor looks up one name at a time, which
is recorded.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required, user_passes_test
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from rest_framework.authtoken.models import Token

from moderation.forms.grants import FetchGrantForm, GrantForm, TrainingForm
from moderation.forms.members import ChangePersonForm
from moderation.models import Case, FetchGrant, Grant, Training, Wellness
from moderation.people import (
    factors,
    fetch_granting,
    granting,
    identities,
    members,
    sessions,
    training,
)
from moderation.permissions import (
    DECIDE_FINAL,
    IDENTITY_VIEW,
    PREVIEW_GRANT,
    SETTINGS_MANAGE,
    USER_MANAGE,
    WELLNESS_TEAM,
)
from moderation.review import budget

from .paging import page_of
from .people import person_of

PEOPLE = 50
PAST = 20  # of a person's ended grants, the last ones
SEES_THE_TEAM = (PREVIEW_GRANT, USER_MANAGE, IDENTITY_VIEW)


def _sees_the_team(user: Any) -> bool:
    if not any(user.has_perm(name) for name in SEES_THE_TEAM):
        raise PermissionDenied
    return True


@require_safe
@never_cache
@user_passes_test(_sees_the_team)
def team(request: HttpRequest) -> HttpResponse:
    """Everybody who may need a grant, with the grants in force; those running out first."""
    giver = person_of(request)
    people = page_of(request, _people(giver), size=PEOPLE)
    live: dict[int, list[Grant]] = {}
    for grant in Grant.objects.live().filter(person__in=list(people)).order_by("ends_at"):
        live.setdefault(grant.person_id, []).append(grant)
    at_work, held = sessions.at_work(people), _held_by(people)
    rows = [
        {
            "person": person,
            "roles": _roles(person),
            "grants": live.get(person.pk, []),
            "at_work": person.pk in at_work,
            "held": held.get(person.pk, 0),
        }
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
            "trainings_soon": _trainings_running_out(),
            "training_days": training.SOON,
            "names": giver.has_perm(USER_MANAGE),
            "sees_load": giver.has_perm(PREVIEW_GRANT),
            "takes_over": giver.has_perm(DECIDE_FINAL),
            "asking": _asking(giver),
        },
    )


@require_safe
@never_cache
@user_passes_test(_sees_the_team)
def member(request: HttpRequest, pk: int) -> HttpResponse:
    """One person: roles, grants, and what the one who looks may do about them."""
    person, by = _person(request, pk), person_of(request)
    if by.has_perm(IDENTITY_VIEW) and not by.has_perm(USER_MANAGE):
        members.note_identity_shown(person, by=by)
    return member_page(request, person)


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
    return member_page(request, person, grant_form=form, status=400)


@require_POST
@permission_required(PREVIEW_GRANT, raise_exception=True)
def record_training(request: HttpRequest, pk: int) -> HttpResponse:
    """Write down a training of somebody else's."""
    person, form = _person(request, pk), TrainingForm(request.POST)
    if person.pk == person_of(request).pk:
        raise PermissionDenied
    if form.is_valid():
        try:
            training.record(person, by=person_of(request), **form.cleaned_data)
        except training.TrainingRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "The training is on record.")
            return redirect("moderation:member", pk=pk)
    return member_page(request, person, training_form=form, status=400)


@require_POST
@permission_required(PREVIEW_GRANT, raise_exception=True)
def strike_training(request: HttpRequest, pk: int) -> HttpResponse:
    """Strike out a record that is wrong; never one's own."""
    wrong = get_object_or_404(Training, pk=pk, person__in=_people(person_of(request)))
    if training.strike(wrong, by=person_of(request)):
        messages.success(request, "The record is struck out, and grants on it have ended.")
    else:
        messages.error(request, "This record was struck out already. Nothing was changed.")
    return redirect("moderation:member", pk=wrong.person_id)


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


@require_POST
@permission_required(SETTINGS_MANAGE, raise_exception=True)
def let_fetch(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the person start scans that fetch; never oneself."""
    person, form = _person(request, pk), FetchGrantForm(request.POST)
    if person.pk == person_of(request).pk:
        raise PermissionDenied
    if form.is_valid():
        try:
            fetch_granting.give(person, by=person_of(request), days=form.cleaned_data["days"])
        except granting.GrantRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "The grant of fetching is given, and in force now.")
            return redirect("moderation:member", pk=pk)
    return member_page(request, person, fetch_form=form, status=400)


@require_POST
@permission_required(SETTINGS_MANAGE, raise_exception=True)
def end_fetching(request: HttpRequest, pk: int) -> HttpResponse:
    """End a grant of fetching at once; never one's own."""
    grant = get_object_or_404(FetchGrant, pk=pk, person__in=_people(person_of(request)))
    if fetch_granting.withdraw(grant, by=person_of(request)):
        messages.success(request, "The grant of fetching is withdrawn, and ended at once.")
    else:
        messages.error(request, "This grant had ended already. Nothing was changed.")
    return redirect("moderation:member", pk=grant.person_id)


def _held_by(people: Iterable[User]) -> dict[int, int]:
    """How many cases each of them holds now, in work, on hold or handed; by the person's id."""
    held = Case.objects.leased().filter(leased_by__in=list(people)).values_list("leased_by")
    return dict(held.annotate(count=Count("pk")))


def _trainings_running_out() -> QuerySet[Training]:
    """Of those who work on cases and are let in: trainings that soon count no more."""
    members_ = User.objects.filter(is_active=True, groups__name__in=granting.WITH_PREVIEWS)
    soon = Training.objects.running_out(training.SOON).filter(person__in=members_.values("pk"))
    return soon.select_related("person__person").order_by("until")


def _people(giver: User) -> QuerySet[User]:
    """Whom the giver sees: operators and auditors everybody, a lead those who work on cases."""
    people = User.objects.select_related("person").prefetch_related("groups")
    if not (giver.has_perm(USER_MANAGE) or giver.has_perm(IDENTITY_VIEW)):
        people = people.filter(
            pk__in=User.objects.filter(groups__name__in=granting.WITH_CASES).values("pk")
        )
    return people.order_by("-is_active", "pk")


def _person(request: HttpRequest, pk: int) -> User:
    return get_object_or_404(_people(person_of(request)), pk=pk)


def _asking(giver: User) -> "QuerySet[Wellness] | list[Wellness]":
    """Whose exposure this person may reset: never their own."""
    if not giver.has_perm(WELLNESS_TEAM):
        return []
    return budget.asking().exclude(person=giver).select_related("person__person")


def _roles(person: User) -> str:
    names = sorted(group.name for group in person.groups.all())
    return ", ".join(names).replace("_", " ")


def member_page(
    request: HttpRequest,
    person: User,
    *,
    grant_form: GrantForm | None = None,
    change_form: ChangePersonForm | None = None,
    training_form: TrainingForm | None = None,
    fetch_form: FetchGrantForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page of a person, with the form that was refused, if one was."""
    by = person_of(request)
    grants = Grant.objects.filter(person=person).select_related("given_by__person", "training")
    live = grants.live()
    own = person.pk == by.pk
    held = {group.name for group in person.groups.all()}
    context: dict[str, Any] = {
        "person": person,
        "their_roles": _roles(person),  # the frame's own "roles" are those of who looks
        "live": live.order_by("ends_at"),
        "past": grants.exclude(pk__in=live).order_by("-ends_at")[:PAST],
        "form": grant_form or GrantForm(),
        "trainings": Training.objects.filter(person=person)
        .select_related("recorded_by__person")
        .order_by("-until", "-pk")[:PAST],
        "training_form": training_form or TrainingForm(),
        "fetching": FetchGrant.objects.filter(person=person)
        .select_related("given_by__person")
        .order_by("-ends_at", "-pk")[:PAST],
        "fetch_form": fetch_form or FetchGrantForm(),
        "may_fetch": bool(held & set(fetch_granting.FETCHING)),
        "may_let_fetch": by.has_perm(SETTINGS_MANAGE) and not own,
        "now": timezone.now(),
        "today": timezone.localdate(),
        "own": own,
        "may_need": bool(held & set(granting.WITH_CASES)),
        "may_look": bool(held & set(granting.WITH_PREVIEWS)),
        "may_give": by.has_perm(PREVIEW_GRANT) and not own,
        "names": by.has_perm(USER_MANAGE) or by.has_perm(IDENTITY_VIEW),
    }
    if members.may_change(person, by=by):
        context |= {
            "manages": True,
            "change_form": change_form or ChangePersonForm(by=by, person=person),
            "has_password": person.has_usable_password(),
            "subject": identities.subject_of(person),
            "has_factor": factors.has_one(person),
            "session_count": len(sessions.of(person)),
            "token": Token.objects.filter(user=person).first(),
        }
    return render(request, "moderation/member.html", context, status=status)
