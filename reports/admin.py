"""Reports, submissions and exports to look at; their steps are taken at the report desk alone."""

from django.contrib import admin

from moderation.admin import ToLookAt
from moderation.permissions import REPORT_EXPORT

from .models import Export, Report, Submission


@admin.register(Report)
class ReportAdmin(ToLookAt):
    look = REPORT_EXPORT
    list_display = ["pk", "case_id", "agency", "state", "environment", "drafted_at"]
    list_filter = ["state", "agency", "environment"]
    ordering = ["-pk"]
    fields = ["case_id", "agency", "state", "environment", "drafted_at", "approved_at"]


@admin.register(Submission)
class SubmissionAdmin(ToLookAt):
    look = REPORT_EXPORT
    list_display = ["pk", "report_id", "channel", "submitted_at", "external_reference", "outcome"]
    ordering = ["-pk"]
    fields = [
        *("report_id", "channel", "submitted_at", "external_reference", "outcome", "outcome_at")
    ]


@admin.register(Export)
class ExportAdmin(ToLookAt):
    look = REPORT_EXPORT
    list_display = ["pk", "format", "whole", "rows", "purpose", "asked_at"]
    ordering = ["-pk"]
    fields = ["format", "whole", "rows", "purpose", "sha256", "asked_at"]
