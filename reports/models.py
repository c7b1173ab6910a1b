"""Reports about confirmed cases, the attempts to deliver them, and the exports people asked for."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from moderation.models import Case, Entry, SealedObject


class ReportQuerySet(models.QuerySet["Report"]):
    def live(self) -> "ReportQuerySet":
        return self.exclude(state=Report.State.WITHDRAWN)

    def exportable(self) -> "ReportQuerySet":
        return self.filter(state__in=[Report.State.APPROVED, Report.State.SENT])


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

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="reports")
    agency = models.CharField(max_length=20)
    state = models.CharField(max_length=12, choices=State.choices, default=State.DRAFT)
    environment = models.CharField(max_length=10, choices=Environment.choices)
    note = models.TextField(blank=True, help_text="Facts for the agency; no accusation, no names.")
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
        ]

    def __str__(self) -> str:
        return f"report {self.pk}"


class ReportItem(models.Model):
    """One entry in a report."""

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="items")
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="report_items")

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
    rows = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"export {self.pk}"
