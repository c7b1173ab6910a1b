"""The audit page: filters, pages by number, what changed, and the check of the chain."""

import re

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.urls import reverse

from moderation.models import CustodyEvent
from moderation.models.person import pseudonym_of

from . import rows

pytestmark = pytest.mark.django_db
URL = "/audit/"


def add(action, subject, by=None, **fields):
    with transaction.atomic():
        return CustodyEvent.objects.append(action, subject, by=by, **fields)


def shown(answer):
    return [event.seq for event in answer.context["events"]]


def text(answer):
    return " ".join(answer.content.decode().split())


@pytest.fixture
def events(operator, reviewer):
    scan, other = rows.scan(rows.revision("a")), rows.scan(rows.revision("b"))
    add("scan_started", scan, by=operator, after={"kind": "hash_only"})
    add("scan_paused", scan, by=operator, before={"state": "running"}, after={"state": "paused"})
    add("scan_started", other)
    add("answer_given", rows.hash_list(), by=reviewer, reason="looked twice")
    return scan, other


def test_nothing_yet(login, auditor):
    assert "No events yet" in text(login(auditor).get(URL))


def test_newest_first_with_what_changed(login, auditor, operator, events):
    answer = login(auditor).get(URL)
    assert shown(answer) == [4, 3, 2, 1]
    assert "running → paused" in text(answer)
    assert "looked twice" in text(answer)
    assert pseudonym_of(operator) in text(answer)
    assert operator.username not in text(answer)


def test_filters(login, auditor, operator, events):
    scan, _ = events
    client = login(auditor)
    assert shown(client.get(URL, {"action": "scan_started"})) == [3, 1]
    assert shown(client.get(URL, {"object": "scan"})) == [3, 2, 1]
    assert shown(client.get(URL, {"object": f"scan:{scan.pk}"})) == [2, 1]
    assert shown(client.get(URL, {"actor": pseudonym_of(operator).lower()})) == [2, 1]
    assert shown(client.get(URL, {"actor": "system"})) == [3]
    answer = client.get(URL, {"action": "nothing"})
    assert shown(answer) == []
    assert "No event fits" in text(answer)


@pytest.mark.parametrize("before", ["", "x", "-1", "9" * 40, "1e3", "٣"])
def test_a_bad_page_is_the_first_one(login, auditor, events, before):
    answer = login(auditor).get(URL, {"before": before})
    assert answer.status_code == 200


def test_pages_keep_the_filter(login, auditor):
    scan = rows.scan(rows.revision())
    for _ in range(53):
        add("scan_started", scan)
    client = login(auditor)
    first = client.get(URL, {"action": "scan_started"})
    assert shown(first) == list(range(53, 3, -1))
    assert "?action=scan_started&amp;before=4" in text(first)
    second = client.get(URL, {"action": "scan_started", "before": 4})
    assert shown(second) == [3, 2, 1]
    assert ">Newest<" in text(second)
    assert ">Older<" not in text(second)


def check(client):
    answer = client.post(reverse("moderation:verify_chain"), follow=True)
    (note,) = answer.context["messages"]
    return note.level_tag, str(note)


def test_an_intact_chain(login, auditor, events):
    level, words = check(login(auditor))
    assert level == "success"
    assert "4 events" in words


def test_a_changed_event_is_found(login, auditor, events):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE moderation_custodyevent DISABLE TRIGGER USER")
        cursor.execute("UPDATE moderation_custodyevent SET actor = 'P-OTHER' WHERE seq = 2")
        cursor.execute("ALTER TABLE moderation_custodyevent ENABLE TRIGGER USER")
    level, words = check(login(auditor))
    assert level == "error"
    assert "broken at event 2" in words


def test_what_people_type_stays_text(login, auditor):
    add("scan_started", rows.scan(rows.revision()), reason="<script>alert(1)</script>")
    answer = login(auditor).get(URL, {"object": '"><script>x</script>'})
    assert "<script>" not in text(answer).replace("<script src=", "")


def test_the_page_shows_what_to_note_of_the_chain(login, auditor, events):
    words = text(login(auditor).get(URL))
    [said] = re.findall(r"verify_custody (--expect-events \d+ --expect-head [0-9a-f-]+)", words)
    call_command("verify_custody", *said.split())
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE moderation_custodyevent DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM moderation_custodyevent WHERE seq = 4")
    with pytest.raises(CommandError, match="not the one that was noted"):
        call_command("verify_custody", *said.split())
