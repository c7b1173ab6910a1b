"""A cookie of nonsense is no session: the login page comes, on every page, and never a 500."""

import pytest
from django.test import Client

from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
NONSENSE = [
    '"\\000aaaa"',
    '"\\000aaaaaaaaaaaaaaa"',
    '"\\000' + "a" * 31 + '"',
    "\0aaaaaaaaaaaaaaa",
    "a" * 5000,
    "%00",
    "\\ud800",
    "''; --",
    "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9",
]
PAGES = ["/", "/queue/", "/audit/", "/cases/1/", "/reports/", "/admin/", "/login/", "/password/"]


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("name", ["sessionid", "csrftoken", "messages", "theme"])
@pytest.mark.parametrize("address", PAGES)
def test_nonsense_is_no_session(address, name, value):
    client = Client(headers={"cookie": f"{name}={value}"})
    answer = client.get(address)
    assert answer.status_code in (200, 302)
    if address != "/login/":
        assert answer.status_code == 302


@pytest.mark.parametrize("value", NONSENSE)
def test_nor_at_the_api(value):
    client = Client(headers={"cookie": f"sessionid={value}"})
    assert client.post("/api/v1/screen/", {}).status_code == 401


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("name", ["sessionid", "csrftoken"])
def test_logging_in_works_all_the_same(reviewer, name, value):
    client = Client(headers={"cookie": f"{name}={value}"})
    answer = client.post("/login/", {"username": reviewer.username, "password": PASSWORD})
    assert answer.status_code == 302
    assert answer.cookies["sessionid"].value
