"""What each answer means, whoever gives it: one row a code (console.md 2.3)."""

from dataclasses import dataclass

from moderation.models import Decision, Review
from moderation.models.case import HarmClass

Answer, Verdict = Review.Answer, Decision.Verdict
REPORTABLE = (HarmClass.CSAM, HarmClass.NON_PHOTOGRAPHIC)


@dataclass(frozen=True)
class Code:
    """One answer.

    ``verdict``: of the decision that two people make by it; ``event``: of the case, where it makes
    none. ``explain`` says why it takes a written reason; empty where it takes none. ``classes``:
    the harm classes under which it can remove; of which case which, says `offers`.
    """

    verdict: str = ""
    event: str = ""
    explain: str = ""
    classes: tuple[HarmClass, ...] = ()


CODES: dict[str, Code] = {
    Answer.REMOVE_KNOWN: Code(verdict=Verdict.CONFIRMED, classes=tuple(HarmClass)),
    Answer.REMOVE_SUSPECT: Code(
        verdict=Verdict.CONFIRMED, classes=(*REPORTABLE, HarmClass.UNKNOWN)
    ),
    Answer.REMOVE_OTHER: Code(
        verdict=Verdict.CONFIRMED,
        classes=(HarmClass.ABUSE_RELATED, HarmClass.ADULT_INTIMATE, HarmClass.OTHER),
    ),
    Answer.KEEP_FALSE_MATCH: Code(verdict=Verdict.CLEARED),
    Answer.KEEP_LIST_ERROR: Code(
        verdict=Verdict.CLEARED,
        explain="Write a reason below: it goes against the analysts of the list.",
    ),
    Answer.CANNOT_TELL: Code(
        event="wait", explain="Write a reason below: what stands in the way of telling."
    ),
    Answer.ESCALATE: Code(event="escalate", explain="Write a reason below: the lead reads it."),
    Answer.DUPLICATE_OF: Code(event="merge"),
}
