"""Addresses and words of the case page, for its tests."""

from typing import Any

from django.urls import reverse

from moderation.models import Case


def at(name: str, case: Case) -> str:
    return reverse(f"moderation:{name}", args=[case.pk])


def text(response: Any) -> str:
    return str(response.content.decode())
