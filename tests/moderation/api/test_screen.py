"""POST /api/v1/screen/: a hash or a picture in, a verdict out, for a token with one capability."""

import hashlib
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings
from rest_framework.authtoken.models import Token

from moderation.api import throttles
from moderation.api.throttles import ScreenThrottle
from moderation.hash_lists.loading import ListOptions, load
from moderation.media.hashing import hash_picture
from moderation.models import HashList
from tests import pictures

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/screen/"


@pytest.fixture(autouse=True)
def stores(settings: Settings, tmp_path: Path) -> None:
    settings.LEDGER_URL = (tmp_path / "ledgers").as_uri()


@pytest.fixture
def known() -> bytes:
    return pictures.encoded(pictures.picture(1), quality=92)


@pytest.fixture
def lists(known: bytes) -> None:
    lines = [
        "md5 " + hashlib.md5(known).hexdigest(),
        "pdq " + hash_picture(known, exact=True).pdq.hex(),
    ]
    load(
        io.BytesIO("\n".join(lines).encode()),
        slug="demo",
        label="1",
        format="plain",
        options=ListOptions(harm_class="csam", synthetic=True),
    )


@pytest.fixture
def ask(list_manager: User) -> Callable[..., Any]:
    """Post to the address with the list manager's token: fields as JSON, or a picture's bytes."""
    token = Token.objects.create(user=list_manager).key

    def post(data: bytes | None = None, **fields: Any) -> Any:
        client = Client(headers={"authorization": f"Token {token}"})
        if data is not None:
            return client.post(ADDRESS, {"picture": SimpleUploadedFile("x", data)})
        return client.post(ADDRESS, json.dumps(fields), content_type="application/json")

    return post


def test_a_known_digest_is_exact(lists: None, known: bytes, ask: Callable[..., Any]) -> None:
    answer = ask(algorithm="md5", value=hashlib.md5(known).hexdigest().upper())

    assert answer.status_code == 200
    assert answer.json() == {
        "verdict": "exact",
        "reason": "",
        "matches": [{"list": "demo", "algorithm": "md5", "distance": 0, "variant": "plain"}],
    }
    assert answer["Cache-Control"] == "no-store"


def test_an_unknown_digest_is_none(lists: None, ask: Callable[..., Any]) -> None:
    assert ask(algorithm="sha256", value="ab" * 32).json()["verdict"] == "none"


def test_an_edited_picture_is_near(lists: None, ask: Callable[..., Any]) -> None:
    edited = pictures.encoded(pictures.picture(1).convert("L"), quality=30)

    answer = ask(edited).json()

    assert answer["verdict"] == "near"
    [match] = answer["matches"]
    assert match["algorithm"] == "pdq"
    assert 0 < match["distance"] <= 31


def test_the_same_file_is_exact(lists: None, known: bytes, ask: Callable[..., Any]) -> None:
    answer = ask(known).json()

    assert answer["verdict"] == "exact"
    assert {match["algorithm"] for match in answer["matches"]} == {"md5", "pdq"}


@pytest.mark.parametrize(
    ("data", "reason"), [(b"<html>", "not_a_picture"), (b"\xff\xd8\xff\xe0", "truncated")]
)
def test_what_has_no_hash_is_not_hashable_and_never_none(
    lists: None, ask: Callable[..., Any], data: bytes, reason: str
) -> None:
    answer = ask(data).json()

    assert (answer["verdict"], answer["reason"]) == ("not_hashable", reason)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"algorithm": "md5"},
        {"value": "ab"},
        {"algorithm": "crc32", "value": "ab"},
        {"algorithm": "md5", "value": "x" * 2000},
    ],
)
def test_a_question_that_is_none_is_refused(
    lists: None, ask: Callable[..., Any], fields: dict[str, str]
) -> None:
    assert ask(**fields).status_code == 400


@pytest.mark.parametrize("value", ["zz" * 16, "ab", "00" * 16, "d41d8cd98f00b204e9800998ecf8427e"])
def test_a_value_that_is_no_hash_is_not_hashable(
    lists: None, ask: Callable[..., Any], value: str
) -> None:
    assert ask(algorithm="md5", value=value).json()["verdict"] == "not_hashable"


