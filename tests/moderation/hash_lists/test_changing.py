"""Changes to a list itself: only what differs, with one custody event."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError

from moderation.hash_lists.changing import change
from moderation.models import CustodyEvent, HashList

pytestmark = pytest.mark.django_db


@pytest.fixture
def known():
    return HashList.objects.create(slug="quay", owner="A", threshold=31)


def test_what_differs_is_written_and_recorded(known, operator):
    until = datetime(2027, 1, 1, tzinfo=UTC)
    change(known, by=operator, owner="B", threshold=31, expires_at=until)
    known.refresh_from_db()
    assert (known.owner, known.expires_at) == ("B", until)
    event = CustodyEvent.objects.get()
    assert event.before == {"owner": "A", "expires_at": None}
    assert event.after == {"owner": "B", "expires_at": "2027-01-01T00:00:00+00:00"}


def test_nothing_new_leaves_no_event(known, operator):
    change(known, by=operator, owner="A")
    assert not CustodyEvent.objects.exists()


def test_a_stale_object_does_not_undo_what_others_wrote(known, operator):
    HashList.objects.update(owner="C")
    change(known, by=operator, enabled=False)
    assert HashList.objects.get().owner == "C"


@pytest.mark.parametrize(("name", "value"), [("trust", "blind"), ("threshold", 48)])
def test_a_bad_value_is_refused(known, operator, name, value):
    with pytest.raises(ValidationError):
        change(known, by=operator, **{name: value})
    assert not CustodyEvent.objects.exists()


@pytest.mark.parametrize("name", ["slug", "current", "pk"])
def test_what_is_not_to_be_changed_here(known, operator, name):
    with pytest.raises(ValueError, match="not to be changed here"):
        change(known, by=operator, **{name: 1})
