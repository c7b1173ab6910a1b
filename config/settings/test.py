"""Tests: the same servers and code paths, fixed keys, short waits."""

from .base import *  # noqa: F403

SECRET_KEY = "test-secret"  # noqa: S105
EVIDENCE_KEY = "11" * 32
URL_KEY = "22" * 32
SIGNING_KEY = "33" * 32
SYNTHETIC = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AXES_ENABLED = False
