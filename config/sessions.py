"""Sessions in the database; what is not shaped like a key of ours is no session and asks nothing.

PostgreSQL refuses a NUL in a text, and Django takes any eight characters of a cookie for a key.
"""

import re
from typing import Any

from django.contrib.sessions.backends import db

KEY = re.compile(r"[0-9a-z]{32}")  # as django.contrib.sessions makes them


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: Any) -> bool:
        return isinstance(key, str) and KEY.fullmatch(key) is not None
