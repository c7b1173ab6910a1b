"""Access is given by operators and held by its person alone; each step of it is in the chain."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import connection
from django.test import Client
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from rest_framework.authtoken.models import Token

from moderation import permissions
from moderation.models import Case, CustodyEvent, Session
from tests.conftest import PASSWORD
from tests.moderation.review.making import make_case

pytestmark = pytest.mark.django_db
CHOSEN = "still-harbour-77"


@pytest.fixture
def staff(operator):
    operator.is_staff = True
    operator.save()
    return operator


def actions():
    return [event.action for event in CustodyEvent.objects.all()]


def shown(page):
    found = re.search(r'<code id="secret">([^<]+)</code>', page.content.decode())
    return found[1] if found else ""


def link_for(client, person):
    page = client.post(f"/admin/auth/user/{person.pk}/password/", {"step": "make"})
    assert "no-store" in page["Cache-Control"]
    return shown(page).removeprefix("http://testserver")


def choose(client, link, password=CHOSEN):
    form = client.get(link, follow=True)
    address = form.redirect_chain[-1][0] if form.redirect_chain else link
    return client.post(address, {"new_password1": password, "new_password2": password})


@pytest.mark.parametrize("superuser", [False, True])
def test_an_operator_cannot_set_a_persons_password(login, staff, reviewer, superuser):
    User.objects.filter(pk=staff.pk).update(is_superuser=superuser)
    values = {"password1": CHOSEN, "password2": CHOSEN, "usable_password": "true"}
    login(staff).post(f"/admin/auth/user/{reviewer.pk}/password/", values)
    reviewer.refresh_from_db()
    assert reviewer.check_password(PASSWORD)


def test_the_person_chooses_by_a_link_that_works_once(login, staff, reviewer):
    link = link_for(login(staff), reviewer)
    assert not shown(login(staff).get(f"/admin/auth/user/{reviewer.pk}/password/"))
    assert choose(Client(), link).status_code == 302
    assert Client().login(username=reviewer.username, password=CHOSEN)
    made, used = CustodyEvent.objects.all()
    assert (made.action, made.actor) == ("password_link_made", staff.person.pseudonym)
    assert (used.action, used.actor) == ("password_set", reviewer.person.pseudonym)
    assert "used already" in Client().get(link, follow=True).content.decode()
    choose(Client(), link, "another-harbour-78")
    reviewer.refresh_from_db()
    assert reviewer.check_password(CHOSEN)
    assert actions() == ["password_link_made", "password_set"]


def test_a_link_dies_after_a_day(login, staff, reviewer, monkeypatch):
    link = link_for(login(staff), reviewer)
    for hours, alive in ((23, True), (25, False)):
        later = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=hours)
        monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self, at=later: at)
        assert Client().get(link).status_code == (302 if alive else 200)


def test_a_weak_password_is_refused(login, staff, reviewer):
    answer = choose(Client(), link_for(login(staff), reviewer), "12345678")
    assert answer.status_code == 200
    assert "too common" in answer.content.decode()
    assert actions() == ["password_link_made"]


@pytest.mark.django_db(transaction=True)
def test_of_two_uses_at_once_one_counts(login, staff, reviewer):
    link = link_for(login(staff), reviewer)
    clients = [Client(), Client()]
    addresses = [client.get(link).url for client in clients]

    def use(number):
        password = f"{CHOSEN}-{number}"
        answer = clients[number].post(
            addresses[number], {"new_password1": password, "new_password2": password}
        )
        connection.close()
        return answer.status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(use, range(2))) == [200, 302]
    assert actions() == ["password_link_made", "password_set"]


def test_no_link_for_a_superuser_by_an_operator(login, staff, outsider):
    User.objects.filter(pk=outsider.pk).update(is_superuser=True)
    answer = login(staff).post(f"/admin/auth/user/{outsider.pk}/password/", {"step": "make"})
    assert answer.status_code == 403
    assert not CustodyEvent.objects.exists()


def test_ones_own_password_needs_the_present_one(login, reviewer):
    client = login(reviewer)
    new = {"new_password1": CHOSEN, "new_password2": CHOSEN}
    assert client.post("/password/", new | {"old_password": "wrong"}).status_code == 200
    assert not CustodyEvent.objects.exists()
    assert client.post("/password/", new | {"old_password": PASSWORD}).status_code == 302
    assert actions() == ["password_set"]
    assert client.get("/password/").status_code == 200  # still logged in


def test_a_new_person_has_no_password_and_an_event(login, staff):
    client = login(staff)
    client.post(
        "/admin/auth/user/add/", {"username": "nora", "password1": CHOSEN, "password2": CHOSEN}
    )
    person = User.objects.get(username="nora")
    assert not person.has_usable_password()
    event = CustodyEvent.objects.get()
    assert (event.action, event.object_id) == ("person_created", str(person.pk))
    assert "nora" not in str(event.after)
    assert choose(Client(), link_for(client, person)).status_code == 302
    assert Client().login(username="nora", password=CHOSEN)


def test_a_role_is_given_only_by_who_may(login, staff, outsider, monkeypatch):
    monkeypatch.setitem(permissions.MAY_ASSIGN, "operator", ("reporter",))
    client, path = login(staff), f"/admin/auth/user/{outsider.pk}/change/"
    values = {"username": outsider.username, "is_active": "on"}
    reporter, lead = (Group.objects.get(name=name).pk for name in ("reporter", "lead"))
    refused = client.post(path, values | {"groups": [reporter, lead]})
    assert "You may not give or take" in refused.content.decode()
    assert client.post(path, values | {"groups": [reporter]}).status_code == 302
    assert permissions.role_of(outsider) == "reporter"
    outsider.groups.add(lead)
    refused = client.post(path, values | {"groups": [reporter]})
    assert "You may not give or take" in refused.content.decode()
    assert permissions.role_of(outsider) == "lead,reporter"


def test_whoever_is_switched_off_keeps_nothing(login, staff, reviewer):
    case = make_case()
    theirs = Client()
    theirs.post("/login/", {"username": reviewer.username, "password": PASSWORD})
    theirs.post("/queue/next/")
    assert Case.objects.leased_to(reviewer).get() == case
    values = {"username": reviewer.username, "groups": [reviewer.groups.get().pk]}
    answer = login(staff).post(f"/admin/auth/user/{reviewer.pk}/change/", values)
    assert answer.status_code == 302
    case.refresh_from_db()
    assert case.leased_by is None
    assert case.reviews.get().ended == "released"
    assert not Session.objects.filter(user=reviewer).exists()
    assert actions()[-2:] == ["case_released", "person_changed"]
    assert CustodyEvent.objects.get(action="case_released").actor == staff.person.pseudonym


@pytest.mark.parametrize("answering", ["reviewer", "lead"])
def test_nobody_answers_and_audits(login, staff, outsider, answering):
    pks = [Group.objects.get(name=role).pk for role in (answering, "auditor")]
    values = {"username": outsider.username, "is_active": "on", "groups": pks}
    answer = login(staff).post(f"/admin/auth/user/{outsider.pk}/change/", values)
    assert answer.status_code == 200
    assert "Nobody both answers cases and audits them" in answer.content.decode()
    assert not outsider.groups.exists()
    assert not CustodyEvent.objects.exists()


def test_a_token_is_shown_once_and_recorded(login, staff, list_manager):
    client, path = login(staff), f"/admin/auth/user/{list_manager.pk}/token/"
    first = shown(client.post(path, {"step": "make"}))
    assert Token.objects.get().key == first
    second = shown(client.post(path, {"step": "make"}))
    assert Token.objects.get().key == second != first
    for page in (
        path,
        f"/admin/auth/user/{list_manager.pk}/change/",
        "/admin/authtoken/tokenproxy/",
        "/admin/",
    ):
        assert second not in client.get(page).content.decode()
    assert second not in str(CustodyEvent.objects.values_list("object_id", "before", "after"))
    client.post(path, {"step": "withdraw"})
    assert not Token.objects.exists()
    assert actions() == ["token_created", "token_deleted", "token_created", "token_deleted"]


def test_the_list_of_tokens_cannot_be_asked_for_keys(login, staff, list_manager):
    key = Token.objects.create(user=list_manager).key
    client = login(staff)
    page = client.get("/admin/authtoken/tokenproxy/")
    assert list_manager.username in page.content.decode()
    answer = client.get("/admin/authtoken/tokenproxy/", {"key__startswith": key[0]})
    assert answer.status_code == 400
    for step in ("change", "delete", "history"):
        answer = client.get(f"/admin/authtoken/tokenproxy/{key}/{step}/")
        assert key not in answer.content.decode()
    assert client.get("/admin/authtoken/tokenproxy/add/").status_code == 403


def test_steps_on_the_schedule_are_recorded(login, staff, monkeypatch):
    every = IntervalSchedule.objects.create(every=1, period="hours")
    task = PeriodicTask.objects.create(
        name="rescan", task="moderation.tasks.rescan_due", interval=every
    )
    client = login(staff)
    form = {"every": "2", "period": "hours"} | {
        f"periodictask_set-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    path = f"/admin/django_celery_beat/intervalschedule/{every.pk}/change/"
    assert client.post(path, form).status_code == 302
    event = CustodyEvent.objects.get()
    assert (event.action, event.object_type) == ("schedule_changed", "intervalschedule")
    assert (event.before, event.after) == ({"every": 1}, {"every": 2})

    tasks = "/admin/django_celery_beat/periodictask/"
    for action in ("disable_tasks", "enable_tasks", "toggle_tasks", "delete_selected"):
        chosen = {"action": action, "_selected_action": [task.pk], "post": "yes"}
        assert client.post(tasks, chosen).status_code == 302
    said = [(event.action, event.after) for event in CustodyEvent.objects.all()[1:]]
    assert said == [
        ("schedule_changed", {"enabled": False}),
        ("schedule_changed", {"enabled": True}),
        ("schedule_changed", {"enabled": False}),
        ("schedule_deleted", {}),
    ]
    assert not PeriodicTask.objects.filter(pk=task.pk).exists()


def test_a_task_made_by_hand_is_recorded(login, staff):
    every = IntervalSchedule.objects.create(every=1, period="hours")
    values = {
        "name": "by hand",
        "regtask": "moderation.tasks.rescan_due",
        "enabled": "on",
        "interval": every.pk,
        "args": "[]",
        "kwargs": '{"note": "words"}',
        "headers": "{}",
        "start_time_0": "",
        "start_time_1": "",
        "expires_0": "",
        "expires_1": "",
    }
    answer = login(staff).post("/admin/django_celery_beat/periodictask/add/", values)
    assert answer.status_code == 302, answer.context["errors"]
    event = CustodyEvent.objects.get()
    assert event.action == "schedule_created"
    assert event.after["task"] == "moderation.tasks.rescan_due"
    assert "words" not in str(event.after)
