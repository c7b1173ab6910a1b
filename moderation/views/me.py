"""Me: a person's own page. What stands here nobody else reads.

The one thing that a lead learns from it is that somebody asks for a reset.
"""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from moderation.forms.review import draft_in
from moderation.forms.wellness import ClassesForm, LimitsForm, ShiftForm
from moderation.models import Grant, Reveal, Wellness
from moderation.permissions import CASE_OPEN
from moderation.review import budget, resting

from .people import person_of

BREAK_MINUTES = 10


@require_safe
@never_cache
@permission_required(CASE_OPEN, raise_exception=True)
def me(request: HttpRequest) -> HttpResponse:
    return _page(request)


@require_POST
@permission_required(CASE_OPEN, raise_exception=True)
def lower_limits(request: HttpRequest) -> HttpResponse:
    """Lower one's own limits; a higher one is refused."""
    user = person_of(request)
    form = LimitsForm(request.POST, now=budget.standing(by=user))
    if form.is_valid():
        try:
            budget.lower(by=user, day=form.cleaned_data["day"], week=form.cleaned_data["week"])
        except budget.NotLower as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, "Your limits are set.")
            return redirect("moderation:me")
    return _page(request, status=400, limits=form)


@require_POST
@permission_required(CASE_OPEN, raise_exception=True)
def choose_classes(request: HttpRequest) -> HttpResponse:
    """Leave harm classes out, or their previews above a level; nobody asks why."""
    user = person_of(request)
    form = ClassesForm(request.POST, own=Wellness.objects.of(user))
    if not form.is_valid():
        return _page(request, status=400, classes=form)
    Wellness.objects.update_or_create(person=user, defaults=form.chosen())
    messages.success(request, "Saved. It counts from your next case on.")
    return redirect("moderation:me")


@require_POST
@permission_required(CASE_OPEN, raise_exception=True)
def set_shift(request: HttpRequest) -> HttpResponse:
    """Set when one's shift ends, or take it back."""
    form = ShiftForm(request.POST)
    if not form.is_valid():
        return _page(request, status=400, shift=form)
    resting.set_shift(by=person_of(request), hours=form.cleaned_data["hours"])
    messages.success(request, "Saved.")
    return redirect("moderation:me")


@require_POST
@permission_required(CASE_OPEN, raise_exception=True)
def ask_reset(request: HttpRequest) -> HttpResponse:
    """Ask the leads for a reset of one's exposure."""
    if budget.ask(by=person_of(request)):
        messages.success(request, "Asked. Leads see that you ask, and no figure.")
    else:
        messages.error(request, "There is nothing to reset: no limit was reached or lowered.")
    return redirect("moderation:me")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@permission_required(CASE_OPEN, raise_exception=True)
def take_break(request: HttpRequest) -> HttpResponse:
    """Give the case back, with what was written kept, and show a page with nothing on it."""
    if request.method == "POST":
        resting.take_break(by=person_of(request), draft=draft_in(request.POST))
        return redirect("moderation:break")
    return render(request, "moderation/break.html", {"minutes": BREAK_MINUTES})


@require_POST
@permission_required(CASE_OPEN, raise_exception=True)
def not_now(request: HttpRequest) -> HttpResponse:
    """Go on without the break that was suggested; the cases are counted anew."""
    resting.count_anew(by=person_of(request))
    if request.headers.get("HX-Request"):
        return HttpResponse("")
    return redirect("moderation:queue")


@require_safe
@never_cache
@permission_required(CASE_OPEN, raise_exception=True)
def my_data(request: HttpRequest) -> HttpResponse:
    """One's own looks, limits and settings as a JSON file."""
    user = person_of(request)
    own, now = Wellness.objects.of(user), budget.standing(by=user)
    looks = Reveal.objects.filter(reviewer=user).order_by("pk")
    answer = JsonResponse(
        {
            "taken_at": timezone.now(),
            "looks": list(
                looks.values("case", "entry", "level", "drawing", "issued_at", "opened_at")
            ),
            "limits": {
                "points_in_24_hours": now.day_limit,
                "points_in_7_days": now.week_limit,
                "stopped_at": own.stopped_at,
                "asked_for_a_reset_at": own.asked_at,
                "points_counted_from": own.points_counted_from,
            },
            "settings": {
                "left_out": own.opted_out,
                "highest_level": own.highest,
                "drawing_first": own.drawings,
                "shift_ends_at": own.shift_ends_at,
                "breaks_counted_from": own.breaks_counted_from,
            },
        },
        json_dumps_params={"indent": 2},
    )
    answer["Content-Disposition"] = 'attachment; filename="breakwater-my-data.json"'
    return answer


def _page(request: HttpRequest, *, status: int = 200, **forms: Form) -> HttpResponse:
    user = person_of(request)
    own = Wellness.objects.of(user)
    now = budget.standing(by=user, wellness=own)
    context: dict[str, Any] = {
        "budget": now,
        "own": own,
        "may_ask": now.stopped or own.day_limit is not None or own.week_limit is not None,
        "limits": LimitsForm(now=now),
        "classes": ClassesForm(own=own),
        "shift": ShiftForm(),
        "granted": Grant.objects.classes(user),
        "to_talk_to": settings.PEOPLE_TO_TALK_TO,
        "break_minutes": BREAK_MINUTES,
        "quiet_minutes": settings.SHIFT_QUIET_MINUTES,
        "now": timezone.now(),
    }
    return render(request, "moderation/me.html", context | forms, status=status)
