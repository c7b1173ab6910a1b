"""Writing a note on a case."""

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from moderation.forms.note import NoteForm
from moderation.permissions import CASE_OPEN, DECIDE
from moderation.review import noting

from . import case_page
from .cases import case_of
from .people import person_of


@require_POST
@permission_required((CASE_OPEN, DECIDE), raise_exception=True)
def add_note(request: HttpRequest, pk: int) -> HttpResponse:
    row, form = case_of(request, pk), NoteForm(request.POST)
    if not form.is_valid():
        return case_page.show(request, row, note_form=form, status=400)
    try:
        noting.note(row, by=person_of(request), text=form.cleaned_data["note_text"])
    except noting.NotAtWork as refused:
        form.add_error("note_text", str(refused))
        return case_page.show(request, row, note_form=form, status=409)
    return redirect(f"{reverse('moderation:case', args=[pk])}#notes")
