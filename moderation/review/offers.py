"""Which of the eight answers a case offers at a stage, in their fixed order, and why not others."""

from dataclasses import dataclass

from moderation.models import Case, HashList, Match, Review
from moderation.models.case import HarmClass
from moderation.review import decisions
from moderation.review.codes import CODES
from moderation.scanning import priorities

Answer = Review.Answer
SETTLED = "Two people remove it already."


class Refused(Exception):
    """An answer that is not taken as it was given; ``field`` is where, the message says why."""

    field = "answer"


class AnswerNotOffered(Refused):
    """This answer does not exist for the case at this stage."""


class ReasonNeeded(Refused):
    """This answer is not taken without a written reason."""

    field = "reason"


class WrongClass(Refused):
    """This answer does not remove under that harm class."""

    field = "harm_class"


@dataclass(frozen=True)
class Offer:
    """One answer as a person is offered it: locked with a reason, or open.

    ``classes``: the harm classes under which it removes here; none for another answer.
    """

    answer: Review.Answer
    locked: str
    classes: tuple[HarmClass, ...] = ()

    @property
    def explain(self) -> str:
        """Why it takes a written reason; empty where it takes none."""
        return CODES[self.answer].explain


def offers(case: Case, *, stage: str) -> list[Offer]:
    """Return the eight answers in their fixed order, each open or locked with the reason."""
    code_open = decisions.code_is_open(case)
    locks = _locks(case, stage=stage, code_open=code_open)
    told = priorities.class_of(case) if code_open else case.harm_class
    return [Offer(answer, locks.get(answer, ""), _classes(answer, told=told)) for answer in Answer]


def check(case: Case, *, stage: str, answer: str, harm_class: str, reason: str) -> None:
    """Raise Refused unless the answer is offered and has the class and the reason it needs."""
    found = [offer for offer in offers(case, stage=stage) if offer.answer == answer]
    if not found:
        raise AnswerNotOffered("There is no such answer.")
    offer = found[0]
    if offer.locked:
        raise AnswerNotOffered(offer.locked)
    if offer.classes and harm_class not in offer.classes:
        own = HarmClass(offer.classes[0]).label
        wrong = {
            Answer.REMOVE_KNOWN: f"The match is of the class “{own}”, so answer 1 removes under "
            "that. If you hold it to be something else, choose answer 2 or 3.",
            Answer.REMOVE_SUSPECT: "Reportable is child sexual abuse material alone. For another "
            "class choose answer 3.",
            Answer.REMOVE_OTHER: "Say which other kind of harm it is. What is reported as child "
            "sexual abuse material is answer 1 or 2.",
        }
        raise WrongClass(wrong.get(offer.answer, "Choose one of the classes."))
    if offer.explain and not reason:
        raise ReasonNeeded(offer.explain)


def _classes(answer: Review.Answer, *, told: str) -> tuple[HarmClass, ...]:
    """Answer 1 removes under what the lists say, ``told``, and nothing else; any class is left to
    people only while that is unknown."""
    if answer == Answer.REMOVE_KNOWN and told != HarmClass.UNKNOWN:
        return (HarmClass(told),)
    return CODES[answer].classes


def _locks(case: Case, *, stage: str, code_open: bool) -> dict[Review.Answer, str]:
    supplied = Match.objects.supplied().filter(flag__case=case)
    known = supplied.exclude(version__hash_list__trust=HashList.Trust.TRIAL)
    locks = {}
    if not known.exists():
        locks[Answer.REMOVE_KNOWN] = (
            "Only a trial list matches."
            if supplied.exists()
            else "No list matches but that of what was decided here. To remove it, choose 2 or 3."
        )
    if decisions.exact_matches(case):
        locks[Answer.KEEP_FALSE_MATCH] = "The files are equal. Is the known hash wrong? Choose 5."
    else:
        locks[Answer.KEEP_LIST_ERROR] = "No file is equal to a known one. To keep it, choose 4."
    if decisions.trusted_exact(case):
        locks[Answer.CANNOT_TELL] = (
            "A trusted list matches exactly: it is removed even where nobody can see it."
        )
    if stage == Review.Stage.LEAD:
        locks[Answer.ESCALATE] = "A lead decides."
    if case.legal_hold_since is not None:
        locks[Answer.DUPLICATE_OF] = "Under legal hold, so it stays a case of its own."
    if code_open:
        kept = (*Review.KEEPS, Answer.CANNOT_TELL, Answer.DUPLICATE_OF)
        locks |= dict.fromkeys(kept, SETTLED)
    return locks
