"""The chain of custody in words: what its actions, objects, names and codes say to an auditor.

A code without words here reads as it is written, without its underscores: nothing is left out.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from moderation.chain import EXPORTED
from moderation.evidence import refusing
from moderation.hash_lists import reasons
from moderation.models import (
    Case,
    CustodyEvent,
    Dispute,
    HashListVersion,
    Preview,
    Removal,
    Review,
    Scan,
)
from moderation.models.case import HarmClass, Triage
from moderation.models.custody import in_groups
from moderation.review import decisions
from moderation.review.passing import SkipReason

ACTIONS = {
    "answer_given": "answer given",
    "answer_settled": "answer took effect",
    "answer_undone": "answer undone",
    "attempt_refused": "attempt refused",
    "caption_shown": "caption shown",
    "case_assigned": "case assigned by a lead",
    "case_claimed": "case taken",
    "case_cleared": "case closed: kept",
    "case_code_open": "case removed; a lead settles the answer and the class",
    "case_confirmed": "case closed: removed",
    "case_disputed": "two people differ on the case",
    "case_escalated": "case goes to a lead",
    "case_handed_over": "case handed over",
    "case_held": "case put on hold",
    "case_joined": "case took another one in",
    "case_merged": "case became part of another",
    "case_noted": "note written on a case",
    "case_pinned": "case pinned",
    "case_unpinned": "case no longer pinned",
    "case_opened": "case opened by a scan",
    "case_parted": "case gave one back that was part of it",
    "case_proposed": "case waits for a second person",
    "case_released": "case given back",
    "case_reopened": "case opened again",
    "case_requeued": "case sent back to be answered anew",
    "case_resumed": "case on hold gone on with",
    "case_taken_over": "case taken over by a lead",
    "case_viewed": "case page read",
    "case_waiting": "case waits until it can be told",
    "case_woken": "case that waited is open again",
    "custody_exported": "events taken out of the chain",
    "dispute_ended": "dispute ended",
    "dispute_raised": "known hash disputed",
    "dispute_told": "list owner told of a dispute",
    "exposure_reset": "exposure reset",
    "evidence_deleted": "sealed bytes deleted",
    "fetching_off": "legal basis ended: fetching off",
    "fetching_on": "legal basis recorded: fetching on",
    "fetching_granted": "grant of fetching given",
    "fetching_withdrawn": "grant of fetching withdrawn",
    "factor_added": "second step set up",
    "factor_removed": "second step removed",
    "factors_reset": "second steps reset",
    "grant_given": "grant given",
    "grant_withdrawn": "grant withdrawn",
    "hash_list_changed": "hash list changed",
    "hash_list_loaded": "hash list loaded",
    "hotline_told": "hotline told on another channel",
    "identity_recorded": "subject at the identity provider written down",
    "identity_removed": "subject at the identity provider removed",
    "identity_shown": "name behind a pseudonym looked up",
    "known_hash_disabled": "known hash disabled",
    "known_hash_enabled": "known hash in force again",
    "known_hash_released": "known hash released",
    "known_hash_set_aside": "known hash set aside: too many matches",
    "lease_expired": "time for the case ran out",
    "legal_hold_lifted": "legal hold lifted",
    "legal_hold_set": "legal hold set",
    "locked_out": "locked out after wrong passwords",
    "logged_in": "logged in",
    "logged_out": "logged out",
    "manifest_applied": "manifest applied",
    "manifest_built": "manifest built",
    "manifest_read": "manifest taken out",
    "password_link_made": "link made for setting a password",
    "password_set": "password set",
    "person_changed": "person changed",
    "person_created": "person added",
    "preview_opened": "preview shown",
    "preview_revealed": "preview asked for",
    "recovery_code_used": "recovery code used",
    "recovery_codes_renewed": "recovery codes renewed",
    "removal_due": "removal due",
    "removal_verified": "removal verified gone",
    "report_answered": "agency answered the report",
    "report_reference_corrected": "reference of a report corrected",
    "report_approved": "report approved",
    "report_drafted": "report drafted",
    "report_edited": "report edited",
    "report_filed": "report filed",
    "report_items_added": "entries added to the report",
    "report_not_drafted": "no report drafted",
    "report_proposed": "report handed over for approval",
    "report_sent_back": "report sent back",
    "report_withdrawn": "report withdrawn",
    "reports_exported": "reports exported",
    "revision_registered": "revision registered",
    "scan_cancelled": "scan cancelled",
    "scan_ended": "scan ended",
    "scan_paused": "scan paused",
    "scan_resumed": "scan resumed",
    "scan_started": "scan started",
    "sessions_ended": "sessions ended",
    "sign_in_refused": "sign-in at the identity provider refused",
    "training_recorded": "training recorded",
    "training_struck": "record of a training struck out",
    "token_created": "token of the API made",
    "token_deleted": "token of the API deleted",
    "url_unmasked": "full link shown",
}
OBJECTS = {
    "custodyevent": "event",
    "hashlist": "hash list",
    "hashlistversion": "hash list version",
    "knownhash": "known hash",
    "legalbasis": "legal basis",
    "sealedobject": "sealed object",
    "user": "person",
}
NAMES = {
    "by_link": "by a link",
    "duplicate_of": "same picture as",
    "edit": "edit number",
    "factor": "second step",
    "factors": "second steps",
    "hash_list": "hash list number",
    "into": "part of",
    "known_hash": "known hash",
    "known_hashes": "known hashes",
    "in_full": "events in full",
    "left_out": "entries left out",
    "left_out_because": "left out because",
    "lines": "removals",
    "negative": "negative list",
    "new": "new",
    "passed_over": "matches passed over",
    "provisional": "left out while people decide",
    "removed": "removed",
    "rows_out": "rows left",
    "reveal": "look",
    "same": "unchanged",
    "stage": "as",
    "undone": "review undone",
    "unlisted": "left out, confirmed since",
    "told_by": "told by",
    "via": "made by",
    "whole": "all there was",
}
FORMS = {
    "links_parquet": "links in Parquet",
    "links_csv": "links in CSV",
    "links_jsonl": "links in JSON lines",
    "img2dataset_files": "img2dataset: files",
    "img2dataset_webdataset": "img2dataset: webdataset",
    "img2dataset_parquet": "img2dataset: Parquet",
    "image_parquet": "pictures in Parquet",
}
REFUSED = {
    refusing.NO_PERMISSION: "no permission",
    refusing.NOT_FOUND: "not there, or outside the person's grants",
    refusing.SAME_PERSON: "another person has to do it",
    refusing.MANY: "and more within the same minute",
    "bad_ticket": "ticket used, too old or of somebody else",
    "not_held": "the case is not with this person",
    "not_now": "not open to this person at the time",
    "no_legal_basis": "no legal basis for previews",
    "no_grant": "no grant for the level and harm class",
    "no_preview": "there is no such preview",
    "no_such_level": "there is no such level",
    "other_case": "the entry is of another case",
    "preview_deleted": "the preview was deleted",
    "trusted_exact": "a trusted list matches exactly",
}
KNOWN_REASONS = {
    **REFUSED,
    **{f"skipped_{each.value}": f"skipped: {each.label}" for each in SkipReason},
    **{str(code): str(label) for code, label in Review.Another.choices},
    "legal_hold": "a legal hold",
    "new_match": "a new match",
    "waited": "its time to wait is over",
    "retention": "the retention rule",
    "unused": "sealed, and then never used",
}
WITHDRAWN = re.compile(r"known_hash_withdrawn version (\d+)")
COUNTS = frozenset(
    {"changed", "entries", "items", "lines", "new", "removed", "rows", "rows_out", "same"}
    | {"provisional", "unlisted"}
)
NUMBER = re.compile(r"(.*?)\s*(\d{1,18})")
CODE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)+")
STAGES = {
    Review.Stage.FIRST: "first person",
    Review.Stage.SECOND: "second person",
    Review.Stage.LEAD: "lead",
}
NUMBERED = frozenset(
    {"case", "decision", "duplicate_of", "entry", "into", "known_hash", "known_hashes"}
    | {"reveal", "review", "reviews", "revision", "submission", "undone"}
)
_CHOICES = {
    "answer": Review.Answer,
    "outcome": Dispute.Outcome,
    "harm_class": HarmClass,
    "level": Preview.Level,
    "triage": Triage,
}
_STATES = {
    "case": Case.State,
    "dispute": Dispute.State,
    "removal": Removal.State,
    "scan": Scan.State,
}


def action(code: str) -> str:
    """Return what was done."""
    return ACTIONS.get(code, _plain(code))


def kind(code: str) -> str:
    """Return what kind of object it was done to."""
    return OBJECTS.get(code, _plain(code))


def form(code: str) -> str:
    """Return the form of a dataset's files."""
    return FORMS.get(code, _plain(code))


