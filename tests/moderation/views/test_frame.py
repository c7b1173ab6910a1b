"""The frame of every page: rail by permission, environment, pseudonym, colours, log in and out."""

import io
import logging

import pytest
from django.urls import reverse

from config.logs import IdsOnly
from moderation.models.person import pseudonym_of
from moderation.review import queue
from tests.conftest import PASSWORD
from tests.moderation.review.making import make_case

pytestmark = pytest.mark.django_db


def text(answer):
    return answer.content.decode()


def rail(answer):
    return [item["label"] for item in answer.context["rail"]]


@pytest.mark.parametrize(
    ("who", "shown", "hidden"),
    [
        ("operator", {"Scans", "Datasets", "Hash lists", "Manifests"}, {"Queue", "Audit"}),
        ("reviewer", {"Queue", "Hash lists"}, {"Scans", "Datasets", "Manifests", "Audit"}),
        ("reporter", {"Reports"}, {"Queue", "Scans", "Audit"}),
        ("auditor", {"Audit"}, {"Queue", "Scans", "Hash lists", "Manifests"}),
        ("outsider", set(), {"Queue", "Scans", "Hash lists", "Manifests", "Audit"}),
    ],
)
def test_the_rail_shows_what_one_may_open(request, login, who, shown, hidden):
    labels = set(rail(login(request.getfixturevalue(who)).get("/")))
    assert shown <= labels
    assert not hidden & labels


def test_every_line_of_the_rail_opens(login, person):
    every = person("eve", "reviewer", "lead", "reporter", "list_manager", "operator", "auditor")
    client = login(every)
    for item in client.get("/").context["rail"]:
        answer = client.get(item["address"])
        assert answer.status_code == 200, item["label"]
        assert 'aria-current="page"' in text(answer)


def test_people_appear_under_their_pseudonym(login, operator):
    page = text(login(operator).get("/"))
    assert pseudonym_of(operator) in page
    assert operator.username not in page


def test_the_roles_stand_beside_the_pseudonym(login, person, outsider):
    both = person("eve", "reviewer", "list_manager")
    assert '<span class="roles">list manager, reviewer</span>' in text(login(both).get("/"))
    assert 'class="roles"' not in text(login(outsider).get("/"))


def test_everybody_finds_where_to_change_their_password(login, reviewer, outsider):
    for user in (reviewer, outsider):
        client = login(user)
        assert '<a class="btn btn-sm" href="/account/">My account</a>' in text(client.get("/"))
        assert '<a class="btn" href="/password/">Change your' in text(client.get("/account/"))
        assert "Change your password" in text(client.get("/password/"))


@pytest.mark.parametrize(("path", "status"), [("/nothing/", 404), ("/audit/", 403)])
def test_an_error_page_keeps_the_menu_of_whoever_is_logged_in(
    login, client, reviewer, path, status
):
    answer = login(reviewer).get(path)
    assert answer.status_code == status
    assert 'href="/queue/"' in text(answer)
    assert "Log out" in text(answer)
    answer = client.get("/nothing/")
    assert answer.status_code == 404
    assert '<main class="alone">' in text(answer)
    assert "Log out" not in text(answer)


@pytest.mark.parametrize("path", ["/queue/next/", "/cases/1/answer/", "/logout/"])
def test_an_address_without_a_page_of_its_own_says_so(login, reviewer, path):
    answer = login(reviewer).get(path)
    assert (answer.status_code, "POST" in answer["Allow"]) == (405, True)
    assert "Nothing to show here" in text(answer)
    assert 'href="/queue/"' in text(answer)
    assert "aria-current" not in text(answer)  # it is in none of the parts that there are


@pytest.mark.parametrize(
    ("method", "path", "then"),
    [
        ("get", "/queue/?state=open", "/queue/%3Fstate%3Dopen"),
        ("post", "/queue/next/", "/queue/"),
        ("post", "/cases/1/answer/", "/cases/1/"),
        ("post", "/account/sessions/end/", "/account/"),
        ("post", "/theme/", "/"),
    ],
)
def test_after_the_log_in_the_page_comes_back_and_nothing_that_was_sent(client, method, path, then):
    assert getattr(client, method)(path).url == f"/login/?next={then}"


def test_other_colours_lead_back_to_a_page(login, reviewer):
    client = login(reviewer)
    refused = client.post("/me/limits/", {"day": "x"})
    assert refused.status_code == 400
    assert '<input type="hidden" name="next" value="/me/">' in text(refused)


def test_synthetic_data_is_labelled(login, operator, settings):
    assert "Synthetic data" in text(login(operator).get("/"))
    settings.SYNTHETIC = False
    assert "Synthetic data" not in text(login(operator).get("/"))


def test_production_has_its_own_edge(login, operator, settings):
    assert "edge-test" in text(login(operator).get("/"))
    settings.PRODUCTION, settings.REPORT_ENVIRONMENT = True, "production"
    page = text(login(operator).get("/"))
    assert "edge-production" in page
    assert "edge-test" not in page


def test_the_page_can_be_used_without_a_mouse(login, operator):
    page = text(login(operator).get("/"))
    assert '<a class="skip" href="#content">' in page
    assert '<main id="content"' in page
    assert '<nav class="rail" aria-label="Main">' in page
    assert page.count("<h1") == 1


