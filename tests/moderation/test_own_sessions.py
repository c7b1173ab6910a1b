"""One's own sessions are seen and ended; without input one locks, on the server's word alone."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from moderation.models import CustodyEvent, Session
from tests.conftest import PASSWORD
from tests.moderation.review import making

from .views import rows

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def log_in(person, agent=FIREFOX):
    client = Client(headers={"user-agent": agent})
    client.post("/login/", {"username": person.username, "password": PASSWORD})
    return client


def leave(client, minutes):
    """Nobody touches it for so many minutes."""
    session = client.session
    session["seen_at"] = (timezone.now() - timedelta(minutes=minutes)).isoformat()
    session.save()


def is_in(client):
    return client.get("/").status_code == 200


def test_the_account_page_lists_ones_own(reviewer, second_reviewer):
    here, other = log_in(reviewer), log_in(second_reviewer, "curl/8.0")
    page = here.get("/account/").content.decode()
    assert page.count("Firefox on Linux") == 1
    assert "this one" in page
    assert "Another browser" not in page
    assert here.session.session_key not in page
    assert other.session.session_key not in page


def test_one_is_ended(reviewer):
    here, there, third = log_in(reviewer), log_in(reviewer), log_in(reviewer)
    name = next(
        row.name
        for row in here.get("/account/").context["sessions"]
        if row.session_key == there.session.session_key
    )
    assert here.post("/account/sessions/end/", {"name": name}).url == "/account/"
    assert (is_in(here), is_in(there), is_in(third)) == (True, False, True)
    event = CustodyEvent.objects.latest("seq")
    assert (event.action, event.after) == ("sessions_ended", {"sessions": 1})


def test_all_but_this_are_ended(reviewer, second_reviewer):
    here, there, others = log_in(reviewer), log_in(reviewer), log_in(second_reviewer)
    here.post("/account/sessions/end/")
    assert (is_in(here), is_in(there), is_in(others)) == (True, False, True)


@pytest.mark.parametrize("name", ["0" * 16, "x", "\0"])
def test_nobody_ends_what_is_not_theirs(reviewer, second_reviewer, name):
    here, others = log_in(reviewer), log_in(second_reviewer)
    known = others.get("/account/").context["sessions"][0].name
    for each in (name, known):
        here.post("/account/sessions/end/", {"name": each})
    assert is_in(others)
    assert not CustodyEvent.objects.filter(action="sessions_ended").exists()
    assert here.get("/account/sessions/end/").status_code == 405


def test_it_locks_without_input(reviewer):
    client = log_in(reviewer)
    leave(client, 14)
    assert is_in(client)  # and that was input
    leave(client, 17)
    assert (
        client.get("/queue/?state=open").url == "/account/unlock/?next=%2Fqueue%2F%3Fstate%3Dopen"
    )
    assert client.post("/queue/next/").url == "/account/unlock/?next=%2Fqueue%2F"
    asked = client.get("/account/", headers={"accept": "application/json"})
    assert (asked.status_code, json.loads(asked.content)) == (401, {"locked": True})
    assert "Locked" in client.get("/account/unlock/").content.decode()
    assert client.get("/account/app/add/").status_code == 302


def test_time_alone_does_not_open_it_again(reviewer):
    client = log_in(reviewer)
    leave(client, 17)
    client.get("/")
    leave(client, 0)
    assert not is_in(client)


def test_the_password_opens_it(reviewer):
    client = log_in(reviewer)
    leave(client, 17)
    wrong = client.post("/account/unlock/", {"password": "wrong", "next": "/queue/"})
    assert "not your password" in wrong.content.decode()
    assert not is_in(client)
    assert (
        client.post("/account/unlock/", {"password": PASSWORD, "next": "/queue/"}).url == "/queue/"
    )
    assert is_in(client)


def test_a_page_that_stays_asks_for_json(reviewer):
    client = log_in(reviewer)
    assert client.post("/account/lock/").status_code == 204
    assert not is_in(client)
    json_only = {"accept": "application/json"}
    wrong = client.post("/account/unlock/", {"password": "wrong"}, headers=json_only)
    assert wrong.status_code == 403
    right = client.post("/account/unlock/", {"password": PASSWORD}, headers=json_only)
    assert (right.status_code, json.loads(right.content)) == (200, {"locked": False})


def test_the_way_back_stays_on_this_site(reviewer):
    client = log_in(reviewer)
    form = {"password": PASSWORD, "next": "https://elsewhere.example/"}
    assert client.post("/account/unlock/", form).url == "/"


def test_wrong_passwords_at_the_lock_count(reviewer, settings):
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 3
    client = log_in(reviewer)
    client.post("/account/lock/")
    for _ in range(2):
        assert client.post("/account/unlock/", {"password": "wrong"}).status_code == 200
    assert client.post("/account/unlock/", {"password": "wrong"}).status_code == 429
    assert client.post("/account/unlock/", {"password": PASSWORD}).status_code == 429
    assert not is_in(client)


def test_a_locked_one_can_log_out(reviewer):
    client = log_in(reviewer)
    client.post("/account/lock/")
    assert client.post("/logout/").url == "/login/"
    assert not Session.objects.filter(user=reviewer).exists()


def test_what_a_page_asks_by_itself_is_no_input(operator):
    scan = rows.scan(rows.revision())
    client = log_in(operator)
    leave(client, 14)
    before = client.session["seen_at"]
    assert client.get(f"/scans/{scan.pk}/progress/").status_code in (200, 286)
    assert client.session["seen_at"] == before
    client.post("/account/at-work/")
    assert client.session["seen_at"] > before


def test_nor_is_renewing_a_case(reviewer):
    case = making.make_case()
    client = log_in(reviewer)
    client.post("/queue/next/")
    case.refresh_from_db()
    leave(client, 14)
    before = client.session["seen_at"]
    address, token = f"/cases/{case.pk}/renew/", {"token": case.lease_token}
    json_only = {"accept": "application/json"}
    assert client.post(address, token, headers=json_only).status_code == 200
    assert client.session["seen_at"] == before
    leave(client, 17)
    assert client.post(address, token, headers=json_only).status_code == 401