def code_of(text: str, words: Mapping[str, str]) -> str:
    """Return the code that someone means who writes it, or its words."""
    wanted = text.strip().lower()
    return next((code for code, said in words.items() if said == wanted), wanted)


def object_of(text: str) -> tuple[str, str]:
    """Return the code of the kind of object and the number that someone means who writes
    ``case:29``, ``case 29``, ``case`` or ``29``; either may be empty."""
    kind_, colon, number = text.partition(":")
    if not colon and (found := NUMBER.fullmatch(text.strip())):
        kind_, number = found[1], found[2]
    return code_of(kind_, OBJECTS), number.strip()


def version_of(text: str) -> HashListVersion | None:
    """Return the version of a hash list that is meant by the words that stand for it."""
    slug, said, label = text.strip().partition(", version ")
    versions = HashListVersion.objects.filter(hash_list__slug=slug, label=label)
    return versions.first() if said else None


def versions_in(events: Iterable[CustodyEvent]) -> dict[int, str]:
    """Return, by id, the names of the list versions that the events speak of."""
    ids: set[int] = set()
    for event in events:
        if event.object_type == "hashlistversion" and event.object_id.isdecimal():
            ids.add(int(event.object_id))
        for side in (event.before, event.after):
            named = side.get("versions")
            ids.update(v for v in named if isinstance(v, int)) if isinstance(named, list) else None
        if match := WITHDRAWN.fullmatch(event.reason):
            ids.add(int(match[1]))
    found = HashListVersion.objects.select_related("hash_list").filter(pk__in=ids)
    return {each.pk: f"{each.hash_list.slug}, version {each.label}" for each in found}


