"""Access is given by operators and held by its person alone; each step of it is in the chain."""

import contextlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import connection
from django.test import Client
from rest_framework.authtoken.models import Token

from moderation import permissions
from moderation.models import Case, CustodyEvent, Session
from moderation.people import members
from moderation.review import holding, queue
from moderation.views.passwords import PresentPassword
from tests.conftest import PASSWORD
from tests.moderation.review.making import make_case

pytestmark = pytest.mark.django_db
CHOSEN = "still-harbour-77"


def actions():
    return [event.action for event in CustodyEvent.objects.all()]


def shown(page):
    """What a page shows once."""
    found = re.search(r'id="secret"[^>]*>([^<]+)</textarea>', page.content.decode())
    return found[1] if found else ""


def link_for(client, person):
    page = client.post(f"/team/{person.pk}/password-link/")
    assert "no-store" in page["Cache-Control"]
    return shown(page).removeprefix("http://testserver")


def choose(client, link, password=CHOSEN):
    form = client.get(link, follow=True)
    address = form.redirect_chain[-1][0] if form.redirect_chain else link
    return client.post(address, {"new_password1": password, "new_password2": password})


def test_the_person_chooses_by_a_link_that_works_once(login, operator, reviewer):
    link = link_for(login(operator), reviewer)
    assert login(operator).get(f"/team/{reviewer.pk}/password-link/").status_code == 405
    assert choose(Client(), link).status_code == 302
    assert Client().login(username=reviewer.username, password=CHOSEN)
    made, used = CustodyEvent.objects.all()
    assert (made.action, made.actor) == ("password_link_made", operator.person.pseudonym)
    assert (used.action, used.actor) == ("password_set", reviewer.person.pseudonym)
    assert "used already" in Client().get(link, follow=True).content.decode()
    choose(Client(), link, "another-harbour-78")
    reviewer.refresh_from_db()
    assert reviewer.check_password(CHOSEN)
    assert actions() == ["password_link_made", "password_set"]


def test_a_link_dies_after_a_day(login, operator, reviewer, monkeypatch):
    link = link_for(login(operator), reviewer)
    for hours, alive in ((23, True), (25, False)):
        later = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=hours)
        monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self, at=later: at)
        assert Client().get(link).status_code == (302 if alive else 200)


def test_a_weak_password_is_refused(login, operator, reviewer):
    answer = choose(Client(), link_for(login(operator), reviewer), "12345678")
    assert answer.status_code == 200
    assert "too common" in answer.content.decode()
    assert actions() == ["password_link_made"]


@pytest.mark.django_db(transaction=True)
def test_of_two_uses_at_once_one_counts(login, operator, reviewer):
    link = link_for(login(operator), reviewer)
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


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "said"),
    [("switch/", "Nothing was done"), ("change/", "a permission that your role does not have")],
)
def test_of_two_operators_who_keep_each_other_out_one_stays(person, login, operator, path, said):
    """Both are let in to the page before either is out, but for the lock."""
    other = person("otis", "operator")
    both = threading.Barrier(2)
    may_change = members.may_change

    def slowly(whom, *, by):
        allowed = may_change(whom, by=by)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(1)
        return allowed

    def keep_out(client, whom):
        answer = client.post(f"/team/{whom.pk}/{path}", {"login": whom.username})
        connection.close()
        return answer

    pairs = [(login(operator), other), (login(other), operator)]
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(members, "may_change", slowly)
        answers = list(pool.map(lambda pair: keep_out(*pair), pairs))
    done, refused = sorted(answers, key=lambda answer: answer.status_code)
    # Whoever is switched off has lost the session as well, which ends the request in its own words.
    assert (done.status_code, refused.status_code) == (302, 400 if path == "switch/" else 403)
    assert said in refused.content.decode()
    assert User.objects.filter(is_active=True, groups__name="operator").count() == 1
    assert sorted(actions()) == ["attempt_refused", "person_changed"]


def test_no_link_for_a_superuser_by_an_operator(login, operator, outsider):
    User.objects.filter(pk=outsider.pk).update(is_superuser=True)
    assert login(operator).post(f"/team/{outsider.pk}/password-link/").status_code == 403
    assert set(actions()) == {"attempt_refused"}


