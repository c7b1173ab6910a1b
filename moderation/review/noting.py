"""Notes on a case, by people at work on it; whoever must stay blind reads only their own."""

from django.contrib.auth.models import User
from django.db import transaction

from moderation import permissions
from moderation.models import Case, CustodyEvent, Note


class NotAtWork(Exception):
    """This person does not work on the case; the message says what to do."""


def may_note(case: Case, *, by: User) -> bool:
    """Whether they hold the case by a lease of any kind, or are a lead."""
    if not by.has_perm(permissions.DECIDE):
        return False
    held = Case.objects.leased_to(by).filter(pk=case.pk).exists()
    return held or by.has_perm(permissions.DECIDE_FINAL)


@transaction.atomic
def note(case: Case, *, by: User, text: str) -> Note:
    """Write a note; that it was written goes on record, what it says does not.

    Raises:
        NotAtWork: they neither hold the case nor are a lead.
    """
    if not may_note(case, by=by):
        raise NotAtWork("Take the case first: notes are written by whoever works on it.")
    made = Note.objects.create(case=case, author=by, text=text)
    CustodyEvent.objects.append("case_noted", case, by=by, after={"note": made.pk})
    return made


def notes_of(case: Case, *, by: User, blind: bool) -> list[Note]:
    """The notes that this person may read, oldest first: while blind, their own alone."""
    notes = Note.objects.filter(case=case).select_related("author__person")
    return list(notes.filter(author=by) if blind else notes)
