"""Who else has the page of a case open: a hint, in the cache alone (console.md 2.1).

It says who might be about to take the case, and holds nobody back: that is what leases are for.
Marks end by themselves; when the cache is emptied, or does not answer, nothing is said.
"""

import time

from django.contrib.auth.models import User
from django.core.cache import cache
from redis.exceptions import RedisError

from moderation import permissions
from moderation.models import Case, Person

KEY = "case-open-{}"
RENEWED = 30  # seconds: an open page says so that often, while it is in sight
ENDS = 75  # two may be lost
NAMED = 2
# A first answer may stand, and whoever looks may be who gave it: nobody learns of anybody, for a
# lead may be the second person as well as a reviewer.
BLIND = (Case.State.PROPOSED, Case.State.ANSWERED)


def hint(case: Case, *, by: User) -> str | None:
    """Note that this person has the page open, and return what to tell them of others.

    Empty where there is nobody; None where nothing may be told in this state of the case. Of a case
    that nobody has answered everybody reads how many there are, leads too: each may be its second
    person. Of any other, leads alone read pseudonyms, as they do of whoever holds one.
    """
    others = _mark(case, by=by)
    leads = by.has_perm(permissions.DECIDE_FINAL)
    if case.state in BLIND or (not leads and case.state != Case.State.OPEN):
        return None
    if not others:
        return ""
    if case.state == Case.State.OPEN:
        if len(others) == 1:
            return "One other person also has this page open"
        return f"{len(others)} others also have this page open"
    people = Person.objects.filter(user__in=others).order_by("pseudonym")
    names = list(people.values_list("pseudonym", flat=True))
    if len(names) == 1:
        return f"{names[0]} also has this page open"
    shown, more = names[:NAMED], len(names) - NAMED
    if more > 0:  # short, so that a narrow page has it in one line
        return f"Also here: {', '.join(shown)} and {more} more"
    return f"Also here: {' and '.join(shown)}" if names else ""


def _mark(case: Case, *, by: User) -> list[int]:
    """Note the person among those who have the page open; return the others.

    Of two who write at one moment one is lost, until they say so again.
    """
    now, key = time.time(), KEY.format(case.pk)
    try:
        known: dict[int, float] = cache.get(key) or {}
        others = {who: ends for who, ends in known.items() if ends > now and who != by.pk}
        cache.set(key, others | {by.pk: now + ENDS}, ENDS)
    except RedisError:
        return []
    return list(others)
