"""Triggers of our own; pgtrigger's Protect knows rows alone, and TRUNCATE has none."""

from typing import Any

import pgtrigger

REFUSAL = """
    IF current_setting('breakwater.may_truncate', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION 'Cannot truncate table %', TG_TABLE_NAME;
    END IF;
    RETURN NULL;
"""


class NoTruncate(pgtrigger.Trigger):
    """Refuses TRUNCATE, unless the session says otherwise: tests empty their database by it
    (config.settings.test). Against an owner of the database no trigger helps; for that a head of
    the chain is kept elsewhere (``verify_custody --expect-head``)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            level=pgtrigger.Statement,
            when=pgtrigger.Before,
            operation=pgtrigger.Truncate,
            func=REFUSAL,
            **kwargs,
        )