def told(event: CustodyEvent, versions: Mapping[int, str]) -> CustodyEvent:
    """Return the event with its words: ``action_words``, ``object_words``, ``role_words``,
    ``reason_words``, ``head`` of an export, and ``changes``: name, value before and after, None
    where there is none."""
    names = [*event.before, *(name for name in event.after if name not in event.before)]
    said: Any = event
    said.action_words = action(event.action)
    said.object_words = f"{kind(event.object_type)} {event.object_id}"
    if event.object_type == "hashlistversion" and event.object_id.isdecimal():
        said.object_words = versions.get(int(event.object_id), said.object_words)
    said.role_words = _plain(event.role.replace(",", ", "))
    said.reason_words = _reason(event.reason, versions)
    said.head = in_groups(bytes(event.hash).hex()) if event.action == EXPORTED else ""
    said.changes = [
        (
            NAMES.get(name, _plain(name)),
            *(
                _value(name, side[name], event, versions) if name in side else None
                for side in (event.before, event.after)
            ),
        )
        for name in names
    ]
    return event


def _value(name: str, value: Any, event: CustodyEvent, versions: Mapping[int, str]) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in _CHOICES and value in _CHOICES[name].values:
        return str(_CHOICES[name](value).label)
    if name == "stage" and value in STAGES:
        return STAGES[Review.Stage(value)]
    if isinstance(value, int):
        shown = f"{value:,}" if name in COUNTS else str(value)
        return f"no. {shown}" if name in NUMBERED else shown
    if isinstance(value, dict):
        if name == "rejected":
            return reasons.told(value) or "none"
        pairs = (f"{_plain(str(k))}: {_value(k, v, event, versions)}" for k, v in value.items())
        return "; ".join(pairs) or "none"
    if isinstance(value, list):
        if name == "versions":
            return "; ".join(versions.get(v, f"version {v}") for v in value) or "none"
        each_name = "harm_class" if name == "harm_classes" else name if name in NUMBERED else ""
        return ", ".join(_value(each_name, each, event, versions) for each in value) or "none"
    if name == "state" and event.object_type in _STATES:
        return str(dict(_STATES[event.object_type].choices).get(value, value)).lower()
    return _text(str(value))


def _text(value: str) -> str:
    """A code in words, a moment as one reads it, and anything else as it is."""
    if value in FORMS:
        return FORMS[value]
    if CODE.fullmatch(value):
        return _plain(value)
    try:
        moment: datetime | None = parse_datetime(value) if "T" in value else None
    except ValueError:
        moment = None
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment and not moment.utcoffset() else value


def _reason(text: str, versions: Mapping[int, str]) -> str:
    if match := WITHDRAWN.fullmatch(text):
        version = versions.get(int(match[1]), f"version {match[1]}")
        return f"the list withdrew the value: {version}"
    text = text.removeprefix(decisions.BY_LEAD)
    return KNOWN_REASONS.get(text, text)


def _plain(code: str) -> str:
    return code.replace("_", " ")
