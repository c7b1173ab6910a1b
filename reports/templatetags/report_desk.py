"""What pages of moderation show of reports: they name the tag, and know nothing of reports."""

from typing import Any

from django import template
from django.template.context import RequestContext

from moderation.models import Case
from moderation.models.case import HarmClass
from moderation.permissions import REPORT_APPROVE, REPORT_COMPOSE, REPORT_EXPORT
from reports.agencies import registry
from reports.agencies.base import UnknownAgency
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


@register.inclusion_tag("reports/_follows.html")
def reports_that_follow(
    classes: list[str], chosen: str, reach: dict[str, int]
) -> dict[str, list[dict[str, Any]]]:
    """Whom a removal is reported to, a sentence for each class that it may have; ``chosen`` is the
    one to show now, ``reach`` what the case holds."""
    sentences = {each: _told(HarmClass(each), links=reach["links"]) for each in classes}
    if chosen not in sentences:
        sentences[""] = "whom it is told to depends on the kind of harm"
    shown = chosen if chosen in sentences else ""
    return {
        "sentences": [
            {"harm_class": each, "words": words, "shown": each == shown}
            for each, words in sentences.items()
        ]
    }


def _told(harm_class: HarmClass, *, links: int) -> str:
    """Hotlines are told links, never files: without one there is nothing to draft."""
    if harm_class == HarmClass.UNKNOWN:
        return "no report while it is not classed"
    try:
        agencies = registry.responsible(harm_class)
    except UnknownAgency:
        return "no report, as the agency set for this site does not exist: tell an operator"
    if not agencies:
        return "no report as child sexual abuse material"
    if not links:
        return "no report, as no entry has a link"
    return f"drafts 1 report to {agencies[0].name}"
