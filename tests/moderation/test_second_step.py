"""A second step besides the password: set up, shown at each log-in, and no way round it."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client

from moderation.models import CustodyEvent, Session
from moderation.people import factors
from tests.conftest import PASSWORD
from tests.factors import code_for, give_app

pytestmark = pytest.mark.django_db
STEP = "/login/second-step/"


@pytest.fixture(autouse=True)
def fresh_limits():
    """Limits and used codes live in the cache, and tests share one."""
    cache.clear()


@pytest.fixture
def required(settings):
    settings.MFA_REQUIRED = True


def password(client, person, word=PASSWORD, **more):
    return client.post("/login/", {"username": person.username, "password": word} | more)


def actions():
    return list(CustodyEvent.objects.order_by("seq").values_list("action", flat=True))


def is_in(client):
    return client.get("/").status_code == 200


def test_a_password_alone_is_enough_where_nothing_is_required(client, reviewer):
    assert "second step" in client.get("/login/").content.decode()
    assert password(client, reviewer).url == "/"
    assert is_in(client)


def test_whoever_has_one_is_asked_for_it(client, reviewer):
    secret = give_app(reviewer)
    answer = password(client, reviewer, next="/queue/")
    assert answer.url == STEP
    assert not is_in(client)  # the password alone opened nothing
    assert actions() == []
    wrong = client.post(STEP, {"code": "000000"})
    assert wrong.status_code == 200
    assert "does not fit" in wrong.content.decode()
    assert not is_in(client)
    assert client.post(STEP, {"code": code_for(secret)}).url == "/queue/"
    assert is_in(client)
    event = CustodyEvent.objects.get()
    assert (event.action, event.after) == ("logged_in", {"factor": "app"})


def test_a_code_works_once(reviewer):
    code = code_for(give_app(reviewer))
    for entered in (True, False):
        client = Client()
        password(client, reviewer)
        client.post(STEP, {"code": code})
        assert is_in(client) == entered


def test_guessing_codes_rests_after_five(client, reviewer):
    secret = give_app(reviewer)
    password(client, reviewer)
    for _ in range(5):
        client.post(STEP, {"code": "000000"})
    answer = client.post(STEP, {"code": code_for(secret)})
    assert "Too many attempts" in answer.content.decode()
    assert not is_in(client)


def test_a_recovery_code_works_once_and_is_recorded(reviewer):
    give_app(reviewer)
    codes = Authenticator.objects.get(user=reviewer, type="recovery_codes").wrap()
    code = codes.get_unused_codes()[0]
    for entered in (True, False):
        client = Client()
        password(client, reviewer)
        client.post(STEP, {"code": code})
        assert is_in(client) == entered
    used = CustodyEvent.objects.get(action="recovery_code_used")
    assert used.after == {"left": 9}
    assert code not in str(CustodyEvent.objects.values_list("before", "after", "reason"))


def test_the_second_step_needs_the_first(client, reviewer):
    secret = give_app(reviewer)
    assert client.get(STEP).url == "/login/"
    assert client.post(STEP, {"code": code_for(secret)}).url == "/login/"
    assert not is_in(client)


def test_a_wrong_password_leads_nowhere(client, reviewer, settings):
    give_app(reviewer)
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 2
    assert password(client, reviewer, "wrong").status_code == 200
    assert client.get(STEP).url == "/login/"
    assert password(client, reviewer, "wrong").status_code == 429
    assert password(client, reviewer).status_code == 429
    assert client.get(STEP).url == "/login/"


def test_somebody_switched_off_gets_no_further(client, reviewer):
    secret = give_app(reviewer)
    password(client, reviewer)
    User.objects.filter(pk=reviewer.pk).update(is_active=False)
    client.post(STEP, {"code": code_for(secret)})
    assert not is_in(client)


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize(
    "who", ["reviewer", "lead", "reporter", "list_manager", "operator", "auditor", "outsider"]
)
def test_where_one_is_required_nothing_else_opens(request, client, who):
    person = request.getfixturevalue(who)
    assert "second step" not in client.get("/login/").content.decode()
    password(client, person)
    for address in ("/", "/queue/", "/admin/", "/audit/", "/reports/", "/password/", "/account/"):
        assert client.get(address).url == "/account/set-up/", address
    assert client.post("/api/v1/screen/", {}).url == "/account/set-up/"
    page = client.get("/account/set-up/").content.decode()
    assert "/account/app/add/" in page
    assert "/account/passkeys/add/" in page
    assert client.post("/logout/").url == "/login/"


@pytest.mark.usefixtures("required")
def test_the_first_app_opens_the_rest(client, reviewer, django_capture_on_commit_callbacks):
    password(client, reviewer)
    page = client.get("/account/app/add/").content.decode()
    assert "data:image/svg+xml" in page
    secret = re.search(r'totp-key">([A-Z2-7]+)<', page)[1]
    wrong = client.post("/account/app/add/", {"code": "000000"}).content.decode()
    assert "does not fit" in wrong
    assert secret in wrong  # the same key: nobody scans twice
    with django_capture_on_commit_callbacks(execute=True):
        used = code_for(secret)
        answer = client.post("/account/app/add/", {"code": used})
    assert answer.url == "/account/recovery-codes/"
    shown = re.findall(r"<code>(\d{8})</code>", client.get(answer.url).content.decode())
    assert len(shown) == 10
    assert "shown no second time" in client.get(answer.url).content.decode()
    assert is_in(client)
    assert client.get("/account/set-up/").url == "/account/"
    again = Client()
    password(again, reviewer)
    assert "does not fit" in again.post(STEP, {"code": used}).content.decode()
    assert actions() == ["logged_in", "factor_added"]
    assert CustodyEvent.objects.get(action="factor_added").after == {"factor": "app"}
    kept = str(Authenticator.objects.values_list("data", flat=True))
    assert secret not in kept
    assert shown[0] not in kept


@pytest.mark.usefixtures("required")
def test_the_only_one_stays_where_one_is_required(client, reviewer):
    secret = give_app(reviewer)
    password(client, reviewer)
    client.post(STEP, {"code": code_for(secret)})
    answer = client.post("/account/app/remove/")
    assert "your only second step" in answer.content.decode()
    assert Authenticator.objects.filter(user=reviewer, type="totp").exists()


def test_removing_it_takes_the_codes_along(client, reviewer):
    secret = give_app(reviewer)
    password(client, reviewer)
    client.post(STEP, {"code": code_for(secret)})
    assert client.post("/account/app/remove/").url == "/account/"
    assert not Authenticator.objects.exists()
    assert actions() == ["logged_in", "factor_removed"]


def test_removing_it_twice_says_that_it_is_gone(client, reviewer):
    secret = give_app(reviewer)
    password(client, reviewer)
    client.post(STEP, {"code": code_for(secret)})
    client.post("/account/app/remove/")
    for ask in (client.get, client.post):
        answer = ask("/account/app/remove/", follow=True)
        assert answer.redirect_chain == [("/account/", 302)]
        assert "there is none to remove" in answer.content.decode()
    codes = client.post("/account/recovery-codes/renew/")
    assert "set up one of these first" in codes.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("required")
def test_of_two_removed_at_once_one_stays(reviewer):
    """Both removals see two factors before either is gone, but for the lock."""
    give_app(reviewer)
    Authenticator.objects.create(user=reviewer, type="webauthn", data={})
    both = threading.Barrier(2)

    def remove(kind):
        factor = Authenticator.objects.get(user=reviewer, type=kind)
        both.wait(20)
        with transaction.atomic():
            may = factors.FactorAdapter().can_delete_authenticator(factor)
            time.sleep(0.3)  # the other one asks before this one is gone
            if may:
                factor.delete()
        connection.close()
        return may

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remove, ["totp", "webauthn"])) == [False, True]


def test_a_change_later_asks_for_the_password_again(client, reviewer, monkeypatch):
    password(client, reviewer)
    monkeypatch.setattr("allauth.account.app_settings.REAUTHENTICATION_TIMEOUT", 0)
    answer = client.get("/account/app/add/")
    assert answer.url == "/account/again/?next=%2Faccount%2Fapp%2Fadd%2F"
    wrong = client.post(answer.url, {"password": "wrong", "next": "/account/app/add/"})
    assert "not your password" in wrong.content.decode()
    right = client.post(answer.url, {"password": PASSWORD, "next": "/account/app/add/"})
    assert right.url == "/account/app/add/"


def shown_to(client):
    """Which codes the page offers to replace."""
    page = client.get("/account/recovery-codes/renew/").content.decode()
    return re.search(r'name="replaces" value="(\d+)"', page)[1]


def renew(client, replaces):
    return client.post("/account/recovery-codes/renew/", {"replaces": replaces})


def test_new_recovery_codes_end_the_old(client, reviewer):
    secret = give_app(reviewer)
    old = Authenticator.objects.get(user=reviewer, type="recovery_codes").wrap().generate_codes()
    password(client, reviewer)
    client.post(STEP, {"code": code_for(secret)})
    assert renew(client, shown_to(client)).url == "/account/recovery-codes/"
    new = Authenticator.objects.get(user=reviewer, type="recovery_codes").wrap().generate_codes()
    assert not set(old) & set(new)
    assert actions() == ["logged_in", "recovery_codes_renewed"]


def test_codes_that_were_shown_are_not_renewed_by_a_page_of_before(client, reviewer):
    secret = give_app(reviewer)
    password(client, reviewer)
    client.post(STEP, {"code": code_for(secret)})
    before = shown_to(client)
    renew(client, before)
    shown = re.findall(
        r"<code>(\d{8})</code>", client.get("/account/recovery-codes/").content.decode()
    )
    again = client.post("/account/recovery-codes/renew/", {"replaces": before}, follow=True)
    assert "renewed in the meantime. Nothing was changed" in again.content.decode()
    codes = Authenticator.objects.get(user=reviewer, type="recovery_codes").wrap()
    assert sorted(codes.generate_codes()) == sorted(shown)
    assert actions() == ["logged_in", "recovery_codes_renewed"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["app/remove/", "recovery-codes/renew/"])
def test_of_several_sent_at_once_one_counts(reviewer, path):
    secret, client = give_app(reviewer), Client()
    password(client, reviewer)
    client.post(STEP, {"code": code_for(secret)})
    form = {"replaces": shown_to(client)}
    several = threading.Barrier(3)

    def send(_):
        tab = Client()
        tab.cookies = client.cookies
        several.wait(20)
        url = tab.post(f"/account/{path}", form).url
        connection.close()
        return url

    with ThreadPoolExecutor(3) as pool:
        urls = list(pool.map(send, range(3)))
    done = {"app/remove/": "factor_removed", "recovery-codes/renew/": "recovery_codes_renewed"}
    assert actions() == ["logged_in", done[path]]
    assert urls.count("/account/recovery-codes/") == (path != "app/remove/")


UNREADABLE = [
    "1",
    "[1]",
    '{"id":1}',
    '{"id":"a","rawId":"b"}',
    '{"id":"YQ","rawId":"YQ"}',
    '{"id":"YQ","rawId":"YQ","response":{}}',
    '{"id":"YQ","rawId":"YQ","response":7,"type":"public-key"}',
    '{"rawId":"YQ","response":{"clientDataJSON":"e30","attestationObject":"oQ"}}',
    '{"rawId":"YQ","response":{"clientDataJSON":"e30","authenticatorData":"YQ","signature":"YQ"}}',
    '{"rawId":"YQ","response":{"clientDataJSON":"W10","attestationObject":"oA"},"type":"x"}',
    "[" * 100_000,
]


@pytest.mark.parametrize("credential", UNREADABLE)
def test_a_passkey_that_cannot_be_read_is_not_accepted(client, reviewer, monkeypatch, credential):
    secret = give_app(reviewer)
    password(client, reviewer)
    shown = client.post(STEP, {"credential": credential})
    assert shown.status_code == 200
    assert "That passkey was not accepted" in shown.content.decode()
    cache.clear()
    client.post(STEP, {"code": code_for(secret)})
    client.get("/account/passkeys/add/")
    added = client.post("/account/passkeys/add/", {"credential": credential})
    assert added.status_code == 200
    assert "That passkey was not accepted" in added.content.decode()
    assert not Authenticator.objects.filter(type="webauthn").exists()
    Authenticator.objects.create(user=reviewer, type="webauthn", data={"name": "Desk key"})
    monkeypatch.setattr("allauth.mfa.webauthn.internal.auth.get_credentials", lambda user: [])
    client.get("/account/again/passkey/")
    again = client.post("/account/again/passkey/", {"credential": credential}, follow=True)
    assert "That passkey was not accepted" in again.content.decode()


def test_recovery_codes_are_shown_once(client, reviewer, django_assert_max_num_queries):
    secret = give_app(reviewer)
    password(client, reviewer)
    client.post(STEP, {"code": code_for(secret)})
    assert client.head("/account/recovery-codes/").status_code == 405  # nobody saw them
    with django_assert_max_num_queries(20) as asked:
        shown = client.get("/account/recovery-codes/").content.decode()
    assert len(re.findall(r"<code>(\d{8})</code>", shown)) == 10
    assert "shown this once" in shown
    # One of several at once: whoever comes second waits, and is told that they were shown.
    assert "FOR NO KEY UPDATE" in " ".join(query["sql"] for query in asked.captured_queries)
    again = client.get("/account/recovery-codes/").content.decode()
    assert not re.findall(r"<code>", again)
    assert "shown this once" not in again
    assert "You have 10 left." in again


@pytest.mark.usefixtures("required")
def test_a_session_that_came_another_way_ends(login, reviewer):
    give_app(reviewer)
    client = login(reviewer)  # a session that was made up: no log-in of ours
    assert client.get("/queue/").url == "/login/"
    assert client.get("/account/app/remove/").status_code == 302
    assert not Session.objects.filter(user=reviewer).exists()
    assert Authenticator.objects.filter(user=reviewer).count() == 2


def test_the_back_room_has_no_door_of_its_own(client, operator):
    give_app(operator)
    answer = client.get("/admin/")
    answer = client.get(answer.url)
    assert answer.url == "/login/?next=%2Fadmin%2F"
    assert client.get("/admin/login/?next=https://elsewhere.example/").url.endswith("%2Fadmin%2F")
    form = {"username": operator.username, "password": PASSWORD}
    assert client.post("/admin/login/", form).status_code == 405
    assert not is_in(client)


def test_a_new_password_by_link_is_no_way_round(client, login, operator, reviewer):
    give_app(reviewer)
    made = login(operator).post(f"/team/{reviewer.pk}/password-link/")
    link = re.search(r'id="secret"[^>]*>http://testserver([^<]+)<', made.content.decode())[1]
    there = client.get(link, follow=True).redirect_chain[-1][0]
    word = "still-harbour-77"
    assert client.post(there, {"new_password1": word, "new_password2": word}).url == "/login/"
    assert password(client, reviewer, word).url == STEP
    assert not is_in(client)


def test_an_operator_resets_what_was_lost(client, login, operator, reviewer):
    secret = give_app(reviewer)
    password(client, reviewer)
    client.post(STEP, {"code": code_for(secret)})
    assert login(operator).post(f"/team/{reviewer.pk}/second-steps/").status_code == 302
    assert not Authenticator.objects.exists()
    assert not is_in(client)
    event = CustodyEvent.objects.latest("seq")
    assert (event.action, event.actor) == ("factors_reset", operator.person.pseudonym)
    assert (event.object_id, event.before) == (str(reviewer.pk), {"factors": 2})


def test_nobody_resets_their_own(login, operator):
    give_app(operator)
    client = login(operator)
    assert client.post(f"/team/{operator.pk}/second-steps/").status_code == 403
    assert Authenticator.objects.filter(user=operator).count() == 2
    assert actions() == ["attempt_refused"]


@pytest.mark.parametrize("who", ["reviewer", "lead", "auditor", "list_manager"])
def test_nor_does_anybody_else(request, login, operator, who):
    give_app(operator)
    person = request.getfixturevalue(who)
    path = f"/team/{operator.pk}/second-steps/"
    assert login(person).post(path).status_code == 403
    assert Authenticator.objects.filter(user=operator).count() == 2


def test_the_account_page_says_what_is_set_up(login, reviewer):
    client = login(reviewer)
    page = client.get("/account/").content.decode()
    assert "a password alone is enough" in page
    assert "Set up an app" in page
    give_app(reviewer)
    page = client.get("/account/").content.decode()
    assert "Remove the app" in page
    assert "10 left" in page


def test_whoever_may_not_go_in_is_told_so(login, reviewer, operator):
    refused = login(reviewer).get("/admin/", follow=True)
    assert refused.status_code == 403
    assert login(operator).get("/admin/login/?next=/admin/moderation/").url == "/admin/moderation/"
