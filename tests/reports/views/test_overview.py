"""The reporter's part of the overview: counts of what waits, each a link to those reports."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.reports.making import approved, confirmed_case, proposed

pytestmark = pytest.mark.django_db
Login = Callable[[User], Client]


def lines(client: Client) -> dict[str, str]:
    """The words of each line, to where it leads."""
    page = " ".join(client.get("/").content.decode().split())
    panel = page.partition('id="home-reports"')[2].partition("</section>")[0]
    found = re.findall(r'<li><a[^>]*href="([^"]*)">(.*?)</a></li>', panel)
    return {re.sub("<[^>]*>", "", words).replace("&#x27;", "'"): link for link, words in found}


def test_what_waits_is_counted_for_the_person_who_looks(
    reviewer: User, second_reviewer: User, reporter: User, second_reporter: User, login: Login
) -> None:
    for _ in range(2):
        confirmed_case(reviewer, second_reviewer)
    for _ in range(2):
        proposed(confirmed_case(reviewer, second_reviewer), by=reporter)
    proposed(confirmed_case(reviewer, second_reviewer), by=second_reporter)
    approved(confirmed_case(reviewer, second_reviewer), by=second_reporter, composer=reporter)

    told = lines(login(second_reporter))
    assert told == {
        "2 wait for your approval": "/reports/?state=proposed",
        "2 drafts": "/reports/?state=draft",
        "1 approved, not yet filed": "/reports/?state=approved",
        "1 waits for another person's approval": "/reports/?state=proposed",
    }
    for words, link in told.items():
        shown = login(second_reporter).get(link).context["page"].paginator.count
        assert shown == (3 if "wait" in words else int(words.split()[0]))
    assert "1 waits for your approval" in lines(login(reporter))


def test_nothing_waits_says_so(reporter: User, login: Login) -> None:
    assert lines(login(reporter)) == {}
    assert "None waits for you." in login(reporter).get("/").content.decode()
