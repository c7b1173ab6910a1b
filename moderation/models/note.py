"""A note of a case: what people at work on it tell each other. It stays inside, unchanged."""

import pgtrigger
from django.conf import settings
from django.db import models

from .case import Case
from .custody import plain_words


class Note(models.Model):
    """One note, by one person; it is never changed and never taken back."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=2000, validators=[plain_words])
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        triggers = [
            pgtrigger.Protect(name="notes_stay", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"note {self.pk}"