def test_ones_own_password_needs_the_present_one(login, reviewer):
    client = login(reviewer)
    new = {"new_password1": CHOSEN, "new_password2": CHOSEN}
    assert client.post("/password/", new | {"old_password": "wrong"}).status_code == 200
    assert not CustodyEvent.objects.exists()
    assert client.post("/password/", new | {"old_password": PASSWORD}).status_code == 302
    assert actions() == ["password_set"]
    assert client.get("/password/").status_code == 200  # still logged in


def test_the_new_password_is_another_one(login, reviewer):
    same = dict.fromkeys(("old_password", "new_password1", "new_password2"), PASSWORD)
    answer = login(reviewer).post("/password/", same)
    assert answer.status_code == 200
    assert "That is the password you have now: choose another." in answer.content.decode()
    assert not CustodyEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_at_once_the_second_no_longer_knows_it(login, reviewer, monkeypatch):
    both, clean = threading.Barrier(2), PresentPassword.clean

    def slowly(form):
        said = clean(form)
        both.wait(20)  # either has shown the present password
        return said

    def change(client, new):
        form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
        answer = client.post("/password/", form)
        connection.close()
        return answer

    monkeypatch.setattr(PresentPassword, "clean", slowly)
    clients, words = [login(reviewer), login(reviewer)], [CHOSEN, "another-harbour-78"]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(change, clients, words))
    assert sorted(answer.status_code for answer in answers) == [200, 302]
    done, refused = sorted((0, 1), key=lambda at: answers[at].status_code, reverse=True)
    assert "old password was entered incorrectly" in answers[refused].content.decode()
    reviewer.refresh_from_db()
    assert reviewer.check_password(words[done])
    assert actions() == ["password_set"]
    assert clients[done].get("/password/").status_code == 200  # still logged in


def test_wrong_present_passwords_are_counted(login, reviewer, settings):
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 2
    client = login(reviewer)
    new = {"new_password1": CHOSEN, "new_password2": CHOSEN, "old_password": "wrong"}
    said = [client.post("/password/", new).status_code for _ in range(2)]
    assert said == [200, 429]
    assert client.post("/password/", new | {"old_password": PASSWORD}).status_code == 429
    reviewer.refresh_from_db()
    assert reviewer.check_password(PASSWORD)


def test_a_link_opens_nothing_for_somebody_switched_off(login, operator, reviewer):
    link = link_for(login(operator), reviewer)
    members.switch_off(reviewer, by=operator)
    assert "used already" in Client().get(link, follow=True).content.decode()
    reviewer.refresh_from_db()
    assert reviewer.check_password(PASSWORD)


@pytest.mark.parametrize(("roles", "kept"), [(["reporter"], 0), (["lead"], 1), (["reviewer"], 1)])
def test_without_the_role_the_case_is_free(operator, reviewer, roles, kept):
    case = make_case()
    held = queue.claim(case, by=reviewer)
    holding.hold(held, by=reviewer, token=held.lease_token, hours=9, reason="later", draft={})
    members.change(reviewer, login="rhea2", mail="", roles=roles, by=operator)
    assert Case.objects.leased_to(reviewer).count() == kept
    if not kept:
        assert actions()[-2:] == ["case_released", "person_changed"]


