"""One case: see the evidence, look if need be, answer, undo."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from moderation.evidence import refusing
from moderation.forms.review import (
    AnswerForm,
    EntryForm,
    HeldForm,
    RevealForm,
    UndoForm,
    draft_in,
)
from moderation.models import Case, CustodyEvent, Entry, Review
from moderation.models.case import CaseConflict
from moderation.permissions import CASE_OPEN, DECIDE, URL_RAW
from moderation.review import answers, company, decisions, exposure, offers, queue
from moderation.tasks import settle_answer

from . import case_page
from .own_sessions import by_itself
from .people import person_of
from .queue import to_next


@require_safe
@never_cache
@permission_required(CASE_OPEN, raise_exception=True)
def case(request: HttpRequest, pk: int) -> HttpResponse:
    return case_page.show(request, case_of(request, pk))


@require_POST
@permission_required((CASE_OPEN, DECIDE), raise_exception=True)
def claim(request: HttpRequest, pk: int) -> HttpResponse:
    """Take this very case; a draft that came along stands in the form again."""
    row, user = case_of(request, pk), person_of(request)
    try:
        row = queue.claim(row, by=user)
    except queue.NotYours as refused:
        note_same_person(row, refused, by=user, tried="case_claim")
        messages.error(request, str(refused))
        return redirect("moderation:case", pk=pk)
    draft = draft_in(request.POST)
    if not draft:
        return redirect("moderation:case", pk=pk)
    return case_page.show(request, row, form=AnswerForm(initial=case_page.initial(row) | draft))


@require_POST
@permission_required((CASE_OPEN, DECIDE), raise_exception=True)
def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """Give an answer and go on, or stay; 409 and what changed when it came too late."""
    row, user = case_of(request, pk), person_of(request)
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return case_page.show(request, row, form=form, status=400)
    given = form.cleaned_data
    try:
        review = answers.give(
            row,
            by=user,
            token=given["token"],
            edit_no=given["edit_no"],
            answer=given["answer"],
            harm_class=given["harm_class"],
            reason=given["reason"],
            duplicate_of=given["duplicate_of"],
            idempotency_key=given["idempotency_key"],
        )
    except (CaseConflict, decisions.SamePerson) as refused:
        note_same_person(row, refused, by=user, tried="case_answer")
        now = Case.objects.get(pk=pk)
        changed = what_changed(now, given["edit_no"], request)
        return case_page.show(request, now, form=form, status=409, conflict=changed, draft=given)
    except offers.Refused as refused:
        form.add_error(refused.field, str(refused))
        form.fields[refused.field].widget.attrs["autofocus"] = True
        return case_page.show(request, row, form=form, status=400)
    except queue.NotYours:
        raise PermissionDenied from None
    settle_later(review)
    if given["then"] == "stay":
        return redirect("moderation:case", pk=pk)
    return to_next(request)


@require_POST
@permission_required((CASE_OPEN, DECIDE), raise_exception=True)
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one's own answer back; too late, or no longer theirs, changes nothing and says so."""
    user, form = person_of(request), UndoForm(request.POST)
    if not form.is_valid():
        raise Http404
    own = Review.objects.select_related("case").filter(case=pk, reviewer=user)
    review = get_object_or_404(own, pk=form.cleaned_data["review"])
    try:
        answers.undo(review, by=user)
    except CaseConflict:
        review.refresh_from_db(fields=["ended"])
        if not queue.openable_by(user).filter(pk=pk).exists():
            refusing.note(review.case, by=user, tried="case_undo", because=refusing.NO_PERMISSION)
            messages.error(
                request, f"Not undone: case {pk} is no longer open to you. Nothing was changed."
            )
            return redirect("moderation:queue")
        if review.ended == Review.Ended.UNDONE:
            messages.info(request, "That answer is undone already.")
        else:
            messages.error(request, "Too late: the answer can no longer be undone.")
    else:
        messages.success(request, "Undone. The case is yours again.")
    return redirect("moderation:case", pk=pk)


@require_POST
@permission_required((CASE_OPEN, DECIDE), raise_exception=True)
def release(request: HttpRequest, pk: int) -> HttpResponse:
    row = case_of(request, pk)
    form = HeldForm(request.POST)
    token = form.cleaned_data["token"] if form.is_valid() else ""
    if queue.release(row, by=person_of(request), token=token):
        messages.success(request, f"Case {pk} is back in the queue.")
    else:
        messages.error(request, f"You no longer hold case {pk}. Nothing was changed.")
    return redirect("moderation:queue")


@by_itself
@require_POST
@permission_required((CASE_OPEN, DECIDE), raise_exception=True)
def renew(request: HttpRequest, pk: int) -> HttpResponse:
    """Prolong the lease: JSON for the script, the page again for a plain form.

    The script sends along what is being written, so that it is kept when the time runs out, and
    learns up to which level a look may stay on the page.
    """
    row = case_of(request, pk)
    form = HeldForm(request.POST)
    wants_json = not request.accepts("text/html")
    try:
        if not form.is_valid():
            raise CaseConflict(f"case {pk}: no token")
        until = queue.renew(
            row,
            by=person_of(request),
            token=form.cleaned_data["token"],
            draft=draft_in(request.POST) if "reason" in request.POST else None,
        )
    except CaseConflict:
        if wants_json:
            return JsonResponse({"seconds_left": 0}, status=409)
        messages.error(request, "Your time with this case has ended.")
        return redirect("moderation:case", pk=pk)
    if wants_json:
        left = (until - queue.database_now()).total_seconds()
        level = exposure.may_stand(row, by=person_of(request))
        return JsonResponse({"seconds_left": int(left), "level": level})
    return redirect("moderation:case", pk=pk)


