"""The case page: who may open it, what it shows and to whom."""

import re

import pytest
from django.test import Client

from moderation import tasks
from moderation.models import Case, CustodyEvent, Entry, Flag, Match
from moderation.review import decisions, queue
from tests.moderation.review.making import (
    add_entry,
    end_lease,
    make_case,
    make_revision,
    settled,
    withdraw,
)

from .case_pages import at, text

pytestmark = pytest.mark.django_db

POSTS = ["claim", "answer", "undo", "release", "renew", "reveal", "url", "caption"]
SECRET = "eel-grass at noon"


@pytest.mark.parametrize("who", ["outsider", "auditor", "operator", "list_manager", "reporter"])
def test_without_the_capability_403(request, login, who):
    case = make_case()
    client = login(request.getfixturevalue(who))
    assert client.get(at("case", case)).status_code == 403
    for name in POSTS:
        assert client.post(at(f"case_{name}", case)).status_code == 403
    assert not case.reviews.exists()


def test_login_is_required(client):
    case = make_case()
    assert client.get(at("case", case)).url.startswith("/login/")
    for name in POSTS:
        assert client.post(at(f"case_{name}", case)).url.startswith("/login/")


@pytest.mark.parametrize("name", POSTS)
def test_steps_refuse_get_and_a_missing_token(login, reviewer, name):
    case = make_case()
    assert login(reviewer).get(at(f"case_{name}", case)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(reviewer)
    assert strict.post(at(f"case_{name}", case)).status_code == 403


def test_no_such_case(login, reviewer):
    assert login(reviewer).get("/cases/404/").status_code == 404


def test_the_page_shows_evidence_and_no_url_caption_or_whole_hash(login, reviewer):
    case = make_case(near=True)
    entry = Entry.objects.get()
    page = login(reviewer).get(at("case", case))
    body = text(page)
    for words in (
        "harbour-trusted",
        "2026-01",
        "A1</bdi> (iwf)",
        "12 bits apart",
        "pictures.example",
    ):
        assert words in body
    assert bytes(entry.md5)[:4].hex() in body
    assert bytes(entry.md5).hex() not in body
    assert "/a/b.jpg" not in body
    assert "a boat at rest" not in body
    assert "<img" not in body
    assert "no-store" in page["Cache-Control"]


def test_evidence_says_where_a_distance_is_not_exact(login, reviewer):
    case = make_case(near=True)
    said = "apart, give or take a few, as its hash comes from a quick decode; up to 31 counts"
    assert said not in text(login(reviewer).get(at("case", case)))
    Match.objects.update(approximate=True)
    assert said in text(login(reviewer).get(at("case", case)))


def test_no_inline_script_or_style(login, lead):
    case = make_case(near=True)
    queue.claim(case, by=lead)
    body = text(login(lead).get(at("case", case)))
    assert not re.search(r"<script(?![^>]*\bsrc=)", body)
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=", body)


def test_seeing_the_page_without_the_lease_goes_on_record(login, reviewer, second_reviewer):
    case = make_case()
    client = login(reviewer)
    seen = CustodyEvent.objects.filter(action="case_viewed", object_id=str(case.pk))
    for number, see in enumerate(
        (
            lambda: client.get(at("case", case)),
            lambda: client.get(at("case", case) + "?page=1"),
            lambda: client.post(at("case_answer", case), {"answer": "nonsense"}),
            lambda: end_lease(queue.claim(case, by=reviewer)) or client.get(at("case", case)),
        ),
        1,
    ):
        assert "pictures.example" in text(see())
        assert seen.count() == number
    queue.claim(case, by=reviewer)
    client.get(at("case", case))
    assert seen.count() == 4


def test_history_speaks_in_words(login, reviewer, second_reviewer):
    case = settled(settled(make_case(), reviewer, "KEEP"), second_reviewer, "ESCALATE")
    body = text(login(reviewer).get(at("case", case)))
    assert "Keep: the known hash is wrong" in body
    assert "as the first person" in body
    case = settled(settled(make_case(), reviewer, "REMOVE_KNOWN"), second_reviewer, "REMOVE_KNOWN")
    decisions.reopen(case, because="new_match")
    page = text(login(reviewer).get(at("case", case)))
    for code in ("REMOVE_KNOWN<", "KEEP_LIST_ERROR,", "new_match", "reviews [", "decision 1"):
        assert code not in body + page


def test_looks_in_a_row_by_one_person_are_one_line(login, reviewer, second_reviewer):
    case = settled(settled(make_case(), reviewer, "REMOVE_KNOWN"), second_reviewer, "REMOVE_KNOWN")
    for user, looks in ((reviewer, 1), (second_reviewer, 3), (reviewer, 2)):
        client = login(user)
        for _ in range(looks):
            page = client.get(at("case", case))
    told = [step for step in page.context["history"] if step["event"].action == "case_viewed"]
    assert [step["event"].actor for step in told] == [
        user.person.pseudonym for user in (reviewer, second_reviewer, reviewer)
    ]
    assert [step["detail"] for step in told] == ["2 times in a row", "3 times in a row", ""]


def test_a_withdrawal_is_told_on_the_case_and_where_it_opens_it_again(
    login, reviewer, second_reviewer
):
    case = settled(settled(make_case(), reviewer, "REMOVE_KNOWN"), second_reviewer, "REMOVE_KNOWN")
    version = withdraw(case)
    tasks.reopen_withdrawn(version)
    body = " ".join(text(login(reviewer).get(at("case", case))).split())
    assert "Known hash withdrawn</strong> by harbour-trusted, version 2026-02." in body
    assert "No other match ties this case to a list any more." in body
    assert (
        "Version 2026-02 of the list harbour-trusted withdrew a known hash that the case rests on."
        in body
    )
    assert "Before that, its removal was confirmed on" in body
    assert "known_hash_withdrawn" not in body


def test_a_value_given_another_category_is_not_withdrawn(login, reviewer):
    case = make_case()
    withdraw(case, again=True)
    body = text(login(reviewer).get(at("case", case)))
    assert "data-withdrawn" not in body
    assert "given another category by the list since" in body


def test_a_new_match_that_opens_a_kept_case_is_named(login, reviewer, second_reviewer):
    case = make_case()
    case = settled(settled(case, reviewer, "KEEP"), second_reviewer, "KEEP")
    add_entry(case, algorithm="pdq", distance=1, slug="tide")
    known = Match.objects.latest("pk").known_hash_id
    case.reviews.update(superseded=True)
    case.move("reopen", closed_at=None, reopened_because="new_match")
    CustodyEvent.objects.append(
        "case_reopened", case, by=None, after={"known_hashes": [known]}, reason="new_match"
    )
    body = " ".join(text(login(reviewer).get(at("case", case))).split())
    assert "nobody had judged: tide, version 2026-01 (near, 1 bit apart)." in body
    assert "Before that, it was kept on" in body


def test_a_merged_case_leads_to_the_other_and_back(login, reviewer, second_reviewer, lead):
    case, other = make_case(near=True), make_case(near=True)
    for user in (reviewer, second_reviewer):
        case = settled(case, user, "DUPLICATE_OF", duplicate_of=other.pk, reason=SECRET)
    body = text(login(reviewer).get(at("case", case)))
    assert f'part of <a href="{at("case", other)}">' in body
    assert SECRET not in body  # the other is in work and shows the same picture
    assert login(reviewer).post(at("case_reopen", case)).status_code == 403
    client = login(lead)
    assert client.post(at("case_reopen", case), {"reopen_reason": ""}).status_code == 400
    client.post(at("case_reopen", case), {"reopen_reason": "another boat"})
    case.refresh_from_db()
    assert (case.state, case.merged_into) == ("open", None)
    assert "A lead: another boat" in text(client.get(at("case", case)))


def test_a_lead_reopens_a_closed_case(login, reviewer, second_reviewer, lead):
    case = settled(settled(make_case(), reviewer, "REMOVE_KNOWN"), second_reviewer, "REMOVE_KNOWN")
    client = login(lead)
    for told in ("open again", "changed meanwhile"):
        page = client.post(at("case_reopen", case), {"reopen_reason": "another class"}, follow=True)
        assert told in text(page)
    assert CustodyEvent.objects.filter(action="case_reopened").count() == 1


def test_the_url_needs_its_capability_and_goes_on_record(login, reviewer, lead):
    case = make_case()
    entry = Entry.objects.get()
    refused = login(reviewer).post(at("case_url", case), {"entry": entry.pk})
    assert refused.status_code == 403
    assert "Show the full URL" not in text(login(reviewer).get(at("case", case)))
    page = login(lead).post(at("case_url", case), {"entry": entry.pk})
    assert "https://pictures.example/a/b.jpg?x=1" in text(page)
    assert 'href="https://pictures' not in text(page)
    part = login(lead).post(
        at("case_url", case), {"entry": entry.pk}, headers={"HX-Request": "true"}
    )
    assert "<html" not in text(part)
    events = CustodyEvent.objects.filter(action="url_unmasked", object_id=str(case.pk))
    assert events.count() == 2
    assert events.last().after == {"entry": entry.pk}


def test_only_entries_of_the_case_are_unsealed(login, lead):
    case, other = make_case(), make_case()
    entry = Entry.objects.get(flag__case=other)
    client = login(lead)
    for name in ("case_url", "case_caption", "case_reveal"):
        sent = {"entry": entry.pk, "level": 1}
        assert client.post(at(name, case), sent).status_code == 404
        assert client.post(at(name, case), {"entry": "x"}).status_code == 404
    assert not CustodyEvent.objects.filter(action__in=["url_unmasked", "caption_shown"]).exists()


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ request.user }}{% debug %}",
        "مرحبا \u202e gnp.exe",
        "\ud800 lone",
        "x" * 100_000,
        "",
    ],
)
def test_hostile_captions_are_inert(login, reviewer, hostile):
    case = Case.objects.create()
    entry = (
        add_entry(case, caption=hostile, url="http://[not an address/", row_key=hostile[:50])
        if "\ud800" not in hostile
        else add_entry(case, caption=hostile, url="//")
    )
    client = login(reviewer)
    assert client.get(at("case", case)).status_code == 200
    page = client.post(at("case_caption", case), {"entry": entry.pk})
    assert page.status_code == 200
    body = text(page)
    assert "<script>alert" not in body
    assert "<img" not in body
    assert '<bdi dir="auto">' in body
    assert len(body) < 60_000


