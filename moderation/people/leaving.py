"""Somebody leaves, or is kept out for a while: nothing they hold stays with them."""

from django.contrib.auth.models import User
from django.db import transaction

from moderation.review import queue

from . import sessions


@transaction.atomic
def let_everything_go(person: User, *, by: User) -> None:
    """Give the person's cases back to the queue and end every session of theirs."""
    queue.take_back(person, by=by)
    sessions.end_all(person)
