"""What tests of pages share: a browser, an answer's form, what the view hands to the broker."""

import pytest

from moderation.models import Case
from moderation.views import cases as views
from tests.browser import chromium, expected_errors, opened  # noqa: F401


@pytest.fixture
def enqueued(monkeypatch):
    """What the view hands to the broker; the broker itself has its own tests."""
    calls = []
    monkeypatch.setattr(
        views.settle_answer, "apply_async", lambda args, **options: calls.append((args, options))
    )
    return calls


@pytest.fixture
def fields():
    """The fields a held page would send."""

    def of(case, **changes):
        held = Case.objects.get(pk=case.pk)
        return {
            "token": held.lease_token,
            "edit_no": held.edit_no,
            "idempotency_key": "page-1",
            "answer": "REMOVE_KNOWN",
            "harm_class": "csam",
            "reason": "",
            "then": "stay",
        } | changes

    return of
