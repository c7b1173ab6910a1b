"""Wrong passwords: ten from one address, fifty from anywhere. The second limit leaves the addresses
alone at which the person is at home, and nobody keeps a login locked by going on."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from moderation.models import CustodyEvent
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
HOME, NEW = "192.0.2.7", "192.0.2.8"
LOCKED = 429


@pytest.fixture(autouse=True)
def _limits(settings: Any) -> None:
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 3
    settings.LOGIN_FAILURE_LIMIT_EVERYWHERE = 8


def log_in(address: str, password: str = "wrong", name: str = "rhea") -> int:
    form = {"username": name, "password": password}
    return Client().post("/login/", form, REMOTE_ADDR=address).status_code


def guess_from_everywhere(count: int = 8, *, name: str = "rhea") -> list[int]:
    """One try from each of so many addresses."""
    return [log_in(f"198.51.100.{number}", name=name) for number in range(1, count + 1)]


def test_from_one_address_it_is_ten_as_ever(reviewer: User) -> None:
    assert [log_in(NEW) for _ in range(3)] == [200, 200, LOCKED]
    assert log_in(HOME, PASSWORD) == 302


def test_from_many_addresses_it_ends(reviewer: User) -> None:
    assert guess_from_everywhere() == [200] * 7 + [LOCKED]
    assert log_in("198.51.100.200") == LOCKED
    assert log_in("198.51.100.201", PASSWORD) == LOCKED  # were it guessed, nobody would know
    event = CustodyEvent.objects.get(action="locked_out")
    assert (event.object_id, event.after) == (str(reviewer.pk), {"everywhere": True})
    assert "198.51" not in str(vars(event))


def test_of_others_it_says_nothing(reviewer: User, second_reviewer: User) -> None:
    guess_from_everywhere()
    assert log_in(NEW, PASSWORD, name="sven") == 302


def test_the_person_goes_on_where_they_are_at_home(reviewer: User) -> None:
    assert log_in(HOME, PASSWORD) == 302
    guess_from_everywhere()
    assert log_in(NEW, PASSWORD) == LOCKED
    assert log_in(HOME, PASSWORD) == 302


def test_at_home_there_are_ten_tries_all_the_same(reviewer: User) -> None:
    log_in(HOME, PASSWORD)
    guess_from_everywhere()
    assert [log_in(HOME) for _ in range(3)] == [200, 200, LOCKED]
    assert log_in(HOME, PASSWORD) == LOCKED


def test_home_is_forgotten_after_a_month(reviewer: User) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=31)):
        assert log_in(HOME, PASSWORD) == 302
    guess_from_everywhere()
    assert log_in(HOME, PASSWORD) == LOCKED


def test_another_ones_home_is_not_mine(reviewer: User, second_reviewer: User) -> None:
    assert log_in(NEW, PASSWORD, name="sven") == 302
    guess_from_everywhere()
    assert log_in(NEW, PASSWORD) == LOCKED


def test_it_ends_by_itself_whatever_is_tried_meanwhile(reviewer: User) -> None:
    now = timezone.now()
    with time_machine.travel(now, tick=False) as clock:
        guess_from_everywhere()
        for _ in range(14):  # somebody goes on, from everywhere
            clock.shift(timedelta(minutes=1))
            assert set(guess_from_everywhere()) == {LOCKED}
        assert log_in(NEW, PASSWORD) == LOCKED
        clock.shift(timedelta(minutes=2))
        assert log_in(NEW, PASSWORD) == 302
    assert CustodyEvent.objects.filter(action="locked_out").count() == 1


def test_a_login_that_nobody_has_answers_alike() -> None:
    assert guess_from_everywhere(name="nobody") == [200] * 7 + [LOCKED]
    assert not CustodyEvent.objects.exists()
    assert AccessAttempt.objects.count() == 8


def test_as_it_is_set(settings: Any) -> None:
    from config.settings import base

    assert (base.AXES_FAILURE_LIMIT, base.LOGIN_FAILURE_LIMIT_EVERYWHERE) == (10, 50)
    assert base.AXES_COOLOFF_TIME == 0.25
    assert base.AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT is False
