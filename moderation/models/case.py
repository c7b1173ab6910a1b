"""A case is one picture seen once: its state, who holds it, and each person's pass over it."""

from typing import TYPE_CHECKING, Any

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Case as Choose
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Cast, Greatest, Ln, Now
from django.db.models.lookups import GreaterThan, LessThan

from .triggers import Tallied

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class CaseConflict(Exception):
    """The case is no longer in the state, or at the edit, that the caller saw."""


class HarmClass(models.TextChoices):
    CSAM = "csam", "Child sexual abuse material"
    NON_PHOTOGRAPHIC = "non_photographic", "Non-photographic child sexual abuse material"
    ABUSE_RELATED = "abuse_related", "Abuse related"
    ADULT_INTIMATE = "adult_intimate", "Adult intimate picture, shared without consent"
    OTHER = "other", "Other harm under local policy"
    UNKNOWN = "unknown", "Not yet classed"


class Triage(models.TextChoices):
    CRITICAL = "critical", "Critical"
    HIGH = "high", "High"
    UNKNOWN = "unknown", "Unknown"
    STANDARD = "standard", "Standard"
    HARM_OTHER = "harm_other", "Other harm"


_IN_WORK = Q(state__in=["open", "proposed", "disputed", "escalated"])
_FOR_REVIEWERS = Q(state__in=["open", "proposed"])
AGE_DOUBLES = 30  # days: after them a case counts twice as much, after twice as many four times
PINNED_BEFORE = 1_000_000  # turns: what is pinned comes before all that is not


class DaysSince2025(Func):
    """The days from the start of 2025 to a time; fixed for ever, so that it can be stored."""

    template = (
        "(EXTRACT(EPOCH FROM (%(expressions)s - '2025-01-01 00:00:00+00'::timestamptz)) / 86400)"
    )
    output_field = models.FloatField()


# Whose turn is sooner comes first. Twice the priority, and AGE_DOUBLES days more of age, count one
# turn each: the growth with age is the same for all at any moment, so nobody need write it down.
TURN = (
    Cast(DaysSince2025("opened_at"), models.FloatField()) / float(AGE_DOUBLES)
    - Ln(Greatest(F("priority"), 0.001)) / 0.6931471805599453
    - Choose(models.When(pinned_at__isnull=False, then=float(PINNED_BEFORE)), default=0.0)
)
# The most urgent first, then the oldest. All of it ascends, so that one index finds any place.
WORK_ORDER = (F("turn"), F("opened_at"), F("id"))


class Place(Func):
    """Where a case stands in the order of work: compared as a whole, column by column."""

    function = "ROW"
    output_field = models.TextField()


def place_of(case: "Case") -> Place:
    return Place(Value(case.turn), Value(case.opened_at), Value(case.pk))


class CaseQuerySet(models.QuerySet["Case"]):
    def in_work(self) -> "CaseQuerySet":
        """Waiting for a person: a reviewer's or a lead's turn."""
        return self.filter(state__in=Case.IN_WORK)

    def unleased(self) -> "CaseQuerySet":
        """Held by nobody, by the database's clock."""
        return self.filter(Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now()))

    def leased(self) -> "CaseQuerySet":
        """Held by somebody, by the database's clock."""
        return self.filter(lease_expires_at__gt=Now())

    def leased_to(self, user: "User") -> "CaseQuerySet":
        """Theirs by a lease of whatever kind."""
        return self.leased().filter(leased_by=user)

    def worked_on_by(self, user: "User") -> "CaseQuerySet":
        """The one case, if any, that this person may look at and answer now."""
        return self.leased_to(user).filter(lease_kind=Case.Lease.WORK)

    def on_hold(self) -> "CaseQuerySet":
        return self.leased().filter(lease_kind=Case.Lease.HOLD)

    def by_priority(self) -> "CaseQuerySet":
        return self.order_by(*WORK_ORDER)

    def after(self, case: "Case") -> "CaseQuerySet":
        """What comes behind this case in the order of work."""
        return self.filter(GreaterThan(Place(*WORK_ORDER), place_of(case)))

    def before(self, case: "Case") -> "CaseQuerySet":
        """What stands before this case in the order of work."""
        return self.filter(LessThan(Place(*WORK_ORDER), place_of(case)))


