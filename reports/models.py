"""Reports about confirmed cases, the attempts to deliver them, and the exports people asked for."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, models
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.db.models.functions import Cast

from moderation.models import Case, CustodyEvent, Entry, Grant, SealedObject
from moderation.models.custody import CHAIN_LOCK, PLAIN_WORDS, has_link_or_hash
from moderation.models.person import pseudonym_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ReportConflict(Exception):
    """The report is no longer in the state, or at the edit, that the caller saw."""


class ReportRefused(Exception):
    """A rule forbids this step; the message is one line for the person and says what to do."""


def refuse_links(text: str, *, split: bool = True) -> None:
    """The same rule where no form stands before it: raise ReportRefused."""
    if has_link_or_hash(text, split=split):
        raise ReportRefused(PLAIN_WORDS)


class ReportQuerySet(models.QuerySet["Report"]):
    def visible_to(self, user: "User") -> "ReportQuerySet":
        """Of cases whose harm class is granted to this person."""
        return self.filter(case__harm_class__in=Grant.objects.classes(user))

    def live(self) -> "ReportQuerySet":
        return self.exclude(state=Report.State.WITHDRAWN)

    def unsent(self) -> "ReportQuerySet":
        """Nothing has left the house yet: these can still be withdrawn."""
        return self.filter(state__in=Report.UNSENT)

    def approvable_by(self, user: "User") -> "ReportQuerySet":
        """Proposed by somebody else, and without a word of this person's."""
        proposed = self.filter(state=Report.State.PROPOSED).exclude(composed_by=user)
        return proposed.exclude(pk__in=self.written_by(user).values("pk"))

    def written_by(self, user: "User") -> "ReportQuerySet":
        """Those of which this person ever changed something, as the chain of custody has it."""
        edits = CustodyEvent.objects.filter(
            action="report_edited",
            object_type="report",
            object_id=Cast(OuterRef("pk"), models.TextField()),
            actor=pseudonym_of(user),
        )
        return self.filter(Exists(edits))

    def exportable(self) -> "ReportQuerySet":
        """Two people stand behind them and their payload is sealed."""
        return self.filter(state__in=Report.APPROVED_AND_ON)

    def with_submission(self) -> "ReportQuerySet":
        """Annotate reference, time and outcome of the last submission; None before there is one."""
        last = Submission.objects.filter(report=OuterRef("pk")).order_by("-pk")
        return self.annotate(
            reference=Subquery(last.values("external_reference")[:1]),
            submitted_at=Subquery(last.values("submitted_at")[:1]),
            outcome=Subquery(last.values("outcome")[:1]),
        )

    def locked(self, pk: int) -> "Report":
        """Lock one report until the transaction ends and return it as it now is.

        The chain of custody is locked first: a case that is reopened holds that lock when it
        tells us so and then wants the report, and two steps never wait for each other.
        """
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHAIN_LOCK])
        return self.select_for_update(of=("self",)).get(pk=pk)


