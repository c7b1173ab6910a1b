"""What follows from each answer, in one or two sentences, as the case stands now.

Nothing of the first answer is in it: a second person reads the same whatever that was. Whom a
removal is reported to follows its harm class; that sentence is written by reports themselves.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from moderation.models import Case, Decision, Review
from moderation.review import decisions
from moderation.review.codes import CODES

Answer = Review.Answer
FOLLOWS = "The same file or link, found elsewhere later, follows."


@dataclass(frozen=True)
class Facts:
    """What the sentences depend on.

    ``behind`` is for leads: the verdicts that another person is for. ``code_open``: two people
    remove it, and a lead settles the answer.
    """

    stage: str
    reach: dict[str, int]
    behind: frozenset[str]
    code_open: bool


def facts(case: Case, context: dict[str, Any], earlier: list[Review]) -> Facts:
    """Gather them; ``earlier`` are the answers of the round that this person may know of."""
    return Facts(
        context["stage"],
        context["reach"],
        frozenset(CODES[review.answer].verdict for review in earlier) - {""},
        bool(earlier) and decisions.code_is_open(case),
    )


def of(answer: Review.Answer, known: Facts) -> str:
    """What follows from an answer."""
    match answer:
        case Answer.ESCALATE:
            return "A lead decides. Nothing is removed or kept until then."
        case Answer.CANNOT_TELL:
            return (
                "What is left out stays out, what is in stays in. It is open again once a scan "
                f"sees more, or after {settings.WAIT_DAYS} days."
            )
        case Answer.DUPLICATE_OF:
            entries = _count(known.reach["entries"], "entry goes", "entries go")
            return (
                f"{entries} over to the other case, and what is decided there holds. "
                "Where files are not equal, two people must say so."
            )
    effect = _effect(answer, known)
    removes = CODES[answer].verdict == Decision.Verdict.CONFIRMED
    effect = f"{effect}. {FOLLOWS if removes else ''}".rstrip()
    if known.code_open:
        return f"Settles it: {effect} The case is closed."
    if known.stage == Review.Stage.SECOND:
        return f"If the two of you agree: {effect} If not, a lead decides."
    if CODES[answer].verdict in known.behind:
        return f"{effect[0].upper()}{effect[1:]} The case is closed."
    return f"Asks a second person. If they agree: {effect}"


def _effect(answer: Review.Answer, case: Facts) -> str:
    entries = _count(case.reach["entries"], "entry", "entries")
    if CODES[answer].verdict == Decision.Verdict.CONFIRMED:
        revisions = _count(case.reach["revisions"], "revision", "revisions")
        return f"removes {entries} in {revisions}"
    if answer == Answer.KEEP_LIST_ERROR:
        return f"keeps {entries}, disables the known hash here and disputes it with its list"
    return f"keeps {entries}; later scans pass over this match"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