class Case(models.Model):
    class State(models.TextChoices):
        OPEN = "open", "Open"
        ANSWERED = "answered", "Answered, can still be undone"
        PROPOSED = "proposed", "Waiting for a second person"
        DISPUTED = "disputed", "Two answers differ"
        ESCALATED = "escalated", "With a lead"
        WAITING = "waiting", "Waiting until it can be told"
        MERGED = "merged", "Part of another case"
        CLOSED = "closed", "Closed"

    class Lease(models.TextChoices):
        WORK = "work", "In work"
        HOLD = "hold", "On hold"
        HANDED = "handed", "Handed over, not taken yet"

    # The one table of transitions: (state, event) -> next state. Undo goes back to `came_from`.
    TRANSITIONS: dict[tuple[str, str], str] = {
        (State.OPEN, "answer"): State.ANSWERED,
        (State.PROPOSED, "answer"): State.ANSWERED,
        (State.DISPUTED, "answer"): State.ANSWERED,
        (State.ESCALATED, "answer"): State.ANSWERED,
        (State.ANSWERED, "propose"): State.PROPOSED,
        (State.ANSWERED, "dispute"): State.DISPUTED,
        (State.ANSWERED, "escalate"): State.ESCALATED,
        (State.ANSWERED, "wait"): State.WAITING,
        (State.ANSWERED, "merge"): State.MERGED,
        (State.ANSWERED, "close"): State.CLOSED,
        (State.ANSWERED, "requeue"): State.OPEN,
        (State.PROPOSED, "requeue"): State.OPEN,
        (State.DISPUTED, "requeue"): State.OPEN,
        (State.ESCALATED, "requeue"): State.OPEN,
        (State.WAITING, "wake"): State.OPEN,
        (State.CLOSED, "reopen"): State.OPEN,
        (State.MERGED, "reopen"): State.OPEN,
    }
    IN_WORK = (State.OPEN, State.PROPOSED, State.DISPUTED, State.ESCALATED)
    FOR_REVIEWERS = (State.OPEN, State.PROPOSED)
    FOR_LEADS = (State.DISPUTED, State.ESCALATED)
    FINISHED = (State.CLOSED, State.MERGED)  # until somebody reopens it

    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    came_from = models.CharField(max_length=10, choices=State.choices, blank=True)
    edit_no = models.PositiveIntegerField(default=0)
    harm_class = models.CharField(
        max_length=20, choices=HarmClass.choices, default=HarmClass.UNKNOWN
    )
    triage = models.CharField(max_length=10, choices=Triage.choices, default=Triage.UNKNOWN)
    priority = models.FloatField(default=0)
    exact = models.BooleanField(default=False, help_text="Whether any match is of equal digests.")
    trust = models.CharField(
        max_length=10, default="standard", help_text="The best of its lists', when last rated."
    )
    facets = ArrayField(
        models.CharField(max_length=200), default=list, help_text="Words that filters ask for."
    )
    assessed = models.BooleanField(
        default=False,
        help_text="Whether a trusted list matched exactly when last rated: nobody need look.",
    )
    due_at = models.DateTimeField(null=True)
    due_since = models.DateTimeField(
        null=True, help_text="From when its due date counts, where it came back to people."
    )
    opened_at = models.DateTimeField(auto_now_add=True)
    pinned_at = models.DateTimeField(null=True)
    pinned_because = models.CharField(max_length=300, blank=True)
    turn = models.GeneratedField(expression=TURN, output_field=models.FloatField(), db_persist=True)
    closed_at = models.DateTimeField(null=True)
    reopened_because = models.CharField(max_length=300, blank=True)
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="merged", db_index=False
    )
    legal_hold_since = models.DateTimeField(
        null=True, help_text="While set, nothing sealed for this case is deleted (H10)."
    )
    legal_hold_reason = models.CharField(max_length=300, blank=True)

    leased_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="leases"
    )
    lease_kind = models.CharField(max_length=10, choices=Lease.choices, blank=True)
    lease_token = models.CharField(
        max_length=43, blank=True, help_text="Of the tab that works; empty for the other kinds."
    )
    lease_expires_at = models.DateTimeField(null=True)

    objects = CaseQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(*WORK_ORDER, name="case_work_order", condition=_IN_WORK),
            # Next must not step over what waits for leads, however much that is.
            models.Index(*WORK_ORDER, name="case_reviewers_order", condition=_FOR_REVIEWERS),
            # For whoever has no look left: what needs none, however far behind it stands.
            models.Index(
                *WORK_ORDER, name="case_assessed_order", condition=_FOR_REVIEWERS & Q(assessed=True)
            ),
            # So that a filter finds its first page too, wherever in the order that lies.
            models.Index("state", *WORK_ORDER, name="case_state_order"),
            models.Index("triage", *WORK_ORDER, name="case_triage_order", condition=_IN_WORK),
            models.Index("exact", *WORK_ORDER, name="case_exact_order", condition=_IN_WORK),
            models.Index("harm_class", *WORK_ORDER, name="case_class_order", condition=_IN_WORK),
            models.Index(fields=["state", "opened_at"], name="case_oldest", condition=_IN_WORK),
            models.Index(fields=["state", "due_at"], name="case_due", condition=_IN_WORK),
            models.Index(fields=["trust", "opened_at"], name="case_trust_age", condition=_IN_WORK),
            models.Index(fields=["trust", "due_at"], name="case_trust_due", condition=_IN_WORK),
            # Of the filters no order helps: it finds few among many, however they are combined.
            GinIndex(fields=["facets"], name="case_facets"),
            models.Index(
                fields=["lease_expires_at"],
                name="case_leases",
                condition=Q(lease_expires_at__isnull=False),
            ),
            models.Index(
                fields=["leased_by"], condition=Q(lease_kind="handed"), name="handed_over"
            ),
            models.Index(
                fields=["merged_into"],
                condition=Q(merged_into__isnull=False),
                name="merged_cases",
            ),
        ]
        triggers = [
            Tallied(pgtrigger.Insert, name="tally_insert"),
            Tallied(pgtrigger.Update, name="tally_update"),
            Tallied(pgtrigger.Delete, name="tally_delete"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(pinned_at__isnull=True, pinned_because="")
                | Q(pinned_at__isnull=False) & ~Q(pinned_because=""),
                name="pin_has_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(legal_hold_since__isnull=True, legal_hold_reason="")
                | Q(legal_hold_since__isnull=False) & ~Q(legal_hold_reason=""),
                name="legal_hold_has_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(state="merged", merged_into__isnull=False)
                | ~Q(state="merged") & Q(merged_into__isnull=True),
                name="merged_names_a_case",
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | ~Q(merged_into=F("id")),
                name="merged_into_another",
            ),
            # A lease that ran out counts too until its person claims again, which ends it.
            models.UniqueConstraint(
                fields=["leased_by"], condition=Q(lease_kind="work"), name="one_work_lease_each"
            ),
        ]

    def __str__(self) -> str:
        return f"case {self.pk}"

    def facet(self, kind: str) -> str:
        """The value of a facet that a case has one of; empty where it has none."""
        return next(
            (word.partition(":")[2] for word in self.facets if word.startswith(f"{kind}:")), ""
        )

    def move(self, event: str, *, to: str | None = None, **changes: Any) -> None:
        """Make the transition ``event`` or raise CaseConflict; ``to`` is for undo alone.

        An UPDATE that names the state and edit number it expects: of two callers one wins.
        """
        target: str | None
        if event == "undo" and self.state == self.State.ANSWERED and to in self.IN_WORK:
            target = to
        else:
            target = self.TRANSITIONS.get((self.state, event))
        if target is None:
            raise CaseConflict(f"case {self.pk}: no {event} from {self.state}")
        changes |= {"state": target, "edit_no": self.edit_no + 1}
        if target in self.FINISHED:
            changes |= {"pinned_at": None, "pinned_because": ""}  # it has had its turn
        updated = Case.objects.filter(pk=self.pk, state=self.state, edit_no=self.edit_no).update(
            **changes
        )
        if not updated:
            raise CaseConflict(f"case {self.pk} was changed meanwhile")
        for name, value in changes.items():
            setattr(self, name, value)