class Report(models.Model):
    """What one agency is told about one confirmed case. Two different people stand behind it."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        PROPOSED = "proposed", "Waiting for approval"
        APPROVED = "approved", "Approved, not yet filed"
        SENT = "sent", "Filed"
        ACKNOWLEDGED = "acknowledged", "Answered by the agency"
        WITHDRAWN = "withdrawn", "Withdrawn"

    class Environment(models.TextChoices):
        TEST = "test", "Test"
        PRODUCTION = "production", "Production"

    class Grade(models.TextChoices):
        """The IWF's scheme; a proposal, the hotline decides."""

        A = "A", "A: penetrative sexual activity, with an animal, or sadism"
        B = "B", "B: non-penetrative sexual activity"
        C = "C", "C: other indecent images"

    # The one table of transitions: (state, event) -> next state.
    TRANSITIONS: dict[tuple[str, str], str] = {
        (State.DRAFT, "edit"): State.DRAFT,
        (State.DRAFT, "propose"): State.PROPOSED,
        (State.PROPOSED, "send_back"): State.DRAFT,
        (State.PROPOSED, "approve"): State.APPROVED,
        (State.APPROVED, "file"): State.SENT,
        (State.SENT, "answer"): State.ACKNOWLEDGED,
        (State.ACKNOWLEDGED, "answer"): State.ACKNOWLEDGED,
        (State.SENT, "correct"): State.SENT,
        (State.ACKNOWLEDGED, "correct"): State.ACKNOWLEDGED,
        (State.DRAFT, "withdraw"): State.WITHDRAWN,
        (State.PROPOSED, "withdraw"): State.WITHDRAWN,
        (State.APPROVED, "withdraw"): State.WITHDRAWN,
    }
    UNSENT = (State.DRAFT, State.PROPOSED, State.APPROVED)
    APPROVED_AND_ON = (State.APPROVED, State.SENT, State.ACKNOWLEDGED)

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="reports")
    agency = models.CharField(max_length=20)
    state = models.CharField(max_length=12, choices=State.choices, default=State.DRAFT)
    environment = models.CharField(max_length=10, choices=Environment.choices)
    edit_no = models.PositiveIntegerField(default=0)
    note = models.TextField(blank=True, help_text="Facts for the agency; no accusation, no names.")
    grade = models.CharField(
        max_length=1, choices=Grade.choices, blank=True, help_text="Proposed; the hotline decides."
    )
    reason = models.CharField(
        max_length=300, blank=True, help_text="Why it was sent back or withdrawn."
    )
    drafted_at = models.DateTimeField(auto_now_add=True)
    composed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    approved_at = models.DateTimeField(null=True)
    payload = models.OneToOneField(
        SealedObject, on_delete=models.PROTECT, null=True, help_text="As approved, byte for byte."
    )

    objects = ReportQuerySet.as_manager()

    class Meta:
        ordering = ["-drafted_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["case", "agency"],
                condition=~Q(state="withdrawn"),
                name="one_live_report_per_agency",
            ),
            # H5: approval is by another person than the composer.
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True)
                | (Q(composed_by__isnull=False) & ~Q(approved_by=F("composed_by"))),
                name="two_people_report",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "sent", "acknowledged"])
                | (
                    Q(approved_by__isnull=False)
                    & Q(approved_at__isnull=False)
                    & Q(payload__isnull=False)
                ),
                name="approved_is_sealed",
            ),
        ]

    def __str__(self) -> str:
        return f"report {self.pk}"

    @property
    def title(self) -> str:
        return f"Report {self.pk}"

    @property
    def is_production(self) -> bool:
        return self.environment == self.Environment.PRODUCTION

    def move(self, event: str, **changes: Any) -> None:
        """Make the transition ``event`` or raise ReportConflict.

        An UPDATE that names the state and edit number it expects: of two callers one wins.
        """
        target = self.TRANSITIONS.get((self.state, event))
        if target is None:
            raise ReportConflict(
                f"Report {self.pk} is in the state “{self.get_state_display()}”: "
                f"{event.replace('_', ' ')} is not possible now. Look at the report again."
            )
        changes |= {"state": target, "edit_no": self.edit_no + 1}
        updated = Report.objects.filter(pk=self.pk, state=self.state, edit_no=self.edit_no).update(
            **changes
        )
        if not updated:
            raise ReportConflict(f"Report {self.pk} was changed meanwhile. Look at it again.")
        for name, value in changes.items():
            setattr(self, name, value)

    def seen_at(self, edit_no: int | None) -> None:
        """Raise ReportConflict if the person looked at an older edit; None asks for no check."""
        if edit_no is not None and edit_no != self.edit_no:
            raise ReportConflict(f"Report {self.pk} was changed meanwhile. Look at it again.")


class ReportItem(models.Model):
    """One entry in a report."""

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="items")
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="report_items")
    hosting_country = models.CharField(
        max_length=2, blank=True, help_text="ISO 3166, if somebody resolved it."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["report", "entry"], name="one_item_per_entry")
        ]

    def __str__(self) -> str:
        return f"report item {self.pk}"


class Submission(models.Model):
    """One delivery of a report, with the reference and the outcome the body gave."""

    class Channel(models.TextChoices):
        FORM = "form", "Web form"
        PORTAL = "portal", "Member portal"
        MAIL = "mail", "Mail"

    class Outcome(models.TextChoices):
        PENDING = "pending", "Pending"
        ACTIONED = "actioned", "Actioned"
        NOT_ILLEGAL = "not_illegal", "Not illegal"
        UNREACHABLE = "unreachable", "Unreachable"
        DUPLICATE = "duplicate", "Duplicate"

    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="submissions")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    submitted_at = models.DateTimeField()
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    external_reference = models.CharField(max_length=100)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.PENDING)
    outcome_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"submission {self.pk}"


class Export(models.Model):
    """Reports written to a file on somebody's request: who, why, how many rows, which bytes."""

    reports = models.ManyToManyField(Report, related_name="exports")
    format = models.CharField(max_length=10)
    purpose = models.CharField(max_length=300)
    whole = models.BooleanField(help_text="An agency's file, with full URLs and hashes.")
    rows = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"export {self.pk}"