def test_a_new_person_has_no_password_and_an_event(login, operator):
    client = login(operator)
    suggested = re.search(
        r'name="pseudonym" value="(P-\w+)"', client.get("/team/add/").content.decode()
    )
    new = {"login": "nora", "pseudonym": suggested[1], "mail": "nora@example.org"}
    answer = client.post("/team/add/", new | {"roles": ["reporter"], "password1": CHOSEN})
    person = User.objects.get(username="nora")
    assert answer.url == f"/team/{person.pk}/"
    assert not person.has_usable_password()
    assert person.person.pseudonym == suggested[1]
    event = CustodyEvent.objects.get()
    assert (event.action, event.object_id) == ("person_created", str(person.pk))
    assert event.after == {"roles": "reporter", "mail": True}
    assert choose(Client(), link_for(client, person)).status_code == 302
    assert Client().login(username="nora", password=CHOSEN)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"login": "RHEA"}, "login already"),
        ({"login": ""}, "required"),
        ({"login": "a b"}, "valid username"),
        ({"pseudonym": "nora"}, "must not be the login"),
        ({"pseudonym": "System"}, "letters, digits and dashes"),
        ({"pseudonym": "<b>"}, "letters, digits and dashes"),
        ({"mail": "rhea@Example.org"}, "mail address already"),
        ({"mail": "nowhere"}, "valid email"),
        ({"roles": ["emperor"]}, "not one of the available choices"),
        ({"roles": ["lead", "auditor"]}, "Nobody audits what they do themselves"),
        ({"roles": ["operator", "auditor"]}, "Nobody audits what they do themselves"),
    ],
)
def test_a_wrong_new_person_is_refused(login, operator, reviewer, wrong, why):
    User.objects.filter(pk=reviewer.pk).update(email="rhea@example.org")
    new = {"login": "nora", "pseudonym": "Quay-7", "mail": "", "roles": ["reporter"]}
    answer = login(operator).post("/team/add/", new | wrong)
    assert answer.status_code == 400
    assert why in answer.content.decode()
    assert not User.objects.filter(username="nora").exists()
    assert not CustodyEvent.objects.exists()


def test_two_people_have_no_pseudonym_in_common(login, operator, reviewer):
    new = {"login": "nora", "pseudonym": reviewer.person.pseudonym.lower(), "roles": []}
    answer = login(operator).post("/team/add/", new)
    assert "has this pseudonym already" in answer.content.decode()


def change(client, person, *roles, **fields):
    values = {"login": person.username, "mail": person.email} | fields
    return client.post(f"/team/{person.pk}/change/", values | {"roles": roles})


def test_a_role_is_given_and_recorded(login, operator, outsider):
    assert change(login(operator), outsider, "reviewer", login="olga").status_code == 302
    assert [group.name for group in outsider.groups.all()] == ["reviewer"]
    event = CustodyEvent.objects.get()
    assert event.action == "person_changed"
    assert event.before == {"roles": ""}
    assert event.after == {"roles": "reviewer", "login": "renamed"}
    change(login(operator), User.objects.get(pk=outsider.pk), "reviewer")
    assert CustodyEvent.objects.count() == 1  # a second time changes nothing


def test_a_role_is_given_only_by_who_may(login, operator, outsider, monkeypatch):
    monkeypatch.setitem(permissions.MAY_ASSIGN, "operator", ("reporter",))
    client = login(operator)
    refused = change(client, outsider, "reporter", "lead")
    assert refused.status_code == 400
    assert change(client, outsider, "reporter").status_code == 302
    assert permissions.role_of(outsider) == "reporter"
    outsider.groups.add(Group.objects.get(name="lead"))
    assert "Kept as it is" in client.get(f"/team/{outsider.pk}/").content.decode()
    change(client, outsider)  # what may not be taken stays
    assert permissions.role_of(outsider) == "lead"
    with pytest.raises(members.PersonRefused, match="may not give or take"):
        members.change(outsider, login="oona", mail="", roles=[], by=operator)


def test_nobody_changes_themselves(login, operator):
    client, path = login(operator), f"/team/{operator.pk}/"
    page = client.get(path).content.decode()
    assert "Login and roles" not in page
    assert "Your own: somebody else" in page
    assert change(client, operator, "operator", "reporter").status_code == 403
    assert client.post(f"{path}switch/", {"to": "off"}).status_code == 403
    assert client.post(f"{path}sessions/").status_code == 403
    assert client.post(f"{path}second-steps/").status_code == 403
    assert permissions.role_of(operator) == "operator"
    assert set(actions()) == {"attempt_refused"}


def test_a_superusers_login_is_a_superusers_to_change(login, operator, outsider):
    User.objects.filter(pk=outsider.pk).update(is_superuser=True)
    assert change(login(operator), outsider, "reviewer").status_code == 403
    page = login(operator).get(f"/team/{outsider.pk}/").content.decode()
    assert "Getting in" not in page


