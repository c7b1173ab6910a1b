"""Names of capabilities, and the roles that bundle them (console.md 2.5)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CASE_LIST = "moderation.case_list"
CASE_OPEN = "moderation.case_open"
DECIDE = "moderation.decide"
DECIDE_SECOND = "moderation.decide_second"
DECIDE_FINAL = "moderation.decide_final"
CASE_ASSIGN = "moderation.case_assign"
PREVIEW_L1 = "moderation.preview_l1"
PREVIEW_L2 = "moderation.preview_l2"
PREVIEW_L3 = "moderation.preview_l3"
WELLNESS_TEAM = "moderation.wellness_team"
URL_RAW = "moderation.url_raw"
REPORT_COMPOSE = "moderation.report_compose"
REPORT_APPROVE = "moderation.report_approve"
REPORT_EXPORT = "moderation.report_export"
LIST_VIEW = "moderation.list_view"
LIST_MANAGE = "moderation.list_manage"
HASH_LOOKUP = "moderation.hash_lookup"
SCAN_VIEW = "moderation.scan_view"
SCAN_RUN = "moderation.scan_run"
SCAN_FETCH = "moderation.scan_fetch"
MANIFEST_PUBLISH = "moderation.manifest_publish"
PREVIEW_GRANT = "moderation.preview_grant"
USER_MANAGE = "moderation.user_manage"
SETTINGS_MANAGE = "moderation.settings_manage"
LEGAL_HOLD = "moderation.legal_hold"
AUDIT_VIEW = "moderation.audit_view"
IDENTITY_VIEW = "moderation.identity_view"

_REVIEWER = (
    CASE_LIST,
    CASE_OPEN,
    DECIDE,
    DECIDE_SECOND,
    LIST_VIEW,
    PREVIEW_L1,
    PREVIEW_L2,
    PREVIEW_L3,
)

ROLES: dict[str, tuple[str, ...]] = {
    "reviewer": _REVIEWER,
    "lead": (
        *_REVIEWER,
        DECIDE_FINAL,
        CASE_ASSIGN,
        URL_RAW,
        SCAN_VIEW,
        MANIFEST_PUBLISH,
        LEGAL_HOLD,
        PREVIEW_GRANT,
        WELLNESS_TEAM,
    ),
    "reporter": (CASE_LIST, REPORT_COMPOSE, REPORT_APPROVE, REPORT_EXPORT, URL_RAW),
    # Fetching by dated grant beside it: see models/fetch_grant.py.
    "list_manager": (LIST_VIEW, LIST_MANAGE, HASH_LOOKUP, SCAN_VIEW, SCAN_RUN, SCAN_FETCH),
    "operator": (
        USER_MANAGE,
        PREVIEW_GRANT,
        SETTINGS_MANAGE,
        LIST_VIEW,
        SCAN_VIEW,
        SCAN_RUN,
        MANIFEST_PUBLISH,
        REPORT_EXPORT,
        LEGAL_HOLD,
    ),
    "auditor": (AUDIT_VIEW, IDENTITY_VIEW),
}

# Which roles somebody of a role may give and take; never their own. All others give none.
MAY_ASSIGN: dict[str, tuple[str, ...]] = {"operator": tuple(ROLES)}


def assignable_by(user: "User") -> set[str]:
    """The roles that this person may give to others and take from them."""
    own = user.groups.values_list("name", flat=True)
    return {role for name in own for role in MAY_ASSIGN.get(name, ())}


def role_of(user: "User") -> str:
    """The names of the user's roles, joined by commas: what a custody event records."""
    return ",".join(sorted(user.groups.values_list("name", flat=True)))