_PASSED_ON = Q(ended__in=["skipped", "not_for_me", "handed"], superseded=False)
_STANDING = Q(settled_at__isnull=False, superseded=False) & ~Q(answer="")
_CONCERNED = Q(concerned=True)


class ReviewQuerySet(models.QuerySet["Review"]):
    def standing(self) -> "ReviewQuerySet":
        """Answers that count: given, settled, not undone, and from the case's present round."""
        return self.filter(_STANDING)

    def passed_on(self) -> "ReviewQuerySet":
        """Ended, in the case's present round, by giving it to somebody else on purpose."""
        return self.filter(_PASSED_ON)

    def concerned(self) -> "ReviewQuerySet":
        """Ended, in whatever round, because the person may know somebody concerned."""
        return self.filter(_CONCERNED)

    def unsettled(self) -> "ReviewQuerySet":
        return self.filter(ended=Review.Ended.ANSWERED, settled_at__isnull=True)


class Review(models.Model):
    """One person's pass over a case: claimed, perhaps revealed, ended with an answer or without."""

    class Stage(models.TextChoices):
        FIRST = "first"
        SECOND = "second"
        LEAD = "lead"

    class Answer(models.TextChoices):
        REMOVE_KNOWN = "REMOVE_KNOWN", "Remove: the match is right"
        REMOVE_SUSPECT = "REMOVE_SUSPECT", "Remove: reportable in our own judgement"
        REMOVE_OTHER = "REMOVE_OTHER", "Remove: another kind of harm"
        KEEP_FALSE_MATCH = "KEEP_FALSE_MATCH", "Keep: a different picture"
        KEEP_LIST_ERROR = "KEEP_LIST_ERROR", "Keep: the known hash is wrong"
        CANNOT_TELL = "CANNOT_TELL", "Cannot tell from what there is"
        ESCALATE = "ESCALATE", "Escalate to a lead"
        DUPLICATE_OF = "DUPLICATE_OF", "Same picture as another case"

    class Another(models.TextChoices):
        """Why an answer, once settled, called for another person."""

        REMOVAL = "removal", "Every removal takes two people."
        KEEP = "keep", "Every keep takes two people."
        DUPLICATE = "duplicate", "The files are not equal, so a merge takes two people."
        LEAD_ALONE = "lead_alone", "A lead answered alone, and every verdict takes two people."
        VERDICTS = "verdicts", "Two people differ."
        CODES = "codes", "Both remove, under another answer or harm class."
        ASKED = "asked", "A lead was asked."

    class Ended(models.TextChoices):
        ANSWERED = "answered"
        RELEASED = "released"
        EXPIRED = "expired"
        UNDONE = "undone"
        SKIPPED = "skipped"
        NOT_FOR_ME = "not_for_me"
        HANDED = "handed"
        TAKEN_OVER = "taken_over"

    REMOVALS = (Answer.REMOVE_KNOWN, Answer.REMOVE_SUSPECT, Answer.REMOVE_OTHER)
    KEEPS = (Answer.KEEP_FALSE_MATCH, Answer.KEEP_LIST_ERROR)

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="reviews")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews"
    )
    stage = models.CharField(max_length=10, choices=Stage.choices)
    claimed_at = models.DateTimeField(auto_now_add=True)
    answer = models.CharField(max_length=20, choices=Answer.choices, blank=True)
    harm_class = models.CharField(max_length=20, choices=HarmClass.choices, blank=True)
    duplicate_of = models.ForeignKey(
        Case, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    reason = models.TextField(blank=True, help_text="Stays inside; never part of a report.")
    why_another = models.CharField(max_length=10, choices=Another.choices, blank=True)
    idempotency_key = models.CharField(max_length=64, null=True, unique=True)
    answered_at = models.DateTimeField(null=True)
    settles_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    ended = models.CharField(max_length=10, choices=Ended.choices, blank=True)
    draft = models.JSONField(
        default=dict,
        blank=True,
        help_text="An answer being written: its code and what goes with it.",
    )
    note = models.CharField(
        max_length=300, blank=True, help_text="Why it is on hold, or what went with a hand-over."
    )
    held_since = models.DateTimeField(null=True, help_text="When it was first put on hold.")
    superseded = models.BooleanField(default=False, help_text="From an earlier round of the case.")
    concerned = models.BooleanField(
        default=False,
        help_text="They may know somebody concerned, so the case is theirs in no round.",
    )

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["settles_at"], condition=Q(settled_at=None), name="unsettled"),
            models.Index(fields=["reviewer", "case"], condition=_STANDING, name="standing_answers"),
            models.Index(fields=["reviewer", "case"], condition=_PASSED_ON, name="passed_on"),
            models.Index(fields=["reviewer", "case"], condition=_CONCERNED, name="concerned"),
        ]

    def __str__(self) -> str:
        return f"review {self.pk}"


class Reveal(models.Model):
    """One look at a preview above L0, and the one-use ticket it needed. What a report calls
    "viewed by us" is counted from these rows (H13)."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="reveals")
    entry = models.ForeignKey("Entry", on_delete=models.CASCADE, related_name="reveals")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reveals"
    )
    level = models.PositiveSmallIntegerField()
    drawing = models.BooleanField(default=False, help_text="L2 as a drawing of its lines.")
    ticket_digest = models.BinaryField(unique=True, help_text="SHA-256 of the ticket.")
    issued_at = models.DateTimeField(auto_now_add=True)
    opened_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["reviewer", "issued_at"])]

    def __str__(self) -> str:
        return f"reveal {self.pk}"
