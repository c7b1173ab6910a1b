"""Notes: by people at work, never changed, and unseen by whoever must stay blind."""

import pytest
from django.db import transaction
from django.db.utils import DatabaseError

from moderation.models import CustodyEvent, Note
from moderation.review import noting, queue
from tests.moderation.review.making import make_case, settled

pytestmark = pytest.mark.django_db


def test_a_note_leaves_an_event_without_its_text(reviewer):
    case = queue.claim(make_case(), by=reviewer)
    note = noting.note(case, by=reviewer, text="the harbour of the other case")
    event = CustodyEvent.objects.get(action="case_noted")
    assert event.after == {"note": note.pk}
    assert "harbour" not in f"{event.before}{event.after}{event.reason}"


def test_who_does_not_work_on_the_case_writes_none(reviewer, second_reviewer, lead, auditor):
    case = queue.claim(make_case(), by=reviewer)
    for user in (second_reviewer, auditor):
        with pytest.raises(noting.NotAtWork):
            noting.note(case, by=user, text="x")
    assert noting.note(case, by=lead, text="call me")


def test_a_second_person_reads_none_of_the_first(reviewer, second_reviewer, lead):
    case = queue.claim(make_case(), by=reviewer)
    noting.note(case, by=reviewer, text="mine")
    queue.release(case, by=reviewer, token=case.lease_token)
    case = settled(case, reviewer, "REMOVE_KNOWN")
    case = queue.claim(case, by=second_reviewer)
    noting.note(case, by=second_reviewer, text="theirs")
    read = [note.text for note in noting.notes_of(case, by=second_reviewer, blind=True)]
    assert read == ["theirs"]
    read = [note.text for note in noting.notes_of(case, by=lead, blind=False)]
    assert read == ["mine", "theirs"]


def test_a_note_stays_as_it_is(reviewer):
    case = queue.claim(make_case(), by=reviewer)
    noting.note(case, by=reviewer, text="mine")
    for change in (lambda: Note.objects.update(text="x"), lambda: Note.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert Note.objects.get().text == "mine"
