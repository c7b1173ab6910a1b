"""A session that knows whose it is, so that a person can see and end their own."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.db import models


class Session(AbstractBaseSession):
    """One browser that is logged in, or is about to be; ``config.sessions`` writes it."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="sessions"
    )
    started_at = models.DateTimeField(null=True, help_text="When the person logged in.")
    seen_at = models.DateTimeField(null=True, help_text="When there was last input.")
    agent = models.CharField(max_length=60, blank=True, help_text="Browser and system, in words.")

    objects: ClassVar[Any] = BaseSessionManager()

    def __str__(self) -> str:
        return "session"  # its key opens it, and is shown nowhere

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        from config.sessions import SessionStore

        return SessionStore
