"""Which custody events are asked for, and what to mend where none fits."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet

from moderation.forms.audit import AuditFilter, first_moment, last_moment
from moderation.models import CustodyEvent, HashListVersion, Person

from . import custody_words

Events = QuerySet[CustodyEvent]
PREVIEWS = ("preview_revealed", "preview_opened")
CLOCKS = timedelta(hours=1)  # no two machines are further apart
PSEUDONYM = re.compile(r"(?:person\W+|user\W+)?(P-[0-9A-Z]+)", re.IGNORECASE)


def narrowed(events: Events, chosen: Mapping[str, Any]) -> Events:
    """Apply the filters of AuditFilter, each a code or its words."""
    if action := chosen.get("action"):
        events = events.filter(action=custody_words.code_of(action, custody_words.ACTIONS))
    if actor := chosen.get("actor"):
        events = events.filter(actor=_actor(actor))
    if about := chosen.get("object"):
        events = events.filter(all_about(about))
    if role := chosen.get("role"):
        events = events.filter(role__regex=rf"(^|,){re.escape(role)}(,|$)")
    if level := chosen.get("level"):
        events = events.filter(action__in=PREVIEWS, after__level__gte=int(level))
    if (only := chosen.get("only")) == "links":
        whole = Q(action="reports_exported", after__whole=True)
        events = events.filter(whole | Q(action="url_unmasked"))
    elif only == "exact":
        events = events.filter(action__in=PREVIEWS, after__exact_match=True)
    if reason := chosen.get("reason"):
        code = custody_words.code_of(reason, custody_words.KNOWN_REASONS)
        events = events.filter(Q(reason__startswith=reason) | Q(reason__startswith=code))
    return between(events, chosen)


def between(events: Events, chosen: Mapping[str, Any]) -> Events:
    """Keep to the days asked for.

    The chain is in the order of time but for the clocks of several machines, so days are found as
    numbers first: then no index has to be read through to a day long past.
    """
    chain = CustodyEvent.objects.all()
    if since := first_moment(chosen):
        first = chain.filter(at__gte=since - CLOCKS).order_by("at").values_list("seq").first()
        events = events.filter(seq__gte=first[0], at__gte=since) if first else events.none()
    if until := last_moment(chosen):
        last = chain.filter(at__lt=until + CLOCKS).order_by("-at").values_list("seq").first()
        events = events.filter(seq__lte=last[0], at__lt=until) if last else events.none()
    return events


def all_about(text: str) -> Q:
    """What is told of an object, and of what hangs on it: a case's reports and removals, a list's
    versions and values, what a person did and what was done to them."""
    if version := custody_words.version_of(text):
        return Q(object_type="hashlistversion", object_id=str(version.pk))
    if match := PSEUDONYM.fullmatch(text.strip()):
        person = Person.objects.filter(pseudonym__iexact=match[1]).first()
        return about_person(person) if person else Q(actor=_actor(match[1]))
    kind, number = custody_words.object_of(text)
    if not number:
        return Q(object_type=kind)
    itself = Q(object_type=kind, object_id=number)
    if not number.isdecimal() or len(number) > 18:  # no more than a column of numbers can hold
        return itself
    if kind == "case":
        named = CustodyEvent.objects.filter(after__case=int(number))
        reports = named.filter(object_type="report").values_list("object_id", flat=True)
        of_reports = Q(object_type="report", object_id__in=list(set(reports)))
        return itself | Q(after__case=int(number)) | of_reports
    if kind == "hashlist":
        versions = HashListVersion.objects.filter(hash_list=int(number)).values_list(
            "pk", flat=True
        )
        of_versions = Q(object_type="hashlistversion", object_id__in=[str(pk) for pk in versions])
        return itself | of_versions | Q(object_type="knownhash", after__hash_list=int(number))
    if kind == "user" and (person := Person.objects.filter(user=int(number)).first()):
        return about_person(person)
    return itself


def about_person(person: Person) -> Q:
    return Q(actor=person.pseudonym) | Q(object_type="user", object_id=str(person.user_id))


def hint(events: Events, form: AuditFilter) -> str:
    """What to mend where no event fits: the first filter that by itself fits none is named."""
    for name, errors in form.errors.items():
        label = form.fields[name].label if name in form.fields else "Filters"
        return f"{label}: {errors[0]}"
    chosen = form.chosen()
    wrong = next(
        (n for n in chosen if not narrowed(events, {n: chosen[n]}).exists()),
        "",
    )
    if wrong == "action":
        return "Action: nothing of that name is recorded. Choose one that the field suggests."
    if wrong == "actor":
        return "By: no event is by that pseudonym. Check its spelling."
    if wrong == "object":
        kind, number = custody_words.object_of(chosen["object"])
        if number and not kind:
            return f"All about: a number alone is not enough. Write of what, as in “case {number}”."
        if number and events.filter(object_type=kind).exists():
            return f"All about: there is no event about {custody_words.kind(kind)} {number}."
        return "All about: no event is about that kind. Choose one that the field suggests."
    if wrong:
        return f"{form.fields[wrong].label}: no event fits this."
    return "Each filter fits some events, but no event fits them all. Take one away."


def _actor(text: str) -> str:
    """A pseudonym as it is written, however somebody typed it; the system has none."""
    return "system" if text.strip().lower() == "system" else text.strip().upper()
