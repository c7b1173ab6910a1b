"""The overview: each role sees the work it has."""

from datetime import timedelta

import pytest
from django.utils import timezone

from moderation.models import Case, LegalBasis

from . import rows

pytestmark = pytest.mark.django_db


def panels(answer):
    return set(answer.context["panels"])


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("reviewer", {"cases"}),
        ("lead", {"cases", "scans", "removals", "grants"}),
        ("reporter", set()),
        ("list_manager", {"scans", "lists"}),
        ("operator", {"scans", "removals", "fetching", "grants"}),
        ("auditor", {"audit"}),
        ("outsider", set()),
    ],
)
def test_panels_by_role(request, login, who, expected):
    answer = login(request.getfixturevalue(who)).get("/")
    assert answer.status_code == 200
    assert panels(answer) == expected


def test_without_a_role_it_says_whom_to_ask(login, outsider):
    assert "Your login has no role yet" in login(outsider).get("/").content.decode()


def test_cases_are_counted_by_whose_turn_it_is(login, reviewer, lead):
    for state in ("open", "open", "proposed", "escalated", "disputed", "answered", "closed"):
        Case.objects.create(state=state)
    mine = login(reviewer).get("/").context["panels"]["cases"]
    assert (mine["first"], mine["second"]) == (2, 1)
    theirs = login(lead).get("/").context["panels"]["cases"]
    assert (theirs["first"], theirs["second"], theirs["lead"]) == (2, 1, 2)


def test_the_oldest_is_the_oldest(login, reviewer):
    for days in (1, 9, 3):
        case = Case.objects.create()
        Case.objects.filter(pk=case.pk).update(opened_at=timezone.now() - timedelta(days=days))
    assert "longest: 1 week, 2 days" in login(reviewer).get("/").content.decode().replace(
        "\xa0", " "
    )


def test_running_scans_stand_first(login, operator):
    live = rows.scan(rows.revision(label="v1"))
    ended = rows.scan(rows.revision(label="v2"), state="finished")
    scans = login(operator).get("/").context["panels"]["scans"]
    assert scans == {"live": [live], "ended": [ended]}


def test_lists_that_do_no_work_are_named(login, list_manager):
    soon = timezone.now() + timedelta(days=3)
    rows.hash_list("fine")
    rows.hash_list("off", enabled=False)
    rows.hash_list("ending", expires_at=soon)
    lists = login(list_manager).get("/").context["panels"]["lists"]
    assert lists["in_force"] == 2
    assert [row.slug for row in lists["off"]] == ["off"]
    assert [row.slug for row in lists["expiring"]] == ["ending"]


def test_fetching_says_who_answers_for_it(login, operator):
    client = login(operator)
    page = client.get("/").content.decode()
    assert "No legal basis is recorded" in page
    assert 'href="/admin/"' in page  # the one way there
    LegalBasis.objects.create(
        basis="Order 7", officer="Ada Example", until=timezone.now() + timedelta(days=1)
    )
    assert "Ada Example answers for it" in client.get("/").content.decode()


def test_removals_without_a_manifest_are_counted(login, operator, reviewer, second_reviewer):
    revision = rows.revision()
    for state in ("due", "due", "listed"):
        rows.removal(revision, first=reviewer, second=second_reviewer, state=state)
    (line,) = login(operator).get("/").context["panels"]["removals"]
    assert line["count"] == 2