@pytest.mark.parametrize("who", ["lead", "auditor", "reviewer", "list_manager"])
def test_who_manages_no_people_changes_none(request, login, reporter, who):
    client, path = login(request.getfixturevalue(who)), f"/team/{reporter.pk}/"
    assert client.get("/team/add/").status_code == 403
    for step in ("change", "switch", "password-link", "second-steps", "sessions", "token"):
        assert client.post(f"{path}{step}/").status_code == 403, step
    assert set(actions()) == {"attempt_refused"}


def test_whoever_is_switched_off_keeps_nothing(login, operator, reviewer):
    case = make_case()
    Token.objects.create(user=reviewer)
    theirs = Client()
    theirs.post("/login/", {"username": reviewer.username, "password": PASSWORD})
    theirs.post("/queue/next/")
    assert Case.objects.leased_to(reviewer).get() == case
    client = login(operator)
    assert client.post(f"/team/{reviewer.pk}/switch/", {"to": "off"}).status_code == 302
    case.refresh_from_db()
    assert case.leased_by is None
    assert case.reviews.get().ended == "released"
    assert not Session.objects.filter(user=reviewer).exists()
    assert not Token.objects.exists()
    assert actions()[-3:] == ["case_released", "token_deleted", "person_changed"]
    assert CustodyEvent.objects.get(action="case_released").actor == operator.person.pseudonym
    page = client.post(f"/team/{reviewer.pk}/switch/", {"to": "off"}, follow=True)
    assert "That was so already" in page.content.decode()
    client.post(f"/team/{reviewer.pk}/switch/", {"to": "on"})
    assert Client().login(username=reviewer.username, password=PASSWORD)
    assert CustodyEvent.objects.order_by("seq").last().after == {"active": True}
    assert permissions.role_of(reviewer) == "reviewer"


def test_sessions_of_somebody_else_are_ended(login, operator, reviewer):
    theirs = login(reviewer)
    login(operator).post(f"/team/{reviewer.pk}/sessions/")
    assert theirs.get("/").status_code == 302
    event = CustodyEvent.objects.get()
    assert (event.action, event.after) == ("sessions_ended", {"sessions": 1})


def test_names_are_for_who_manages_people_and_one_at_a_time_for_auditors(
    login, operator, auditor, lead, reviewer
):
    assert "rhea" in login(operator).get("/team/").content.decode()
    for who in (lead, auditor):
        page = login(who).get("/team/").content.decode()
        assert reviewer.person.pseudonym in page
        assert "rhea" not in page
    assert "rhea" not in login(lead).get(f"/team/{reviewer.pk}/").content.decode()
    assert not CustodyEvent.objects.exists()
    page = login(auditor).get(f"/team/{reviewer.pk}/").content.decode()
    assert "rhea" in page
    assert "Give the grant" not in page
    event = CustodyEvent.objects.get()
    assert (event.action, event.object_id) == ("identity_shown", str(reviewer.pk))


def test_a_token_is_shown_once_and_recorded(login, operator, list_manager):
    client, path = login(operator), f"/team/{list_manager.pk}/"
    first = shown(client.post(f"{path}token/", {"step": "make"}))
    assert Token.objects.get().key == first
    second = shown(client.post(f"{path}token/", {"step": "make"}))
    assert Token.objects.get().key == second != first
    assert second not in client.get(path).content.decode()
    assert second not in str(CustodyEvent.objects.values_list("object_id", "before", "after"))
    client.post(f"{path}token/", {"step": "withdraw"})
    assert not Token.objects.exists()
    assert actions() == ["token_created", "token_deleted", "token_created", "token_deleted"]


def test_the_team_says_who_is_at_work_and_what_they_hold(login, lead, auditor, reviewer):
    page = login(lead).get("/team/").content.decode()
    assert "holds 1 case" not in page
    theirs = Client()
    theirs.post("/login/", {"username": reviewer.username, "password": PASSWORD})
    make_case()
    theirs.post("/queue/next/")
    page = login(lead).get("/team/").content.decode()
    assert "at work, holds 1 case<" in page
    assert "Cases that others hold" in page
    assert "holds 1 case" not in login(auditor).get("/team/").content.decode()
    theirs.post("/logout/")
    assert "at work, holds" not in login(lead).get("/team/").content.decode()
