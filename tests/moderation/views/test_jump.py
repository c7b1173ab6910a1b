"""The jump: it finds what a person may open and nothing else, and takes words by POST alone."""

import secrets

import pytest

from moderation.models import Grant, Person
from tests.moderation.review.making import add_entry, make_case

pytestmark = pytest.mark.django_db
URL = "/jump/"


def found(client, to):
    return [place.address for place in client.post(URL, {"to": to}).context["found"]]


def test_a_case_by_number_link_and_hash(login, reviewer):
    case = make_case()
    link = "https://pictures.example/x.jpg"
    entry = add_entry(case, url=link, caption="", pdq=secrets.token_bytes(32))
    make_case()
    client, address = login(reviewer), f"/cases/{case.pk}/"
    for to in (
        str(case.pk),
        f"case {case.pk}",
        f"#{case.pk}",
        link,
        bytes(entry.md5).hex(),
        bytes(entry.md5).hex()[:8].upper(),
        bytes(entry.md5).hex()[:9],
        bytes(entry.pdq).hex()[:8],
        bytes(entry.url_key).hex()[:8],
    ):
        assert address in found(client, to), to
    for to in ("https://pictures.example/y.jpg", "f" * 64, "0", "9" * 18, "case", "a" * 3000):
        assert not [each for each in found(client, to) if "/cases/" in each]


def test_nothing_is_found_that_one_may_not_open(login, reviewer, auditor, outsider):
    case = make_case(harm_class="adult_intimate")
    Grant.objects.filter(person=reviewer).update(harm_classes=["csam"])
    for user in (reviewer, auditor, outsider):
        assert found(login(user), str(case.pk)) == []
    assert "Nothing found" in login(outsider).post(URL, {"to": "7"}).content.decode()


def test_what_stands_in_the_address_is_not_asked(login, reviewer):
    case = make_case()
    page = login(reviewer).get(URL, {"to": str(case.pk)})
    assert page.context["found"] == []
    assert "no-store" in page["Cache-Control"]


def test_pages_datasets_and_people(login, reviewer, lead):
    make_case()
    assert found(login(reviewer), "que") == ["/queue/"]
    assert found(login(reviewer), "laguna") == []
    assert [each.startswith("/datasets/") for each in found(login(lead), "lagu")] == [True]
    pseudonym = Person.objects.get(user=reviewer).pseudonym
    assert found(login(lead), pseudonym) == [f"/team/{reviewer.pk}/"]
    assert found(login(reviewer), pseudonym) == []
    assert found(login(lead), "rhea") == []


def test_a_script_gets_the_finds_alone(login, reviewer):
    case = make_case()
    part = login(reviewer).post(URL, {"to": str(case.pk)}, headers={"HX-Request": "true"})
    assert part.content.decode().lstrip().startswith("<p")
    assert "<html" not in part.content.decode()


def test_single_letters_are_switched_off_and_on(login, reviewer):
    client = login(reviewer)
    assert "data-letters" not in client.get("/queue/").content.decode()
    assert client.post("/account/keys/", {"keys": "off"}).url == "/account/"
    assert 'data-letters="off"' in client.get("/queue/").content.decode()
    client.post("/account/keys/", {"keys": "on"})
    assert "data-letters" not in client.get("/queue/").content.decode()
