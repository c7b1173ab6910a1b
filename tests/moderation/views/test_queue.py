"""The queue page: figures, filters, the next case, and who may see it."""

import math
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from moderation.models import Case, Grant, ListPrecision, Scan
from moderation.review import queue
from moderation.scanning import priorities
from tests.moderation.review.making import (
    add_entry,
    answer,
    make_case,
    make_list,
    make_revision,
    settled,
    withdraw,
)

pytestmark = pytest.mark.django_db
URL = "/queue/"


def rows(page):
    return [row.case.pk for row in page.context["rows"]]


def test_login_is_required(client):
    answer = client.get(URL)
    assert answer.status_code == 302
    assert answer.url.startswith("/login/")


@pytest.mark.parametrize("who", ["outsider", "auditor", "operator", "list_manager", "reporter"])
def test_without_the_capability_403(request, login, who):
    make_case()
    user = request.getfixturevalue(who)
    assert login(user).get(URL).status_code == 403
    assert login(user).post(reverse("moderation:queue_next")).status_code == 403
    assert not Case.objects.filter(leased_by__isnull=False).exists()


def test_figures(login, reviewer, second_reviewer):
    old = make_case(due_at=timezone.now() - timedelta(hours=1))
    Case.objects.filter(pk=old.pk).update(opened_at=timezone.now() - timedelta(days=3, hours=1))
    make_case(due_at=timezone.now() + timedelta(hours=23))
    make_case(due_at=timezone.now() + timedelta(hours=25), priority=9)
    Case.objects.create(state="closed")
    queue.claim_next(by=second_reviewer)
    page = login(reviewer).get(URL)
    figures = page.context["figures"]
    assert (figures["yours"], figures["due"], figures["waiting"]) == (2, 2, 3)
    assert figures["others_hold"] == 1
    assert "3\xa0days" in page.content.decode()


def test_overview_and_queue_count_alike_and_to_the_whole(login, reviewer, second_reviewer, lead):
    make_case(near=True)
    settled(make_case(), second_reviewer, "REMOVE_KNOWN")  # for the reviewer to go on with
    settled(make_case(), reviewer, "KEEP")
    settled(make_case(), second_reviewer, "ESCALATE")
    queue.claim(make_case(), by=second_reviewer)
    own = queue.claim(make_case(), by=reviewer)
    expected = {
        reviewer: {"first": 1, "second": 1, "lead": 0, "yours": 2, "you_answered": 1}
        | {"others_hold": 1, "for_leads": 1, "waiting": 6, "held": own},
        lead: {"first": 1, "second": 2, "lead": 1, "yours": 4, "you_answered": 0}
        | {"others_hold": 2, "for_leads": 0, "waiting": 6, "held": None},
    }
    for user, figures in expected.items():
        client = login(user)
        for told in (
            client.get(URL).context["figures"],
            client.get("/").context["panels"]["cases"],
        ):
            assert {name: told[name] for name in figures} == figures
    body = " ".join(login(reviewer).get(URL).content.decode().split())
    for words in ("1 held by somebody else", "1 answered by you", "1 waiting for a lead"):
        assert words in body


def test_a_priority_is_the_product_it_shows(login, reviewer):
    case = make_case(near=True, entries=2, triage="high")
    priorities.rate(case)
    (row,) = login(reviewer).get(URL).context["rows"]
    assert row.sum["severity"] == 4
    assert row.sum["confidence"] == pytest.approx(1 + 19 / 62)
    factors = ("severity", "confidence", "reach", "liveness", "age")
    assert math.prod(row.sum[name] for name in factors) == pytest.approx(row.sum["now"])
    assert row.sum["age"] == pytest.approx(1, abs=0.001)


