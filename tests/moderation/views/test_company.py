"""Who else has the page of a case open: a hint, whom it is told to, and that it may be lost."""

from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone
from redis.exceptions import ConnectionError as NoConnection

from moderation.models import Case, CustodyEvent, Session
from moderation.review import company, queue
from tests.moderation.review.making import answer, make_case, settled

pytestmark = pytest.mark.django_db
ALSO = "this page open"


def page(client, case):
    return " ".join(client.get(f"/cases/{case.pk}/").content.decode().split())


def hint(client, case):
    response = client.get(reverse("moderation:case_company", args=[case.pk]))
    assert response.status_code == 200
    return response.json()["hint"]


def test_of_an_open_case_everybody_reads_how_many(login, reviewer, second_reviewer, lead):
    """Leads too: one of these may be the first person, and the lead the second."""
    case = make_case()
    one, leads = login(reviewer), login(lead)
    assert ALSO not in page(one, case)
    assert "One other person also has this page open" in page(leads, case)
    assert hint(one, case) == hint(leads, case) == "One other person also has this page open"
    hint(login(second_reviewer), case)
    assert hint(one, case) == hint(leads, case) == "2 others also have this page open"


def test_of_a_case_with_the_leads_they_read_pseudonyms(
    login, reviewer, second_reviewer, lead, person
):
    case = settled(make_case(), person("tess", "reviewer"), "ESCALATE")
    leads, name = login(lead), reviewer.person.pseudonym
    hint(login(reviewer), case)
    assert f"{name} also has this page open" in page(leads, case)
    assert hint(leads, case) == f"{name} also has this page open"
    hint(login(second_reviewer), case)
    names = sorted([name, second_reviewer.person.pseudonym])
    assert hint(leads, case) == f"Also here: {names[0]} and {names[1]}"
    for more in ("uma", "udo"):
        hint(login(person(more, "reviewer")), case)
    assert hint(leads, case).endswith(" and 2 more")
    assert hint(leads, make_case()) == ""


def test_nobody_learns_of_anybody_where_a_second_person_is_asked(
    login, reviewer, second_reviewer, lead
):
    case = make_case()
    first, second, leads = (login(each) for each in (reviewer, second_reviewer, lead))
    given = answer(case, reviewer, "REMOVE_KNOWN")
    everybody = (first, second, leads)
    for _ in range(2):
        for client in everybody:
            assert hint(client, case) == ""
            assert "data-company" not in page(client, case)
        case.refresh_from_db()
        if case.state == Case.State.ANSWERED:
            type(given).objects.filter(pk=given.pk).update(settled_at=timezone.now())
            Case.objects.filter(pk=case.pk).update(state="proposed", came_from="")
    queue.claim(Case.objects.get(), by=second_reviewer)
    assert hint(second, case) == ""
    assert "data-company" not in page(second, case)


def test_a_disputed_case_is_a_leads(login, reviewer, second_reviewer, lead):
    case = settled(settled(make_case(), reviewer, "REMOVE_KNOWN"), second_reviewer, "KEEP")
    assert case.state == "disputed"
    one, leads = login(reviewer), login(lead)
    assert hint(one, case) == hint(login(second_reviewer), case) == ""
    assert hint(leads, case).startswith("Also here: ")
    assert "data-company" not in page(one, case)


def test_a_mark_ends_by_itself_and_is_renewed(login, reviewer, lead):
    case = make_case()
    one, leads = login(reviewer), login(lead)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        hint(one, case)
        clock.shift(company.ENDS - 1)
        assert hint(leads, case)
        hint(one, case)
        clock.shift(company.ENDS - 1)
        assert hint(leads, case)
        clock.shift(1)
        assert hint(leads, case) == ""


def test_without_the_cache_the_page_is_as_ever(login, reviewer, lead, monkeypatch):
    case = make_case()
    hint(login(reviewer), case)
    cache.delete(company.KEY.format(case.pk))
    assert hint(login(lead), case) == ""

    def down(*_args, **_kwargs):
        raise NoConnection

    for name in ("get", "set"):
        monkeypatch.setattr(company.cache, name, down)
    assert hint(login(lead), case) == ""
    assert f"Case {case.pk}" in page(login(lead), case)


def test_a_page_that_asks_is_no_input_and_no_look(login, reviewer):
    case, client = make_case(), login(reviewer)
    page(client, case)
    session = client.session
    session["seen_at"] = (timezone.now() - timedelta(minutes=5)).isoformat()
    session.save()
    events, before = CustodyEvent.objects.count(), Session.objects.get().seen_at
    hint(client, case)
    assert CustodyEvent.objects.count() == events
    assert Session.objects.get().seen_at == before
    page(client, case)
    assert Session.objects.get().seen_at > before


@pytest.mark.parametrize("who", ["outsider", "auditor", "operator", "list_manager", "reporter"])
def test_without_the_capability_403(request, login, who):
    address = reverse("moderation:case_company", args=[make_case().pk])
    assert login(request.getfixturevalue(who)).get(address).status_code == 403


def test_a_case_that_is_not_granted_is_not_there(login, reviewer):
    address = reverse("moderation:case_company", args=[make_case(harm_class="other").pk])
    assert login(reviewer).post(address).status_code == 405
    reviewer.grants.all().delete()
    assert login(reviewer).get(address).status_code == 404