@by_itself
@require_safe
@never_cache
@permission_required(CASE_OPEN, raise_exception=True)
def case_company(request: HttpRequest, pk: int) -> HttpResponse:
    """The page is still open: who else has it open too, as JSON for the script."""
    return JsonResponse({"hint": company.hint(case_of(request, pk), by=person_of(request)) or ""})


@require_POST
@never_cache
@permission_required(CASE_OPEN, raise_exception=True)
def reveal(request: HttpRequest, pk: int) -> HttpResponse:
    """Log a look and show the stage with its one-use ticket; 409 with the reason when locked."""
    row = case_of(request, pk)
    form = RevealForm(request.POST)
    if not form.is_valid():
        raise Http404
    entry, level = entry_in(row, form.cleaned_data["entry"]), form.cleaned_data["level"]
    drawing = form.cleaned_data["drawing"]
    seen: dict[str, Any]
    try:
        ticket = exposure.reveal(
            row,
            entry,
            by=person_of(request),
            level=level,
            session=_session(request),
            drawing=drawing,
        )
        seen, status = {"ticket": ticket, "level": level, "drawing": drawing}, 200
    except exposure.Locked as locked:
        seen, status = {"refused": str(locked)}, 409
    if not request.headers.get("HX-Request"):
        return case_page.show(request, row, entry=entry, status=status, **seen)
    user = person_of(request)
    context = case_page.frame(row, user=user) | case_page.stage(row, entry, user=user) | seen
    context["fragment"] = True
    return render(request, "moderation/_preview.html", context, status=status)


@require_POST
@never_cache
@permission_required((CASE_OPEN, URL_RAW), raise_exception=True)
def url(request: HttpRequest, pk: int) -> HttpResponse:
    """The full URL of one entry as inert text, on record."""
    return _unsealed(request, pk, name="url", action="url_unmasked")


@require_POST
@never_cache
@permission_required(CASE_OPEN, raise_exception=True)
def caption(request: HttpRequest, pk: int) -> HttpResponse:
    """The caption of one entry, on record: text can harm too, so it is asked for."""
    return _unsealed(request, pk, name="caption", action="caption_shown")


def case_of(request: HttpRequest, pk: int) -> Case:
    """The case, if this person may open cases at all; 404 otherwise."""
    cases = queue.openable_by(person_of(request)).select_related("leased_by__person")
    return get_object_or_404(cases, pk=pk)


def entry_in(row: Case, pk: int) -> Entry:
    entries = Entry.objects.select_related("revision__dataset", "shard")
    return get_object_or_404(entries, pk=pk, flag__case=row)


def note_same_person(row: Case, refused: Exception, *, by: User, tried: str) -> None:
    """Record the refusal where a rule of two people is what refused."""
    if isinstance(refused, decisions.SamePerson | queue.AnsweredBefore):
        refusing.note(row, by=by, tried=tried, because=refusing.SAME_PERSON)


def settle_later(review: Review) -> None:
    """Have the answer settled once its grace is over. Without a broker the minute's sweep does it,
    so a failure to enqueue is logged and nothing more."""

    def enqueue() -> None:
        settle_answer.apply_async(
            (review.pk,), countdown=settings.ANSWER_GRACE_SECONDS + 1, retry=False
        )

    transaction.on_commit(enqueue, robust=True)


def what_changed(row: Case, edit_no: int, request: HttpRequest) -> str:
    """Why an answer was refused, in words that name nobody."""
    if row.edit_no != edit_no:
        return (
            f"The case was changed while you worked: it went from edit {edit_no} to edit "
            f"{row.edit_no} and is now “{row.get_state_display()}”. Your answer was not taken."
        )
    if Case.objects.worked_on_by(person_of(request)).filter(pk=row.pk).exists():
        return (
            "The case is open in another tab of yours. What you sent was not taken from this one."
        )
    if queue.why_not(row, user=person_of(request)):
        return "Your time with this case ended, and it has gone on. What you sent was not taken."
    return "Your time with this case ended before this came. Take it again to go on."


def _session(request: HttpRequest) -> str:
    return request.session.session_key or ""


def _unsealed(request: HttpRequest, pk: int, *, name: str, action: str) -> HttpResponse:
    row = case_of(request, pk)
    form = EntryForm(request.POST)
    if not form.is_valid():
        raise Http404
    entry = entry_in(row, form.cleaned_data["entry"])
    with transaction.atomic():
        CustodyEvent.objects.append(action, row, by=person_of(request), after={"entry": entry.pk})
    text = case_page.text_of(entry, name)
    if request.headers.get("HX-Request"):
        return render(request, "moderation/_unsealed.html", {"name": name, "text": text})
    return case_page.show(request, row, entry=entry, unsealed={name: text})
