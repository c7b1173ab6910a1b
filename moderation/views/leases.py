"""What one does with a case instead of answering it: hold, hand over, assign, skip, not for me,
take over.

The buttons stand in the form of the answer, so what was written there comes along as a draft.
"""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from moderation.forms.review import (
    AnswerForm,
    AssignForm,
    HandOverForm,
    HeldForm,
    HoldForm,
    SkipForm,
    draft_in,
)
from moderation.models import Case
from moderation.models.case import CaseConflict
from moderation.models.person import pseudonym_of
from moderation.permissions import CASE_ASSIGN, CASE_OPEN, DECIDE, DECIDE_FINAL
from moderation.review import handing, holding, passing, queue

from . import case_page
from .cases import case_of, note_same_person, what_changed
from .people import person_of


@require_POST
@permission_required((CASE_OPEN, DECIDE), raise_exception=True)
def hold(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep the case for some hours and work on another meanwhile."""
    row, form = case_of(request, pk), HoldForm(request.POST)
    if not form.is_valid():
        return again(request, row, hold=form)
    try:
        until = holding.hold(
            row,
            by=person_of(request),
            token=token_of(request),
            hours=form.cleaned_data["hours"],
            reason=form.cleaned_data["why"],
            draft=draft_in(request.POST),
        )
    except CaseConflict:
        return too_late(request, pk)
    except holding.HoldRefused as refused:
        form.add_error(None, str(refused))
        return again(request, row, hold=form)
    messages.success(request, f"Case {pk} is on hold for you until {until:%-d %b, %H:%M} UTC.")
    return redirect("moderation:my_cases")


@require_POST
@permission_required((CASE_OPEN, DECIDE), raise_exception=True)
def hand_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the case to a named person or to whoever is next, with a note."""
    row, user = case_of(request, pk), person_of(request)
    form = HandOverForm(request.POST, receivers=handing.receivers(row, by=user))
    if not form.is_valid():
        return again(request, row, hand_over=form)
    receiver = form.cleaned_data["receiver"]
    try:
        handing.hand_over(
            row,
            by=user,
            token=token_of(request),
            to=receiver,
            note=form.cleaned_data["note"],
            draft=draft_in(request.POST),
        )
    except CaseConflict:
        return too_late(request, pk)
    except handing.NoReceiver as refused:
        form.add_error("receiver", str(refused))
        return again(request, row, hand_over=form)
    if receiver is None:
        messages.success(request, f"Case {pk} is back in the queue, with your note.")
    else:
        messages.success(request, f"Case {pk} goes to {pseudonym_of(receiver)}, with your note.")
    return redirect("moderation:queue")


@require_POST
@permission_required((CASE_OPEN, DECIDE), raise_exception=True)
def skip(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the case back for a reason from the list."""
    row, form = case_of(request, pk), SkipForm(request.POST)
    if not form.is_valid():
        return again(request, row, skip=form)
    reason = passing.SkipReason(form.cleaned_data["skip_reason"])
    try:
        passing.skip(row, by=person_of(request), token=token_of(request), reason=reason)
    except CaseConflict:
        return too_late(request, pk)
    after = LEFT if reason == passing.SkipReason.CONCERNED else PASSED_ON
    messages.success(request, f"Case {pk} is back in the queue. {after}")
    return redirect("moderation:queue")


@require_POST
@permission_required((CASE_OPEN, DECIDE), raise_exception=True)
def not_for_me(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the case back; nobody asks why."""
    row = case_of(request, pk)
    try:
        passing.not_for_me(row, by=person_of(request), token=token_of(request))
    except CaseConflict:
        return too_late(request, pk)
    messages.success(request, f"Case {pk} is back in the queue. {PASSED_ON}")
    return redirect("moderation:queue")


@require_POST
@permission_required((CASE_OPEN, DECIDE_FINAL), raise_exception=True)
def take_over(request: HttpRequest, pk: int) -> HttpResponse:
    """As a lead, go on with a case that somebody else holds."""
    row, user = case_of(request, pk), person_of(request)
    try:
        handing.take_over(row, by=user)
    except queue.NotYours as refused:
        note_same_person(row, refused, by=user, tried="case_take_over")
        messages.error(request, str(refused))
    return redirect("moderation:case", pk=pk)


@require_POST
@permission_required((CASE_OPEN, CASE_ASSIGN), raise_exception=True)
def assign(request: HttpRequest, pk: int) -> HttpResponse:
    """As a lead, give a case that nobody holds to a named person, with a note."""
    row, user = case_of(request, pk), person_of(request)
    form = AssignForm(request.POST, receivers=handing.receivers(row, by=user))
    if not form.is_valid():
        return case_page.show(request, row, assign_form=form, status=400)
    to = form.cleaned_data["receiver"]
    try:
        handing.assign(row, by=user, to=to, note=form.cleaned_data["note"])
    except handing.NoReceiver as refused:
        form.add_error("receiver", str(refused))
        return case_page.show(request, row, assign_form=form, status=400)
    except queue.NotYours as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"Case {pk} waits for {pseudonym_of(to)}, with your note.")
    return redirect("moderation:case", pk=pk)


PASSED_ON = "Start next does not give it to you again; from the list you can still take it."
LEFT = "It is left to others for good."


def token_of(request: HttpRequest) -> str:
    form = HeldForm(request.POST)
    return form.cleaned_data["token"] if form.is_valid() else ""


def again(request: HttpRequest, row: Case, **asides: Form) -> HttpResponse:
    """The page as it was, with what was written and with what is wrong."""
    if not Case.objects.worked_on_by(person_of(request)).filter(pk=row.pk).exists():
        return too_late(request, row.pk)
    form = AnswerForm(initial=case_page.initial(row) | draft_in(request.POST))
    return case_page.show(request, row, form=form, status=400, asides=asides)


def too_late(request: HttpRequest, pk: int) -> HttpResponse:
    """409: the case is not this tab's any more. What was written is shown, to take it along."""
    now = Case.objects.get(pk=pk)
    changed = what_changed(now, now.edit_no, request)
    draft = draft_in(request.POST)
    return case_page.show(request, now, status=409, conflict=changed, draft=draft)
