"""What no program should send: 400, never 500; and the schema is for those who have a login."""

import json
from urllib.parse import urlencode

import pytest
from django.test import Client
from rest_framework.authtoken.models import Token

pytestmark = pytest.mark.django_db
SCREEN, SCHEMA = "/api/v1/screen/", "/api/v1/schema/"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def client_with_token(list_manager):
    token = Token.objects.create(user=list_manager).key
    return Client(headers={"authorization": f"Token {token}"})


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 30_000,
        b"[" * 30_000 + b"]" * 30_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        rb'{"algorithm":"\ud800","value":"00"}',
        rb'{"algorithm":"md5","value":"\ud800"}',
        rb'{"\udfff":1}',
        b'{"algorithm":"md5","value":NaN}',
        b'{"algorithm":' + b"9" * 5000 + b"}",
        b'{"algorithm":"md5","value":"\xff\xfe"}',
        rb'{"algorithm":"md5","value":"\u0000"}',
        b"",
        b"null",
        b"[]",
        b'"text"',
    ],
)
def test_a_bad_body_is_400(client_with_token, body):
    answer = client_with_token.post(SCREEN, body, content_type="application/json")
    assert answer.status_code == 400
    json.loads(answer.content)


SMALL, LARGE = ({"algorithm": "md5", "value": "0" * size} for size in (70_000, 3_000_000))


@pytest.mark.parametrize(
    "body",
    [
        (json.dumps(SMALL), "application/json"),
        (json.dumps(LARGE), "application/json"),
        (urlencode(SMALL), FORM),
        (urlencode(LARGE), FORM),
        (LARGE,),  # as multipart
    ],
)
def test_a_body_that_is_too_large_is_413_in_one_sentence(client_with_token, body):
    answer = client_with_token.post(SCREEN, *body)
    assert answer.status_code == 413
    assert answer.json() == {"detail": "The body is larger than this service reads."}
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("fields", "body_is", "words"),
    [
        ({str(number): "" for number in range(2000)}, "multipart", "more fields"),
        ({str(number): "" for number in range(2000)}, "form", "more fields"),
    ],
)
def test_what_django_refuses_is_json_too(client_with_token, fields, body_is, words):
    body = (urlencode(fields), FORM) if body_is == "form" else (fields,)
    answer = client_with_token.post(SCREEN, *body)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert answer["Cache-Control"] == "no-store"


def test_people_get_a_page_for_what_django_refuses(client):
    page = client.post("/login/", {str(number): "" for number in range(2000)})
    assert page.status_code == 400
    assert "That could not be read" in page.content.decode()


def test_the_schema_needs_a_login_or_a_token(login, list_manager, client_with_token):
    assert Client().get(SCHEMA).status_code == 401
    assert Client(headers={"authorization": "Token nonsense"}).get(SCHEMA).status_code == 401
    assert client_with_token.get(SCHEMA).status_code == 200
    assert login(list_manager).get(SCHEMA).status_code == 200


def test_a_host_that_is_not_ours_gets_every_header(client):
    answer = client.get("/", headers={"host": "elsewhere.example"})
    assert answer.status_code == 400
    assert answer["X-Frame-Options"] == "DENY"
    assert "frame-ancestors" in answer["Content-Security-Policy"]
    assert answer["Cache-Control"] == "no-store"