def test_a_large_group_costs_no_more_queries(login, reviewer, django_assert_max_num_queries):
    small, large = make_case(), make_case(entries=2)
    revision = make_revision("r2")
    shard = add_entry(large, revision=revision).shard
    entries = Entry.objects.bulk_create(
        Entry(revision=revision, shard=shard, row=row, sealed=b"", outcome="hashed", reason="x")
        for row in range(10, 310)
    )
    Flag.objects.bulk_create(Flag(entry=entry, case=large) for entry in entries)
    counts = []
    for case in (small, large):
        queue.claim(case, by=reviewer)
        client = login(reviewer)
        with django_assert_max_num_queries(72) as seen:
            assert client.get(at("case", case)).status_code == 200
        counts.append(len(seen.captured_queries))
    assert counts[0] == counts[1]
    page = client.get(at("case", large) + "?page=3")
    assert page.context["group"].paginator.count == 303
    assert len(page.context["group"].object_list) == 25


def test_an_entry_of_the_group_can_be_looked_at(login, reviewer):
    case = make_case(entries=3)
    last = Entry.objects.latest("pk")
    client = login(reviewer)
    assert client.get(at("case", case) + f"?entry={last.pk}").context["entry"] == last
    for wrong in ("x", "0", "9" * 30, "-1"):
        assert client.get(at("case", case) + f"?entry={wrong}").status_code == 200


def test_a_case_without_entries_still_opens(login, reviewer):
    case = Case.objects.create()
    assert "No entry is left" in text(login(reviewer).get(at("case", case)))
