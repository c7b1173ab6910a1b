"""Somebody leaves, is kept out or loses a role: nothing stays with them that is not theirs."""

from django.contrib.auth.models import User
from django.db import transaction

from moderation.review import queue

from . import sessions


@transaction.atomic
def let_everything_go(person: User, *, by: User) -> None:
    """Give the person's cases back to the queue and end every session of theirs."""
    queue.take_back(person, by=by)
    sessions.end_all(person)


@transaction.atomic
def let_go_of_what_is_past(person: User, *, by: User) -> int:
    """Give those of the person's cases back that they may no longer work on; return how many."""
    return queue.take_back(User.objects.get(pk=person.pk), by=by, only_past=True)