def test_without_a_list_there_is_no_answer(ask: Callable[..., Any]) -> None:
    assert ask(algorithm="md5", value="ab" * 16).status_code == 503


def test_a_trial_list_gives_no_verdict(lists: None, known: bytes, ask: Callable[..., Any]) -> None:
    HashList.objects.update(trust=HashList.Trust.TRIAL)

    assert ask(algorithm="md5", value=hashlib.md5(known).hexdigest()).status_code == 503


def test_a_new_version_counts_at_once(lists: None, known: bytes, ask: Callable[..., Any]) -> None:
    other = hashlib.md5(b"other").hexdigest()
    assert ask(algorithm="md5", value=other).json()["verdict"] == "none"

    load(io.BytesIO(f"md5 {other}".encode()), slug="demo", label="2", format="plain")

    assert ask(algorithm="md5", value=other).json()["verdict"] == "exact"
    gone = hashlib.md5(known).hexdigest()
    assert ask(algorithm="md5", value=gone).json()["verdict"] == "none"


def test_a_picture_over_the_limit_is_refused(
    lists: None, ask: Callable[..., Any], settings: Settings
) -> None:
    settings.SCREEN_MAX_BYTES = 1000

    assert ask(b"\xff\xd8" + b"x" * 2000).status_code == 413


def test_a_picture_never_touches_the_disk(
    lists: None, ask: Callable[..., Any], settings: Settings, tmp_path: Path
) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "missing")  # writing there would fail
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10

    assert ask(pictures.encoded(pictures.picture(2))).status_code == 200


def test_the_throttle_answers_429(
    lists: None, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.clear()
    monkeypatch.setattr(ScreenThrottle, "THROTTLE_RATES", {"screen": "2/min"})

    answers = [ask(algorithm="md5", value="ab" * 16) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 58 <= int(answers[-1]["Retry-After"]) <= 60
    cache.clear()


def test_the_throttle_lets_no_more_through_of_many_at_once(
    list_manager: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.clear()
    monkeypatch.setattr(ScreenThrottle, "THROTTLE_RATES", {"screen": "10/min"})

    def let_through(number: int) -> bool:
        return ScreenThrottle().allow_request(asked_by(list_manager), view=None)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(let_through, range(40))) == 10
    cache.clear()


def test_a_request_counts_for_as_long_as_the_rate_says(
    list_manager: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.clear()
    monkeypatch.setattr(ScreenThrottle, "THROTTLE_RATES", {"screen": "1/min"})
    throttle, asked = ScreenThrottle(), asked_by(list_manager)

    assert throttle.allow_request(asked, view=None)
    assert not throttle.allow_request(asked, view=None)
    assert 58 < throttle.wait() <= 60
    key = throttle.get_cache_key(asked, view=None)
    server = throttles._server()
    server.lset(key, 0, int(server.lindex(key, 0)) - 60_000)  # as if it were a minute ago
    assert throttle.allow_request(asked, view=None)
    cache.clear()


def asked_by(user: User) -> Any:
    return SimpleNamespace(user=user)


def test_only_a_token_with_the_capability(
    lists: None, reviewer: User, login: Callable[[User], Client]
) -> None:
    assert Client().post(ADDRESS).status_code == 401
    token = Token.objects.create(user=reviewer).key
    client = Client(headers={"authorization": f"Token {token}"})
    assert client.post(ADDRESS).status_code == 403
    assert login(reviewer).get(ADDRESS).status_code in (403, 405)


def test_the_description_names_the_address(
    list_manager: User, login: Callable[[User], Client]
) -> None:
    client = login(list_manager)

    schema = client.get("/api/v1/schema/?format=json").json()

    assert ADDRESS in schema["paths"]
    page = client.get("/api/v1/docs/")
    assert page.status_code == 200
    assert "script-src 'self'" in page["Content-Security-Policy"]
    assert "'unsafe-inline'" not in client.get("/")["Content-Security-Policy"]


def test_an_address_without_anything_is_told_in_json(client: Client, list_manager: User) -> None:
    client.force_login(list_manager)
    answer = client.get("/api/v2/screen/")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")
    assert answer.json() == {"detail": "There is nothing at this address."}
    assert client.get("/nowhere/")["Content-Type"].startswith("text/html")
