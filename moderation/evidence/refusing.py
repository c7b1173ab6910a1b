"""What was tried and refused, in the chain of custody (console.md 2.6): ids and codes alone.

Each event is a transaction of its own, as what was refused changed nothing. A person who goes on
trying fills no chain: the same refusal within AGAIN is one event, and after MOST different ones
within it one more says that there were others.
"""

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone

from moderation.models import CustodyEvent, Person
from moderation.models.person import pseudonym_of

ACTION = "attempt_refused"
NO_PERMISSION, NOT_FOUND, SAME_PERSON = "no_permission", "not_found", "same_person"
MANY = "many_refused"
AGAIN = timedelta(minutes=1)
MOST = 10  # different refusals of one person within AGAIN


@transaction.atomic
def note(subject: models.Model, *, by: User, tried: str, because: str) -> CustodyEvent | None:
    """Record that something was refused to a person; return the event, None where one says it.

    Call it outside the transaction that was refused: it is rolled back, and the event with it.

    Args:
        subject: what it was about; the person, where nothing else is known.
        tried: the name of the step or of the page's address.
        because: a code.
    """
    actor = pseudonym_of(by)
    Person.objects.select_for_update(no_key=True).get(user=by)  # one at a time, so once is once
    since = timezone.now() - AGAIN
    recent = CustodyEvent.objects.filter(action=ACTION, actor=actor, at__gt=since)
    said = {(e.object_type, e.object_id, e.after.get("tried"), e.reason) for e in recent}
    if len(said) >= MOST:
        subject, tried, because = by, "", MANY
    about = (subject._meta.model_name, str(subject.pk), tried or None, because)
    if about in said:
        return None
    after = {"tried": tried} if tried else {}
    return CustodyEvent.objects.append(ACTION, subject, by=by, after=after, reason=because)
