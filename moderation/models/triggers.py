"""Triggers of our own; pgtrigger's Protect knows rows alone, and TRUNCATE has none."""

from typing import Any

import pgtrigger

REFUSAL = """
    IF current_setting('breakwater.may_truncate', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION 'Cannot truncate table %', TG_TABLE_NAME;
    END IF;
    RETURN NULL;
"""


TALLY = """
    INSERT INTO moderation_casetally (state, triage, harm_class, trust, cases)
    SELECT state, triage, harm_class, trust, sum(step) FROM ({steps}) AS changes
    GROUP BY state, triage, harm_class, trust HAVING sum(step) <> 0;
    RETURN NULL;
"""
GONE = "SELECT state, triage, harm_class, trust, -1 AS step FROM gone"
COME = "SELECT state, triage, harm_class, trust, 1 AS step FROM come"


class NoTruncate(pgtrigger.Trigger):
    """Refuses TRUNCATE, unless the session says otherwise: tests empty their database by it
    (config.settings.test). The application's role may not empty these tables at all (config.roles);
    against an owner no trigger helps, and for that a head of the chain is kept elsewhere
    (``verify_custody --expect-head``)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            level=pgtrigger.Statement,
            when=pgtrigger.Before,
            operation=pgtrigger.Truncate,
            func=REFUSAL,
            **kwargs,
        )


class Tallied(pgtrigger.Trigger):
    """Notes in CaseTally what a statement changed of the counts, one row a kind of case."""

    def __init__(self, operation: Any, **kwargs: Any) -> None:
        tables = {
            pgtrigger.Insert: {"new": "come"},
            pgtrigger.Update: {"old": "gone", "new": "come"},
            pgtrigger.Delete: {"old": "gone"},
        }[operation]
        steps = [{"old": GONE, "new": COME}[name] for name in tables]
        super().__init__(
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=operation,
            referencing=pgtrigger.Referencing(**tables),
            func=TALLY.format(steps=" UNION ALL ".join(steps)),
            **kwargs,
        )
