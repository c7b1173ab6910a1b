"""What happened to a case, told in sentences and never in codes."""

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.contrib.auth.models import User

from moderation.evidence import refusing
from moderation.models import Case, CustodyEvent, Decision, HashListVersion, Match, Review
from moderation.models.case import HarmClass
from moderation.models.entry import copy_words
from moderation.models.person import pseudonym_of
from moderation.review import decisions
from moderation.review.codes import CODES
from moderation.review.passing import SkipReason

from . import words

EVENTS = 100
NEW_HASHES_TOLD = 5
VERSION_IN = re.compile(r"known_hash_withdrawn version (\d{1,18})")
DONE = {Decision.Verdict.CONFIRMED: "confirmed", Decision.Verdict.CLEARED: "kept"}
AS = {
    Review.Stage.FIRST: "as the first person",
    Review.Stage.SECOND: "as the second person",
    Review.Stage.LEAD: "as a lead",
}
TURN = {
    Review.Stage.FIRST: "first person",
    Review.Stage.SECOND: "second person",
    Review.Stage.LEAD: "lead",
}
WHY = {str(code): str(label) for code, label in Review.Another.choices}
SKIPPED = {f"skipped_{each.value}": f"skipped: {each.label}" for each in SkipReason}
VERDICTS = ("case_confirmed", "case_cleared", "case_merged")
NEW_ROUNDS = tuple(decisions.NEW_ROUND.values())
DISPUTE_IN = re.compile(r"dispute_(upheld|rejected) (\d{1,18})")
MERGED_IN = re.compile(r"merged_meanwhile case (\d{1,18})")
SAID = {
    "waited": "Nobody could tell, and the time that such a case waits is over.",
    "legal_hold": "It came under legal hold, so it stays a case of its own.",
}
OWNER = {"upheld": "agrees that a known hash is wrong", "rejected": "stands by a known hash"}


@dataclass(frozen=True)
class Reopening:
    """Why a closed case is in work again: when, because of what, and what had been decided."""

    at: datetime | None
    because: str
    decided: str
    decided_at: datetime | None


def reopening(case: Case) -> Reopening | None:
    """The latest reopening of a case that is in work; None for one in its first round."""
    if not case.reopened_because or case.state in Case.FINISHED:
        return None
    event = _events(case).filter(action__in=NEW_ROUNDS).order_by("-seq").first()
    decision = case.decisions.standing().last()
    return Reopening(
        event.at if event is not None else None,
        because(case.reopened_because, event=event),
        DONE.get(Decision.Verdict(decision.verdict), "") if decision is not None else "",
        decision.at if decision is not None else None,
    )


def because(code: str, *, event: CustodyEvent | None) -> str:
    """The reason of a new round as a sentence; empty for a reason that has no words."""
    if code.startswith(decisions.BY_LEAD):
        return f"A lead: {code.removeprefix(decisions.BY_LEAD)}"
    if code.startswith("answered scan "):
        return "Nobody could tell, and a scan has an answer for it since."
    if found := DISPUTE_IN.fullmatch(code):
        return f"The list owner {OWNER[found[1]]} (dispute {found[2]})."
    if found := MERGED_IN.fullmatch(code):
        return f"Case {found[1]}, which it was to be part of, became part of this one."
    if found := VERSION_IN.fullmatch(code):
        version = HashListVersion.objects.filter(pk=found[1]).select_related("hash_list").first()
        if version is not None:
            return (
                f"Version {version.label} of the list {version.hash_list.slug} withdrew a known "
                "hash that the case rests on."
            )
    if code == "new_match" and event is not None:
        return _new_match(event)
    return SAID.get(code, "")


def history(case: Case, *, user: User, blind: bool) -> list[dict[str, Any]]:
    """The newest steps of the case, each with its words; while blind, one's own alone.

    Looks at the page by one person in a row are one line, at the time of the last. What was
    refused to somebody is for auditors: it did nothing to the case.
    """
    events = _events(case).exclude(action=refusing.ACTION)
    if blind:
        events = events.filter(actor=pseudonym_of(user))
    newest = [
        (next(same), 1 + sum(1 for _ in same))
        for _, same in groupby(events.order_by("-seq")[:EVENTS], _told_once)
    ]
    behind = {} if blind else rounds(case)
    return [
        {
            "event": event,
            "words": words.step(event.action),
            "detail": detail(event, behind) if times == 1 else f"{times} times in a row",
        }
        for event, times in newest
    ]


def _told_once(event: CustodyEvent) -> tuple[object, ...]:
    """What neighbours have in common that are one line: a person reads a page again and again."""
    return (event.actor,) if event.action == "case_viewed" else (event.seq,)


