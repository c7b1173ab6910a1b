"""The legal basis by hand: recorded whole, ended at once, shown with its history."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from moderation.models import CustodyEvent, LegalBasis
from moderation.scanning import fetching

pytestmark = pytest.mark.django_db
UNTIL = timezone.localdate() + timedelta(days=30)
FORM = {
    "basis": "Agreement 7 with the hotline",
    "jurisdiction": "Ireland",
    "officer": "Ada Example",
    "until": str(UNTIL),
}


def test_it_is_recorded_and_ended(login, operator):
    client = login(operator)
    assert "None was ever recorded" in client.get("/legal-basis/").content.decode()
    assert client.post("/legal-basis/record/", FORM).url == "/legal-basis/"
    basis = fetching.current()
    assert (basis.jurisdiction, basis.recorded_by) == ("Ireland", operator)
    assert basis.until.date() == UNTIL  # its last day counts
    assert LegalBasis.objects.for_previews().exists()
    page = client.get("/legal-basis/").content.decode()
    assert "Agreement 7 with the hotline" in page
    client.post("/legal-basis/record/", FORM | {"officer": "Bea Example"})
    assert LegalBasis.objects.current().count() == 1  # the one before ended with it
    assert client.post("/legal-basis/end/").url == "/legal-basis/"
    assert fetching.current() is None
    again = client.post("/legal-basis/end/", follow=True).content.decode()
    assert "None was in force" in again
    for officer in ("Ada Example", "Bea Example"):
        assert officer in again
    said = CustodyEvent.objects.order_by("seq")
    assert [event.action for event in said] == ["fetching_on", "fetching_on", "fetching_off"]
    assert said[0].after["previews"] is True
    assert "Example" not in str(said.values_list("before", "after", "reason"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"basis": " "},
        {"basis": "agreement \u202e7"},
        {"jurisdiction": ""},
        {"officer": ""},
        {"until": ""},
        {"until": "2001-01-01"},
        {"until": "2099-02-31"},
        {"until": "9999-12-31"},
        {"jurisdiction": "x" * 101},
    ],
)
def test_half_of_one_is_refused(login, operator, wrong):
    answer = login(operator).post("/legal-basis/record/", FORM | wrong)
    assert answer.status_code == 400
    assert not LegalBasis.objects.exists()
    assert not CustodyEvent.objects.exists()


def test_one_without_its_jurisdiction_opens_no_preview(login, operator):
    until = timezone.now() + timedelta(days=1)
    fetching.switch_on(basis="duty", officer="Ada", until=until, by=None)
    assert LegalBasis.objects.current().exists()
    assert not LegalBasis.objects.for_previews().exists()
    assert "no preview opens: record the basis anew" in (
        login(operator).get("/legal-basis/").content.decode()
    )


def test_an_auditor_reads_and_changes_nothing(login, auditor, operator):
    login(operator).post("/legal-basis/record/", FORM)
    client = login(auditor)
    page = client.get("/legal-basis/").content.decode()
    assert "Agreement 7" in page
    assert "End it now" not in page
    assert client.post("/legal-basis/record/", FORM).status_code == 403
    assert client.post("/legal-basis/end/").status_code == 403


@pytest.mark.parametrize("who", ["reviewer", "lead", "list_manager", "reporter"])
def test_nobody_else_sees_it(request, login, who):
    assert login(request.getfixturevalue(who)).get("/legal-basis/").status_code == 403


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("second", ["record", "end"])
def test_what_comes_while_one_is_recorded_comes_after_it(login, operator, monkeypatch, second):
    login(operator).post("/legal-basis/record/", FORM)
    clients, written = [login(operator), login(operator)], threading.Event()
    append = CustodyEvent.objects.append

    def slowly(*args, **kwargs):
        written.set()
        time.sleep(0.5)  # the other one is there before this one is committed
        return append(*args, **kwargs)

    def send(client, step):
        page = client.post(f"/legal-basis/{step}/", FORM, follow=True).content.decode()
        connection.close()
        return page

    monkeypatch.setattr(CustodyEvent.objects, "append", slowly)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(send, clients[0], "record")
        assert written.wait(10)
        said = pool.submit(send, clients[1], second).result()
        first.result()
    left = LegalBasis.objects.current().count()
    assert left == (1 if second == "record" else 0)
    assert "None was in force" not in said
    assert LegalBasis.objects.count() == (3 if second == "record" else 2)
