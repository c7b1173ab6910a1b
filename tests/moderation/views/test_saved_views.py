"""Saved views: kept if the page understands them, shared, renamed and deleted by their owner."""

import pytest

from moderation.models import HashList, SavedView
from tests.moderation.review.making import make_list

pytestmark = pytest.mark.django_db


def save(client, **form):
    return client.post("/views/", {"page": "audit", "name": "Mine", "query": "level=3"} | form)


def said(answer):
    return " ".join(answer.content.decode().split())


def test_a_view_is_saved_as_the_page_understands_it(login, auditor):
    client = login(auditor)
    answer = save(client, query="level=3&before=7&x=1&action=+boat+")
    view = SavedView.objects.get()
    assert view.query == "action=boat&level=3"
    assert answer.url == f"/audit/?{view.query}"
    page = said(client.get(answer.url))
    assert f'href="/views/{view.pk}/" aria-current="true">Mine' in page
    assert client.get(f"/views/{view.pk}/").url == answer.url


@pytest.mark.parametrize(
    "form",
    [
        {"query": "since=never"},
        {"query": "role=boat"},
        {"query": ""},
        {"query": "x=1"},
        {"name": ""},
        {"name": "https://a.example/"},
        {"name": "n" * 61},
    ],
)
def test_what_does_not_fit_is_not_saved(login, auditor, form):
    answer = save(login(auditor), **form)
    assert answer.status_code == 302
    assert not SavedView.objects.exists()


def test_one_view_of_a_name(login, auditor):
    client = login(auditor)
    save(client)
    assert "You have a view of this name" in said(client.get(save(client, query="level=2").url))
    assert SavedView.objects.get().query == "level=3"


def test_a_view_of_one_is_nobody_elses_until_it_is_shared(login, person, auditor):
    save(login(auditor))
    view, other = SavedView.objects.get(), login(person("anna", "auditor"))
    assert other.get(f"/views/{view.pk}/").status_code == 404
    assert "Mine" not in said(other.get("/audit/"))
    login(auditor).post(f"/views/{view.pk}/", {"name": "Looks", "shared": "on"})
    assert other.get(f"/views/{view.pk}/").status_code == 302
    assert "Looks<span" in said(other.get("/audit/"))
    for address in (f"/views/{view.pk}/", f"/views/{view.pk}/delete/"):
        assert other.post(address, {"name": "Taken"}).status_code == 404
    assert SavedView.objects.get().name == "Looks"
    login(auditor).post(f"/views/{view.pk}/delete/")
    assert not SavedView.objects.exists()


@pytest.mark.parametrize("who", ["reviewer", "operator", "outsider"])
def test_a_shared_view_opens_no_page(request, login, auditor, who):
    save(login(auditor), shared="on")
    client = login(request.getfixturevalue(who))
    assert client.get(f"/views/{SavedView.objects.get().pk}/").status_code == 404
    assert save(client).status_code == 404


def test_a_view_whose_filter_is_gone_says_so(login, reviewer):
    version = make_list("tide")
    client = login(reviewer)
    save(client, page="queue", query=f"list={version.hash_list_id}&match=near")
    view = SavedView.objects.get()
    assert client.get(f"/views/{view.pk}/").url == f"/queue/?{view.query}"
    HashList.objects.update(current=None)
    version.delete()
    HashList.objects.all().delete()
    answer = client.get(f"/views/{view.pk}/")
    assert answer.url == "/queue/"
    assert "“Mine” no longer fits (List)" in said(client.get(answer.url))


@pytest.mark.parametrize("page", ["boat", "", "queue"])
def test_a_page_that_is_not_theirs(login, auditor, page):
    assert save(login(auditor), page=page).status_code == 404
