"""StopNCII JSON: what is active, and what was withdrawn or deleted."""

import json

import pytest

from moderation.hash_lists.known import ListUnreadable

from .files import hexed, items, known, reasons, stopncii, value


def test_statuses():
    found = known(items(stopncii([(1, "Active"), (2, "Withdrawn"), (3, "Deleted")]), "stopncii"))
    assert [(item.value, item.deleted) for item in found] == [
        (value("pdq", 1), False),
        (value("pdq", 2), True),
        (value("pdq", 3), True),
    ]
    assert {(item.algorithm, item.scheme, item.media) for item in found} == {
        ("pdq", "stopncii", "image")
    }
    assert {item.stamp for item in found} == {1767323045}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hashStatus": "Paused"}, "unknown_status"),
        ({"hashStatus": None}, "unknown_status"),
        ({"signalType": "ImageNew"}, "unknown_algorithm"),
        ({"hashValue": None}, "empty"),
        ({"hashValue": "0" * 64}, "flat_value"),
        ({"hashValue": hexed("md5", 1)}, "wrong_length"),
    ],
)
def test_rejected_records(changes, reason):
    body = json.loads(stopncii([(1, "Active")]))
    body["hashRecords"][0] |= changes
    assert reasons(items(json.dumps(body), "stopncii")) == [(reason, 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"value": []}', "no list of StopNCII entries"),
        (stopncii([(1, "Active")])[:-2], "cut off"),
        ("hello", "JSON"),
    ],
)
def test_unreadable_files(text, message):
    with pytest.raises(ListUnreadable, match=message):
        items(text, "stopncii")