def rounds(case: Case) -> dict[int, list[Review]]:
    """The answers of the round that each verdict ended, by the number of the verdict's event."""
    told = _events(case).filter(action__in=("answer_settled", *NEW_ROUNDS, *VERDICTS))
    reviews = case.reviews.exclude(answer="").in_bulk()
    found, standing = {}, list[Review]()
    for event in told.order_by("seq"):
        if event.action in VERDICTS:
            found[event.seq] = standing
        if event.action != "answer_settled":
            standing = []
        elif event.after["review"] in reviews:
            standing = [*standing, reviews[event.after["review"]]]
    return found


def detail(event: CustodyEvent, behind: dict[int, list[Review]]) -> str:
    """What a step was about, beyond its name; ``behind``: what `rounds` found."""
    after = event.after
    match event.action:
        case "answer_given":
            harm = after.get("harm_class")
            told = Review.Answer(after["answer"]).label
            if "duplicate_of" in after:
                return f"{told} · case {after['duplicate_of']}"
            return f"{told} · {HarmClass(harm).label}" if harm else told
        case "case_claimed":
            return AS[Review.Stage(after["stage"])]
        case "preview_revealed" | "preview_opened":
            of = f", of entry {after['entry']}" if "entry" in after else ""
            return f"{copy_words(after['level'], drawing=after.get('drawing', False))}{of}"
        case "url_unmasked" | "caption_shown" | "case_opened":
            return f"of entry {after['entry']}" if "entry" in after else ""
        case "case_confirmed" | "case_cleared":
            return agreement(behind.get(event.seq, []))
        case "case_released":
            return SKIPPED.get(event.reason, event.reason)
        case "case_assigned":
            return f"to {after['to']}"
        case "case_handed_over":
            return "to whoever is next" if after["to"] == "queue" else f"to {after['to']}"
        case "case_taken_over":
            return f"from {after['from']}"
        case "case_reopened" | "case_woken" | "case_requeued":
            return because(event.reason, event=event)
        case "case_merged":
            return f"case {after['into']}"
        case "case_joined" | "case_parted":
            return f"case {after['case']}, {after['entries']} entries"
        case "case_code_open":
            return str(Review.Another.CODES.label)
    return WHY.get(event.reason, event.reason)


def agreement(answers: list[Review]) -> str:
    """How the answers of a round led to its verdict; empty for fewer than two.

    Where people differed or a lead was asked, each answer is named with its stage.
    """
    if len(answers) < 2:
        return ""
    asked = escalations(answers)
    said = {_verdict(each) for each in answers if each not in asked}
    if len(answers) == 2 and len(said) == 1 and not asked:
        first, second = answers
        if first.answer == second.answer:
            return f"Both say: {_short(second)}."
        return (
            "Both remove, for different reasons. "
            f"The first says: {_short(first)}. The second says: {_short(second)}."
        )
    by_lead = answers[-1].stage == Review.Stage.LEAD
    if asked and len(said) == 1:
        head = "A lead was asked."
    elif len(said) == 1:
        head = "Both removed, and a lead settled under which answer and class."
    else:
        head = "Two people differed and a lead decided." if by_lead else "Not all said the same."
    told = "; ".join(
        f"{TURN[Review.Stage(each.stage)]}: “{Review.Answer(each.answer).label}”"
        for each in answers
    )
    return f"{head} {told[0].upper()}{told[1:]}."


def escalations(standing: list[Review]) -> list[Review]:
    """The answers that sent a case to a lead: why it is here."""
    return [review for review in standing if review.answer == Review.Answer.ESCALATE]


def _new_match(event: CustodyEvent) -> str:
    known = event.after.get("known_hashes", [])
    matches = Match.objects.filter(flag__case=int(event.object_id), known_hash__in=known)
    told = sorted(
        {
            f"{match.version.hash_list.slug}, version {match.version.label} ({_how(match)})"
            for match in matches.select_related("version__hash_list")[:NEW_HASHES_TOLD]
        }
    )
    if not told:
        return "A scan found a match that nobody had judged."
    return f"A scan found a match with a known hash that nobody had judged: {'; '.join(told)}."


def _how(match: Match) -> str:
    if match.algorithm in decisions.PERCEPTUAL:
        return f"near, {match.distance} bit{'' if match.distance == 1 else 's'} apart"
    return "exact"


def _short(review: Review) -> str:
    label = str(Review.Answer(review.answer).label)
    return label.partition(": ")[2] or f"{label[0].lower()}{label[1:]}"


def _verdict(review: Review) -> str:
    """What an answer is for: its verdict, or itself where it is for none."""
    return CODES[review.answer].verdict or review.answer


def _events(case: Case) -> Any:
    return CustodyEvent.objects.filter(object_type="case", object_id=str(case.pk))
