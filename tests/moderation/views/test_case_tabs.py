"""The sections below a case: notes, reports, policy; why an entry matched; its neighbours."""

import pytest

from moderation.models import Case, KnownHash, Note
from moderation.review import noting, queue
from moderation.review.policy import blocks
from moderation.views import case_why
from tests.moderation.review.making import add_entry, make_case, settled, withdraw

pytestmark = pytest.mark.django_db


def said(client, case, query=""):
    return " ".join(client.get(f"/cases/{case.pk}/{query}").content.decode().split())


def test_a_note_is_written_and_read(login, reviewer):
    case = queue.claim(make_case(), by=reviewer)
    client, address = login(reviewer), f"/cases/{case.pk}/notes/"
    assert client.post(address, {"note_text": "seen before"}).url == f"/cases/{case.pk}/#notes"
    assert "seen before" in said(client, case)
    for wrong in ("", "see https://a.example/", "x" * 2001):
        assert client.post(address, {"note_text": wrong}).status_code == 400
    queue.release(case, by=reviewer, token=Case.objects.get(pk=case.pk).lease_token)
    late = client.post(address, {"note_text": "seen before, in a harbour"})
    assert late.status_code == 409
    for words in ("Take the case first", "seen before, in a harbour"):
        assert words in late.content.decode()
    assert client.get(address).status_code == 405
    assert Note.objects.count() == 1


def test_who_does_not_hold_the_case_is_told_so(login, reviewer, second_reviewer):
    case = queue.claim(make_case(), by=reviewer)
    client = login(second_reviewer)
    answer = client.post(f"/cases/{case.pk}/notes/", {"note_text": "mine"})
    assert "Take the case first" in answer.content.decode()
    assert not Note.objects.exists()


def test_the_first_persons_notes_are_nowhere_in_the_page_of_the_second(
    login, reviewer, second_reviewer
):
    case = queue.claim(make_case(), by=reviewer)
    noting.note(case, by=reviewer, text="an old quay")
    queue.release(case, by=reviewer, token=case.lease_token)
    case = settled(case, reviewer, "REMOVE_KNOWN")
    queue.claim(case, by=second_reviewer)
    assert "an old quay" not in said(login(second_reviewer), case)


def test_reports_are_shown_once_the_case_is_decided(login, reviewer, second_reviewer):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    assert "Report 1" not in said(login(second_reviewer), case)
    case = settled(case, second_reviewer, "REMOVE_KNOWN")
    report = case.reports.get()
    page = said(login(reviewer), case)
    assert f"Report {report.pk}</strong>" in page
    assert "to IWF" in page
    assert "Draft" in page


def test_the_policy_is_that_of_the_installation(login, reviewer, settings, tmp_path):
    case = make_case()
    assert "Every removal and every keep takes two different people." in said(login(reviewer), case)
    settings.POLICY_FILE = str(tmp_path / "policy.txt")
    (tmp_path / "policy.txt").write_text("# Ours\n\n- <b>one</b>\n- two\n\nGo\non.", "utf-8")
    page = said(login(reviewer), case)
    assert "<h3>Ours</h3>" in page
    assert "<li>&lt;b&gt;one&lt;/b&gt;</li>" in page
    assert "<p>Go on.</p>" in page


def test_a_text_is_cut_into_blocks():
    told = [(block.kind, block.lines) for block in blocks("# A\nb\n\n- c\n- d\n\n\n\ne")]
    assert told == [
        ("heading", ("A",)), ("words", ("b",)), ("items", ("c", "d")), ("words", ("e",)),
    ]  # fmt: skip


def test_why_a_near_match_is_one(login, reviewer):
    case = make_case(near=True)
    page = said(login(reviewer), case)
    for words in (
        "The list harbour-trusted, version 2026-01, holds a pdq hash that its owner puts in "
        "category A1.",
        "differs from it in 12 bits; up to 31 the list counts as near.",
        "came with the dataset: nobody here saw the picture.",
        "with our algorithms in version 1.",
    ):
        assert words in page.replace("&#x27;", "'")


def test_lists_agree_and_dispute(login, reviewer):
    case = make_case(near=True)
    entry = case.flags.get().entry
    other = add_entry(make_case(), slug="tide")
    other.flag.matches.update(flag=entry.flag)
    told = case_why.others(entry)
    assert told == {"agree": ["harbour-trusted (near, 12 bits)", "tide (exact)"], "dispute": []}
    withdraw(case)
    told = case_why.others(entry)
    page = login(reviewer).get(f"/cases/{entry.flag.case_id}/").content.decode()
    assert "data-disputed>In doubt: harbour-trusted withdrew it" in page
    assert len(told["dispute"]) == KnownHash.objects.filter(removed_in__isnull=False).count() == 2
    assert told["agree"] == []


def test_neighbours_in_the_group(login, reviewer):
    case = make_case(entries=3)
    first, second, third = (flag.entry for flag in case.flags.order_by("pk"))
    place = case_why.siblings(case, second)
    assert (place.before, place.behind) == (first.pk, third.pk)
    place = case_why.siblings(case, first)
    assert (place.before, place.behind) == (None, second.pk)
    page = said(login(reviewer), case, f"?entry={second.pk}")
    assert f'href="/cases/{case.pk}/?entry={third.pk}" data-hotkey="]"' in page