def test_the_precision_of_the_list_is_part_of_the_confidence_shown(login, reviewer):
    case = make_case(near=True, triage="high")
    ListPrecision.objects.create(hash_list=make_list("harbour-trusted").hash_list, near_weight=0.6)
    priorities.rate(case)
    page = login(reviewer).get(URL)
    (row,) = page.context["rows"]
    assert row.sum["confidence"] == pytest.approx((1 + 19 / 62) * 0.6)
    factors = ("severity", "confidence", "reach", "liveness", "age")
    assert math.prod(row.sum[name] for name in factors) == pytest.approx(row.sum["now"])
    assert "the more of the list’s matches people cleared" in page.content.decode()


def test_a_withdrawn_hash_marks_its_case(login, reviewer):
    withdrawn, changed, sound = (make_case(priority=n) for n in (9, 8, 7))
    withdraw(withdrawn)
    withdraw(changed, again=True)
    page = login(reviewer).get(URL)
    assert [row.withdrawn for row in page.context["rows"]] == [True, False, False]
    assert page.content.decode().count("Hash withdrawn") == 1
    assert rows(page)[2] == sound.pk


def test_the_order_is_by_priority(login, reviewer):
    low, high = make_case(priority=1), make_case(priority=5)
    assert rows(login(reviewer).get(URL)) == [high.pk, low.pk]


def test_filters_stand_in_the_address(login, reviewer):
    exact = make_case(triage="critical")
    near = make_case(near=True, triage="high")
    add_entry(near, revision=make_revision("r2"), algorithm="pdq", distance=4, slug="tide")
    closed = make_case(state="closed")
    client = login(reviewer)

    def shown(query):
        return rows(client.get(URL + query))

    assert shown("?match=exact") == [exact.pk]
    assert shown("?match=near") == [near.pk]
    assert shown("?triage=high") == [near.pk]
    assert shown("?state=closed") == [closed.pk]
    assert shown(f"?list={make_list('tide').hash_list_id}") == [near.pk]
    assert shown(f"?revision={make_revision('r2').pk}") == [near.pk]
    assert shown("?match=exact&triage=high") == []
    assert shown("?match=sideways&list=none&page=nine") == [exact.pk, near.pk]
    page = client.get(URL + "?match=near&triage=high")
    assert [chip["name"] for chip in page.context["chips"]] == ["Triage", "Match"]
    assert 'href="?triage=high"' in page.content.decode()


def test_figures_by_trust(login, reviewer, second_reviewer):
    old = make_case(due_at=timezone.now() - timedelta(hours=1))
    make_case(due_at=timezone.now() + timedelta(days=3), priority=1)
    make_case(trust="trial", priority=1)
    queue.claim(old, by=second_reviewer)
    body = login(reviewer).get(URL)
    told = [(t.trust, t.waiting, t.held, t.due) for t in body.context["by_trust"]]
    assert told == [("trusted", 2, 1, 1), ("trial", 1, 0, 0)]
    assert body.context["by_trust"][0].oldest == old.opened_at


def test_what_is_past_its_due_date_is_told_to_leads(login, reviewer, lead):
    make_case(due_at=timezone.now() - timedelta(hours=1))
    assert 'href="?due=over"' in login(lead).get(URL).content.decode()
    assert "1 past the due date" in login(lead).get("/").content.decode()
    for address in (URL, "/"):
        assert "data-overdue" not in login(reviewer).get(address).content.decode()


def test_a_lead_pins_and_unpins_with_a_reason(login, reviewer, lead):
    case = make_case()
    client, address = login(lead), f"/cases/{case.pk}/pin/"
    assert address in client.get(URL).content.decode()
    assert "Pin it" in client.get(address).content.decode()
    assert client.post(address, {"pin_reason": ""}).status_code == 200
    assert client.post(address, {"pin_reason": "see https://a.example/"}).status_code == 200
    assert client.post(address, {"pin_reason": "a court asks"}).url == URL
    assert "a court asks" in client.get(address).content.decode()
    other = login(reviewer).get(URL).content.decode()
    assert "Pinned" in other
    assert "a court asks" not in other
    assert login(reviewer).get(address).status_code == 403
    assert client.post(f"/cases/{case.pk}/unpin/").url == URL
    assert Case.objects.get().pinned_at is None


