"""The reporter's part of the overview: moderation's pages name it, and know nothing of reports."""

from typing import Any

from django import template
from django.template.context import RequestContext

from moderation.permissions import REPORT_APPROVE, REPORT_COMPOSE
from reports.models import Report

register = template.Library()
State = Report.State


@register.inclusion_tag("reports/_waiting.html", takes_context=True)
def waiting_reports(context: RequestContext) -> dict[str, Any]:
    """How many reports wait for this person, and how many for another one."""
    user = context["request"].user
    live, composes = Report.objects.visible_to(user).live(), user.has_perm(REPORT_COMPOSE)
    mine = live.approvable_by(user).count() if user.has_perm(REPORT_APPROVE) else 0
    return {
        "to_approve": mine,
        "others_approve": live.filter(state=State.PROPOSED).count() - mine,
        "drafts": live.filter(state=State.DRAFT).count() if composes else 0,
        "to_file": live.filter(state=State.APPROVED).count() if composes else 0,
    }
