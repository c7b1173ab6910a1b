"""Log-ins, log-outs and lock-outs stand in the chain of custody; wrong passwords and addresses do
not."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from moderation.models import CustodyEvent
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
ADDRESS = "192.0.2.7"


def sign_in(client: Client, name: str, password: str, address: str = "/login/") -> int:
    said = {"username": name, "password": password}
    return client.post(address, said, REMOTE_ADDR=ADDRESS).status_code


def events() -> list[tuple[str, str]]:
    return list(CustodyEvent.objects.order_by("seq").values_list("action", "actor"))


def test_who_logs_in_and_out(reviewer: User) -> None:
    client = Client()
    assert sign_in(client, "rhea", PASSWORD) == 302
    client.post("/logout/")
    client.post("/logout/")  # nobody is logged in any more
    who = reviewer.person.pseudonym
    assert events() == [("logged_in", who), ("logged_out", who)]
    first = CustodyEvent.objects.earliest("seq")
    assert (first.object_type, first.object_id) == ("user", str(reviewer.pk))
    assert first.role == "reviewer"
    assert CustodyEvent.objects.check_chain().intact


def test_the_back_rooms_door_is_the_same(operator: User) -> None:
    client = Client()
    door = client.get("/admin/login/").url
    assert sign_in(client, "otto", PASSWORD, door) == 302
    assert client.get("/admin/").status_code == 200
    assert events() == [("logged_in", operator.person.pseudonym)]


def test_a_wrong_password_is_no_event_and_a_lockout_is_one(
    reviewer: User, settings: Settings
) -> None:
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 3
    client = Client()
    for _ in range(2):
        sign_in(client, "rhea", "wrong")
    assert events() == []
    for password in ("wrong", "wrong", PASSWORD):
        assert sign_in(client, "rhea", password) == 429
    assert events() == [("locked_out", "system")]
    event = CustodyEvent.objects.get()
    assert (event.object_type, event.object_id) == ("user", str(reviewer.pk))
    assert ADDRESS not in str(vars(event))


def test_a_lockout_of_nobody_leaves_nothing(settings: Settings) -> None:
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 2
    for _ in range(3):
        sign_in(Client(), "nobody", "wrong")
    assert events() == []


def test_they_have_words_on_the_audit_page(auditor: User, login: Callable[[User], Client]) -> None:
    sign_in(Client(), "aude", PASSWORD)
    assert "logged in" in login(auditor).get("/audit/").content.decode()