def test_filters_of_the_queue_are_kept_as_a_view(login, reviewer):
    client = login(reviewer)
    page = client.get(f"{URL}?link=gone&who=me").content.decode()
    assert "Save these filters as a view" in page
    form = {"page": "queue", "name": "Gone", "query": "link=gone&who=me"}
    assert client.post("/views/", form).url == f"{URL}?link=gone&who=me"
    assert "Gone</a>" in client.get(URL).content.decode()


def test_empty_says_when_the_schedule_looks_next(login, reviewer):
    assert "The schedule looks for scans" in login(reviewer).get(URL).content.decode()


def test_a_row_tells_match_lists_and_group(login, reviewer):
    case = make_case(near=True)
    add_entry(case, revision=make_revision("r2"), algorithm="pdq", distance=4, slug="tide")
    add_entry(case)
    row = login(reviewer).get(URL).context["rows"][0]
    assert (row.entries, row.revisions, row.exact, row.near, row.nearest) == (3, 2, 1, 2, 4)
    assert row.lists == ["harbour-trusted", "tide"]


def test_the_number_of_queries_does_not_grow(login, reviewer, django_assert_max_num_queries):
    client = login(reviewer)
    for _ in range(12):
        make_case(entries=2)
    with django_assert_max_num_queries(33):
        assert len(rows(client.get(URL))) == 12


@pytest.mark.parametrize("address", [URL, f"{URL}?triage=unknown", "/"])
def test_grants_and_limits_are_read_once(login, lead, address, django_assert_max_num_queries):
    client = login(lead)
    make_case()
    with django_assert_max_num_queries(60) as asked:
        assert client.get(address).status_code == 200
    asked = [query["sql"] for query in asked.captured_queries]
    assert sum('FROM "moderation_wellness"' in sql for sql in asked) == 1
    unnested = [sql for sql in asked if 'SELECT "moderation_grant"."harm_classes"' in sql]
    assert len(unnested) == 1


def test_start_next_claims_and_opens(login, reviewer):
    case = make_case()
    client = login(reviewer)
    assert client.get(reverse("moderation:queue_next")).status_code == 405
    answer = client.post(reverse("moderation:queue_next"))
    assert answer.url == reverse("moderation:case", args=[case.pk])
    assert Case.objects.leased_to(reviewer).get() == case
    assert f"Back to case {case.pk}" in client.get(URL).content.decode()


def test_start_next_with_nothing_to_do(login, reviewer):
    page = login(reviewer).post(reverse("moderation:queue_next"), follow=True)
    assert "No case waits for you now." in page.content.decode()


def test_start_next_needs_the_csrf_token(reviewer):
    make_case()
    client = Client(enforce_csrf_checks=True)
    client.force_login(reviewer)
    assert client.post(reverse("moderation:queue_next")).status_code == 403


def test_empty_says_what_is_scanning(login, reviewer):
    page = login(reviewer).get(URL).content.decode()
    assert "Nothing is being scanned now" in page
    Scan.objects.create(
        revision=make_revision(), kind="hash_only", reason="new_revision", algorithm_version="1"
    )
    assert "Scanning laguna@r1" in login(reviewer).get(URL).content.decode()


def test_who_is_the_first_at_work_no_lead_reads(login, reviewer, second_reviewer, lead):
    """A lead may be the second person of any open case, and that one is blind."""
    case = queue.claim(make_case(), by=second_reviewer)
    for address in (URL, f"/cases/{case.pk}/", "/my-cases/"):
        page = login(lead).get(address).content.decode()
        assert second_reviewer.person.pseudonym not in page
    assert ">Held<" in login(lead).get(URL).content.decode()
    assert "Take it over" in login(lead).get(f"/cases/{case.pk}/").content.decode()


