"""What reports does when moderation says that a case was confirmed or reopened."""

from typing import Any

from django.dispatch import receiver

from moderation.models import Case
from moderation.signals import case_confirmed, case_reopened

from . import drafting
from .models import ReportRefused


@receiver(case_confirmed, sender=Case)
def draft_report(sender: type[Case], *, case: Case, **kwargs: Any) -> None:
    """Draft inside the deciding transaction. What a rule forbids is recorded, and the decision
    stands all the same: a removal does not wait for a report (H15)."""
    try:
        drafting.draft(case)
    except ReportRefused as refused:
        drafting.note_refusal(case, refused)


@receiver(case_reopened, sender=Case)
def withdraw_report(sender: type[Case], *, case: Case, **kwargs: Any) -> None:
    """Nothing leaves the house about a case that is looked at anew."""
    drafting.withdraw_unsent(case)
