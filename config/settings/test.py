"""Tests: the same servers and code paths, fixed keys, short waits."""

from config import env, services

from .base import *  # noqa: F403
from .base import DATABASES

SECRET_KEY = "test-secret"  # noqa: S105
EVIDENCE_KEY = "11" * 32
URL_KEY = "22" * 32
SIGNING_KEY = "33" * 32
SYNTHETIC = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AXES_ENABLED = False
# Tests make their own databases, and disable triggers to see what is found then: as the owner.
DATABASES["default"] |= env.database(services.owner_url())
# Those that need real transactions empty the tables afterwards, those of the custody too.
_options = DATABASES["default"].setdefault("OPTIONS", {})
_options["options"] = f"{_options.get('options', '')} -c breakwater.may_truncate=on".strip()