def test_the_holder_is_a_pseudonym_and_that_for_leads_alone(
    login, reviewer, second_reviewer, lead, person
):
    case = settled(make_case(), person("tess", "reviewer"), "KEEP")
    queue.claim(case, by=second_reviewer)
    for address in (URL, f"/cases/{case.pk}/"):
        page = login(lead).get(address).content.decode()
        assert second_reviewer.person.pseudonym in page
        assert "sven" not in page
        page = login(reviewer).get(address).content.decode()
        assert second_reviewer.person.pseudonym not in page
        assert ">Held<" in page or "Another person is working on it" in page
    assert ">You<" in login(second_reviewer).get(URL).content.decode()


def test_the_undo_banner_is_here_too(login, reviewer):
    answer(make_case(), reviewer, "ESCALATE")
    assert "data-undo" in login(reviewer).get(URL).content.decode()


def test_disputed_is_shown_and_a_reviewer_does_not_get_it(login, reviewer, second_reviewer):
    case = settled(settled(make_case(), reviewer, "REMOVE_KNOWN"), second_reviewer, "ESCALATE")
    client = login(reviewer)
    assert rows(client.get(URL)) == [case.pk]
    assert client.post(reverse("moderation:queue_next")).url == URL


def test_pages_go_on_from_a_case(login, reviewer):
    for number in range(60):
        make_case(priority=float(60 - number), triage=("high", "critical")[number % 2])
    order = list(Case.objects.by_priority().values_list("pk", flat=True))
    client = login(reviewer)
    page = client.get(URL)
    assert rows(page) == order[:25]
    assert "25 of 60 cases" in page.content.decode()
    assert f'href="?after={order[24]}"' in page.content.decode()
    page = client.get(f"{URL}?after={order[24]}")
    assert rows(page) == order[25:50]
    assert f'href="?before={order[25]}"' in page.content.decode()
    assert rows(client.get(f"{URL}?before={order[25]}")) == order[:25]
    page = client.get(f"{URL}?triage=high&after={order[30]}")
    assert rows(page) == order[32::2]
    body = page.content.decode()
    assert "14 of 30 cases" in body
    assert f'href="?triage=high&amp;before={order[32]}"' in body
    assert 'href="?"' in body  # the filter goes, and the place with it
    page = client.get(f"{URL}?match=near&after={order[30]}").content.decode()
    assert "No case fits" in page


@pytest.mark.parametrize("place", ["0", "-1", "x", "1e3", "9" * 30, "٣", "\0", "1,2"])
def test_a_place_that_is_none_shows_the_first_page(login, reviewer, place):
    case = make_case()
    for name in ("after", "before"):
        assert rows(login(reviewer).get(URL, {name: place})) == [case.pk]


def test_without_a_grant_the_page_says_so_and_not_that_nothing_waits(login, reviewer):
    make_case()
    Grant.objects.all().delete()
    page = login(reviewer).get(URL).content.decode()
    assert "No case is shown without a grant" in page
    assert "No case waits" not in page


def test_links_are_counted_once_each_with_what_is_known_of_them(login, reviewer):
    case = make_case(entries=2)  # of one link
    add_entry(case, url="https://pictures.example/other.jpg")
    Case.objects.update(facets=["link:gone"])
    [row] = login(reviewer).get(URL).context["rows"]
    assert (row.entries, row.links, row.link_state) == (3, 2, "gone")


def test_a_filter_that_is_not_understood_is_said(login, reviewer):
    case = make_case()
    page = login(reviewer).get(URL, {"triage": "loud", "list": "77", "match": "exact"})
    assert rows(page) == [case.pk]
    words = page.content.decode()
    assert "Not understood, and left out: Triage, List." in words
    assert "Not understood" not in login(reviewer).get(URL, {"match": "exact"}).content.decode()
