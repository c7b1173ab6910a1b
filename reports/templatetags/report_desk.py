"""What pages of moderation show of reports: they name the tag, and know nothing of reports."""

from typing import Any

from django import template
from django.template.context import RequestContext

from moderation.models import Case
from moderation.permissions import REPORT_APPROVE, REPORT_COMPOSE, REPORT_EXPORT
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


@register.inclusion_tag("reports/_of_case.html", takes_context=True)
def reports_of_case(context: RequestContext, case: Case) -> dict[str, Any]:
    """The reports about a case, the newest first; a link for whoever may open them."""
    user = context["request"].user
    desk = (REPORT_COMPOSE, REPORT_APPROVE, REPORT_EXPORT)
    return {
        "reports": Report.objects.filter(case=case).with_submission().order_by("-pk"),
        "may_open": any(user.has_perm(name) for name in desk),
    }
