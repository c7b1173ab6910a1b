"""Sessions in the database; what is not shaped like a key of ours is no session and asks nothing.

PostgreSQL refuses a NUL in a text, and Django takes any eight characters of a cookie for a key.
"""

import re
from typing import Any

from django.apps import apps
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.utils.dateparse import parse_datetime

KEY = re.compile(r"[0-9a-z]{32}")  # as django.contrib.sessions makes them


class SessionStore(db.SessionStore):
    """Django's, over rows that say whose they are: what stands in the session under these names."""

    @classmethod
    def get_model_class(cls) -> Any:
        return apps.get_model("moderation", "Session")

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row: Any = super().create_model_instance(data)
        row.user_id = data.get(SESSION_KEY)
        row.started_at = parse_datetime(data.get("started_at", ""))
        row.seen_at = parse_datetime(data.get("seen_at", ""))
        row.agent = data.get("agent", "")
        return row

    def _validate_session_key(self, key: Any) -> bool:
        return isinstance(key, str) and KEY.fullmatch(key) is not None
