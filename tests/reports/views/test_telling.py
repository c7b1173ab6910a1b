"""A confirmed case without any link: a person tells the hotline otherwise, and that is recorded."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from moderation.evidence import sealing
from moderation.models import Case, CustodyEvent, Entry
from moderation.review import decisions
from reports import drafting
from tests.moderation.review.making import add_entry, make_case, settled

pytestmark = pytest.mark.django_db
Login = Callable[[User], Client]


@pytest.fixture
def linkless(reviewer: User, second_reviewer: User) -> Case:
    case = make_case()
    Entry.objects.update(url_key=None, sealed=sealing.seal_text({"url": ""}))
    settled(case, reviewer, "REMOVE_KNOWN")
    return settled(case, second_reviewer, "REMOVE_KNOWN")


def address(case: Case) -> str:
    return reverse("reports:tell", args=[case.pk])


def said(**changes: Any) -> dict[str, str]:
    now = timezone.now().strftime("%Y-%m-%dT%H:%M")
    return {"channel": "phone", "reference": "call 2026-17", "told_at": now} | changes


def events() -> list[CustodyEvent]:
    return list(CustodyEvent.objects.filter(action="hotline_told"))


def test_it_is_recorded_once_and_the_case_waits_no_more(
    linkless: Case, reporter: User, login: Login
) -> None:
    client = login(reporter)
    desk = client.get(reverse("reports:list")).content.decode()
    assert f'href="{address(linkless)}"' in desk
    assert client.get(address(linkless)).status_code == 200

    answer = client.post(address(linkless), said(), follow=True)

    [event] = events()
    assert event.actor == reporter.person.pseudonym
    assert (event.object_type, event.object_id) == ("case", str(linkless.pk))
    assert event.after["channel"] == "phone"
    assert event.after["reference"] == "call 2026-17"
    assert event.after["environment"] == "test"
    page = answer.content.decode()
    assert "Told on another channel" in page
    assert "call 2026-17" in page
    assert drafting.undrafted() == []
    again = client.post(address(linkless), said())
    assert again.status_code == 400
    assert "on record already" in again.content.decode()
    assert len(events()) == 1


def test_a_copy_with_a_link_can_still_be_drafted(
    linkless: Case, reporter: User, login: Login
) -> None:
    login(reporter).post(address(linkless), said())
    add_entry(linkless)
    [waiting] = drafting.undrafted()
    assert waiting.may_draft
    assert not waiting.may_tell


def test_a_case_confirmed_anew_is_told_anew(
    linkless: Case, reporter: User, lead: User, login: Login
) -> None:
    login(reporter).post(address(linkless), said())
    Case.objects.filter(pk=linkless.pk).update(closed_at=timezone.now() + timedelta(minutes=1))
    [waiting] = drafting.undrafted()
    assert waiting.may_tell


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"reference": " "}, "required"),
        ({"reference": "https://pictures.example/a.jpg"}, "Leave links and hashes out"),
        ({"channel": "pigeon"}, "valid choice"),
        ({"told_at": "2001-01-01T00:00"}, "before the case was confirmed"),
        ({"told_at": "2999-01-01T00:00"}, "in the future"),
        ({"told_at": "yesterday"}, "valid date"),
    ],
)
def test_what_cannot_be_true_is_refused(
    changes: dict[str, str], why: str, linkless: Case, reporter: User, login: Login
) -> None:
    answer = login(reporter).post(address(linkless), said(**changes))
    assert answer.status_code == 400
    assert why in answer.content.decode()
    assert not events()


def test_a_case_with_a_report_is_recorded_there(case: Case, reporter: User, login: Login) -> None:
    answer = login(reporter).post(address(case), said())
    assert (answer.status_code, events()) == (400, [])
    assert "has a report" in answer.content.decode()


def test_a_case_that_does_not_stand_confirmed_is_told_to_nobody(
    linkless: Case, reporter: User, login: Login
) -> None:
    decisions.reopen(linkless, because="value withdrawn")
    answer = login(reporter).post(address(linkless), said(), follow=True)
    assert "does not stand confirmed" in answer.content.decode()
    assert not events()


@pytest.mark.parametrize("who", ["reviewer", "lead", "operator", "auditor", "outsider"])
def test_only_who_composes_reports_records_it(
    who: str, linkless: Case, request: pytest.FixtureRequest, login: Login
) -> None:
    client = login(request.getfixturevalue(who))
    assert client.get(address(linkless)).status_code == 403
    assert client.post(address(linkless), said()).status_code == 403
    assert not events()