def test_colours_are_remembered_and_one_comes_back(login, operator):
    client = login(operator)
    assert "data-bs-theme" not in text(client.get("/"))
    answer = client.post(reverse("theme"), {"theme": "dark", "next": "/scans/"})
    assert (answer.status_code, answer.url) == (302, "/scans/")
    assert 'data-bs-theme="dark"' in text(client.get("/"))
    client.post(reverse("theme"), {"theme": "auto"})
    assert "data-bs-theme" not in text(client.get("/"))


def test_colours_refuse_nonsense_get_and_other_sites(login, operator):
    client = login(operator)
    answer = client.post(reverse("theme"), {"theme": "loud", "next": "https://elsewhere.example/"})
    assert answer.url == "/"
    assert "data-bs-theme" not in text(client.get("/"))
    assert client.get(reverse("theme")).status_code == 405


def test_the_look_goes_with_the_person_and_is_there_from_the_first_byte(login, operator, client):
    look = {"theme": "light", "contrast": "more", "text_size": "large"}
    first = login(operator)
    assert 'contrast.css" media="(prefers-contrast: more)"' in text(first.get("/"))
    answer = first.post(reverse("theme"), look | {"next": "/account/"})
    assert (answer.url, dict(answer.cookies)) == ("/account/", {})
    page = text(login(operator).get("/account/"))  # another browser
    assert '<html lang="en" data-bs-theme="light" data-text="large">' in page
    assert 'contrast.css" media="all"' in page
    assert '<option value="more" selected>' in page
    assert "data-bs-theme" not in text(client.get("/login/"))  # nobody yet
    first.post(reverse("theme"), {"contrast": "less", "text_size": "9", "theme": "light"})
    operator.person.refresh_from_db()
    assert (operator.person.contrast, operator.person.text_size) == ("more", "large")


def test_log_in_and_out(client, operator):
    assert "Log in" in text(client.get("/login/"))
    answer = client.post("/login/", {"username": "otto", "password": PASSWORD, "next": "/scans/"})
    assert (answer.status_code, answer.url) == (302, "/scans/")
    assert client.get("/login/").status_code == 302  # nothing to do there any more
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").url == "/login/"
    assert client.get("/").status_code == 302


def test_a_wrong_password_says_what_to_do(client, operator):
    answer = client.post("/login/", {"username": "otto", "password": "wrong"})
    assert answer.status_code == 200
    assert "Check both and try again" in text(answer)


def test_a_refusal_and_a_missing_page_say_what_to_do(login, outsider):
    client = login(outsider)
    refused = client.get("/scans/")
    assert refused.status_code == 403
    assert "ask an operator" in text(refused)
    missing = client.get("/no-such-page/")
    assert missing.status_code == 404
    assert "start again from the overview" in text(missing)


def test_refusals_leave_a_line_without_a_traceback(login, outsider):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(IdsOnly())
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        client = login(outsider)
        client.get("/scans/")
        client.get("/no-such-page/")
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue().count("\n") == 2
    assert "Traceback" not in stream.getvalue()


def test_a_failure_shows_our_page(login, operator, monkeypatch):
    from moderation.views import home

    def broken():
        raise RuntimeError("https://pictures.example/a.jpg")

    monkeypatch.setattr(home, "running_scans", broken)
    client = login(operator)
    client.raise_request_exception = False
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something broke on our side" in text(answer)
    assert "pictures.example" not in text(answer)


def test_too_many_attempts_rest_for_a_while(client, operator, settings):
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 3
    for _ in range(3):
        answer = client.post("/login/", {"username": "otto", "password": "wrong"})
    assert answer.status_code == 429
    assert "quarter of an hour" in text(answer)
    right = client.post("/login/", {"username": "otto", "password": PASSWORD})
    assert right.status_code == 429


def test_second_review_is_the_queue_of_what_waits_for_it(login, reviewer, lead):
    client = login(reviewer)

    def current(address):
        rail = client.get(address).context["rail"]
        return [item["label"] for item in rail if item["current"]]

    [item] = [each for each in client.get("/").context["rail"] if each["key"] == "s"]
    assert item["address"] == "/queue/?state=proposed"
    assert current("/queue/") == ["Queue"]
    assert current("/queue/?state=open") == ["Queue"]
    assert current(item["address"]) == ["Second review"]


def test_the_case_in_work_is_named_on_every_page(login, reviewer, second_reviewer, auditor):
    case = queue.claim(make_case(), by=reviewer)
    client = login(reviewer)
    for address in ("/", "/queue/", "/my-cases/", "/me/", "/account/"):
        page = client.get(address)
        assert page.context["working"].case == case, address
        assert case.lease_token in page.content.decode(), address
    own = client.get(f"/cases/{case.pk}/").content.decode()
    assert own.count("data-lease=") == 1
    for other in (second_reviewer, auditor):
        assert "data-lease=" not in login(other).get("/").content.decode()


def test_what_is_too_large_is_said_in_words(login, reviewer, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = login(reviewer).post("/me/limits/", {"day": "1" * 2000})
    assert answer.status_code == 400
    assert "Nothing was done. Go back, shorten what you wrote" in answer.content.decode()
