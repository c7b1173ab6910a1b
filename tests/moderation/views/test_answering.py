"""Answering on the case page: the form, stale and doubled answers, undo, release."""

import re

import pytest
from django.db.models.functions import Now
from django.urls import reverse

from moderation import tasks
from moderation.models import Case, CustodyEvent, Grant, Review
from moderation.review import answers, queue
from moderation.views import cases as views
from tests.moderation.review.making import (
    answer,
    end_grace,
    end_lease,
    make_case,
    settled,
)

from .case_pages import at, text

pytestmark = pytest.mark.django_db

SECRET = "eel-grass at noon"


def test_take_answer_and_stay(login, reviewer, enqueued, fields, settings):
    case = make_case(entries=2)
    client = login(reviewer)
    assert "Take this case" in text(client.get(at("case", case)))
    assert client.post(at("case_claim", case)).url == at("case", case)
    body = text(client.get(at("case", case)))
    assert "removes 2 entries in 1 revision." in body
    assert "Once removed: drafts 1 report to Internet Watch Foundation." in body
    assert "Asks a second person" in body
    assert "The same file or link, found elsewhere later, follows." in body
    answer = client.post(at("case_answer", case), fields(case, reason="on two lists"))
    assert answer.url == at("case", case)
    review = case.reviews.get()
    assert (review.answer, review.reason) == ("REMOVE_KNOWN", "on two lists")
    assert enqueued == []  # inside the test's transaction nothing has been committed


def test_the_settling_task_follows_the_commit(
    login, reviewer, enqueued, fields, settings, django_capture_on_commit_callbacks
):
    case = make_case()
    queue.claim(case, by=reviewer)
    with django_capture_on_commit_callbacks(execute=True):
        login(reviewer).post(at("case_answer", case), fields(case))
    [(args, options)] = enqueued
    assert args == (case.reviews.get().pk,)
    assert options["countdown"] >= settings.ANSWER_GRACE_SECONDS
    end_grace(case.reviews.get())
    tasks.settle_answer.run(*args)
    assert Case.objects.get(pk=case.pk).state == "proposed"


def test_a_broker_that_is_down_loses_no_answer(
    login, reviewer, fields, monkeypatch, django_capture_on_commit_callbacks
):
    def refuse(*args, **options):
        raise ConnectionError("no broker")

    monkeypatch.setattr(views.settle_answer, "apply_async", refuse)
    case = make_case()
    queue.claim(case, by=reviewer)
    with django_capture_on_commit_callbacks(execute=True):
        assert login(reviewer).post(at("case_answer", case), fields(case)).status_code == 302
    end_grace(case.reviews.get())
    assert answers.settle_due() == 1


def test_confirm_and_next(login, reviewer, enqueued, fields):
    first, second = make_case(priority=9), make_case()
    queue.claim(first, by=reviewer)
    client = login(reviewer)
    answer = client.post(at("case_answer", first), fields(first, then="next"))
    assert answer.url == at("case", second)
    body = text(client.get(answer.url))
    assert f">Case {first.pk}</a> answered" in body
    assert "data-undo" in body


def test_who_has_just_answered_reads_what_is_true_for_them(
    login, reviewer, second_reviewer, enqueued
):
    case, other = make_case(priority=9), make_case()
    answer(case, reviewer, "REMOVE_KNOWN")
    client = login(reviewer)
    body = text(client.get(at("case", case)))
    assert "You have just answered it. That takes effect" in body
    assert f'action="{reverse("moderation:queue_next")}"' in body
    assert client.post(reverse("moderation:queue_next")).url == at("case", other)
    body = text(login(second_reviewer).get(at("case", case)))
    assert "It was just answered. What follows is known" in body
    assert "You have just" not in body


def test_a_double_submit_is_one_answer(login, reviewer, enqueued, fields):
    case = make_case()
    queue.claim(case, by=reviewer)
    client, sent = login(reviewer), fields(case)
    assert client.post(at("case_answer", case), sent).status_code == 302
    assert client.post(at("case_answer", case), sent).status_code == 302
    assert CustodyEvent.objects.filter(action="answer_given").count() == 1
    assert Case.objects.get().edit_no == 1


def test_a_stale_edit_is_409_and_says_what_changed(
    login, reviewer, second_reviewer, enqueued, fields
):
    case = make_case()
    held = queue.claim(case, by=reviewer)
    sent = fields(case, reason="draft that must not be lost")
    end_lease(held)
    answer(case, second_reviewer, "ESCALATE", reason=SECRET)
    page = login(reviewer).post(at("case_answer", case), sent)
    assert page.status_code == 409
    assert "from edit 0 to edit 1" in text(page)
    assert "draft that must not be lost" in text(page)
    assert SECRET not in text(page)
    assert second_reviewer.person.pseudonym not in text(page)
    assert not Review.objects.filter(reviewer=reviewer, answer="REMOVE_KNOWN").exists()


def test_sent_twice_it_is_given_once(login, reviewer, enqueued, fields):
    case = make_case()
    queue.claim(case, by=reviewer)
    sent, client = fields(case), login(reviewer)
    assert [client.post(at("case_answer", case), sent).status_code for _ in range(2)] == [302, 302]
    assert case.reviews.count() == 1
    assert CustodyEvent.objects.filter(action="answer_given").count() == 1


def test_an_expired_lease_is_409_and_can_be_taken_again(login, reviewer, enqueued, fields):
    case = make_case()
    held = queue.claim(case, by=reviewer)
    sent = fields(case, reason="my <b>draft</b>")
    end_lease(held)
    client = login(reviewer)
    page = client.post(at("case_answer", case), sent)
    assert page.status_code == 409
    assert "Take it again" in text(page)
    assert 'value="my &lt;b&gt;draft&lt;/b&gt;"' in text(page)
    again = client.post(
        at("case_claim", case), {"answer": "REMOVE_KNOWN", "reason": "my <b>draft</b>"}
    )
    assert again.status_code == 200
    assert "my &lt;b&gt;draft&lt;/b&gt;</textarea>" in text(again)
    assert re.search(r'value="REMOVE_KNOWN"[^>]* checked', text(again))


def test_another_tabs_token_is_409(login, reviewer, enqueued, fields):
    case = make_case()
    queue.claim(case, by=reviewer)
    page = login(reviewer).post(at("case_answer", case), fields(case, token="x" * 43))
    assert page.status_code == 409
    assert "another tab" in text(page)


@pytest.mark.parametrize("changes", [{"answer": ""}, {"answer": "BAN"}, {"edit_no": "x"}])
def test_a_wrong_form_is_400(login, reviewer, enqueued, fields, changes):
    case = make_case()
    queue.claim(case, by=reviewer)
    page = login(reviewer).post(at("case_answer", case), fields(case, **changes))
    assert page.status_code == 400
    assert Case.objects.get().state == "open"


def test_an_answer_not_offered_is_400(login, reviewer, enqueued, fields):
    case = make_case(trust="trial")
    queue.claim(case, by=reviewer)
    page = login(reviewer).post(at("case_answer", case), fields(case))
    assert page.status_code == 400
    assert "Only a trial list matches." in text(page)


def test_a_missing_reason_is_400_and_says_so_at_its_field(login, reviewer, enqueued, fields):
    case = make_case()
    queue.claim(case, by=reviewer)
    page = login(reviewer).post(
        at("case_answer", case), fields(case, answer="KEEP_LIST_ERROR", reason=" ")
    )
    assert page.status_code == 400
    assert page.context["form"].errors == {
        "reason": ["Write a reason below: it goes against the analysts of the list."]
    }
    assert page.context["reason_need"] == "required"
    assert re.search(r"<textarea[^>]* autofocus", text(page))
    assert Case.objects.get().state == "open"


@pytest.mark.parametrize(
    ("near", "chosen", "need"),
    [
        (False, "", "needed for some answers"),
        (False, "KEEP_LIST_ERROR", "required"),
        (False, "REMOVE_KNOWN", "optional"),
        (True, "KEEP_FALSE_MATCH", "optional"),
        (True, "ESCALATE", "required"),
    ],
)
def test_the_reason_is_called_what_it_is(login, reviewer, near, chosen, need):
    case = make_case(near=near)
    page = login(reviewer).post(at("case_claim", case), {"answer": chosen}, follow=True)
    assert re.search(rf"data-reason-need>{need}<", text(page))


def test_a_lead_cannot_ask_a_lead(login, reviewer, lead, enqueued, fields):
    case = settled(make_case(near=True), reviewer, "ESCALATE")
    queue.claim(case, by=lead)
    client = login(lead)
    page = client.get(at("case", case))
    offered = {offer["code"]: offer["locked"] for offer in page.context["offers"]}
    assert list(offered) == list(Review.Answer)
    assert offered["ESCALATE"] == "A lead decides."
    refused = client.post(at("case_answer", case), fields(case, answer="ESCALATE", reason="hm"))
    assert refused.status_code == 400
    assert "A lead decides." in text(refused)


def test_undo_brings_the_draft_back(login, reviewer, enqueued, fields):
    case = make_case()
    queue.claim(case, by=reviewer)
    client = login(reviewer)
    client.post(at("case_answer", case), fields(case, reason="as I saw it"))
    review = case.reviews.get()
    assert client.post(at("case_undo", case), {"review": review.pk}).url == at("case", case)
    body = text(client.get(at("case", case)))
    assert "as I saw it</textarea>" in body
    assert re.search(r'value="REMOVE_KNOWN"[^>]* checked', body)


def test_undo_too_late_says_so(login, reviewer):
    case = make_case()
    review = answer(case, reviewer, "ESCALATE")
    end_grace(review)
    page = login(reviewer).post(at("case_undo", case), {"review": review.pk}, follow=True)
    assert "Too late" in text(page)
    assert Case.objects.get().state == "answered"


def test_undo_is_ones_own(login, reviewer, second_reviewer):
    case = make_case()
    review = answer(case, reviewer, "ESCALATE")
    client = login(second_reviewer)
    assert client.post(at("case_undo", case), {"review": review.pk}).status_code == 404
    assert client.post(at("case_undo", case), {"review": "x"}).status_code == 404
    assert Case.objects.get().state == "answered"


def test_undo_ends_with_the_grant_and_says_so(login, reviewer, second_reviewer):
    case = make_case()
    review = answer(case, reviewer, "ESCALATE")
    client = login(reviewer)
    assert "data-undo" in text(client.get("/my-cases/"))
    Grant.objects.filter(person=reviewer).update(withdrawn_at=Now())
    for address in ("/queue/", "/my-cases/"):
        assert "data-undo" not in text(client.get(address))
    page = client.post(at("case_undo", case), {"review": review.pk}, follow=True)
    assert page.redirect_chain == [("/queue/", 302)]
    assert f"Not undone: case {case.pk} is no longer open to you. Nothing was changed." in text(
        page
    )
    assert Case.objects.get().state == "answered"
    assert CustodyEvent.objects.get(action="attempt_refused").after == {"tried": "case_undo"}
    Grant.objects.filter(person=second_reviewer).update(withdrawn_at=Now())
    another = login(second_reviewer).post(at("case_undo", case), {"review": review.pk})
    assert another.status_code == 404


def test_release_and_renew(login, reviewer):
    case = make_case()
    token = queue.claim(case, by=reviewer).lease_token
    client, asks = login(reviewer), {"Accept": "application/json"}
    renewed = client.post(at("case_renew", case), {"token": token}, headers=asks)
    assert renewed.json()["seconds_left"] > 500
    assert client.post(at("case_renew", case), {"token": token}).url == at("case", case)
    lost = client.post(at("case_renew", case), {"token": "other"}, headers=asks)
    assert (lost.status_code, lost.json()) == (409, {"seconds_left": 0})
    assert client.post(at("case_release", case), {"token": token}).url == "/queue/"
    assert not Case.objects.leased_to(reviewer).exists()


@pytest.mark.parametrize(
    ("answer_", "changes", "field", "says"),
    [
        ("REMOVE_KNOWN", {"harm_class": "other"}, "harm_class", "answer 1 removes under that"),
        ("REMOVE_OTHER", {"harm_class": "csam"}, "harm_class", "Say which other kind of harm"),
        ("REMOVE_SUSPECT", {"harm_class": "other"}, "harm_class", "choose answer 3"),
        ("KEEP_FALSE_MATCH", {}, "answer", "Choose 5"),
        ("CANNOT_TELL", {"reason": "x"}, "answer", "even where nobody can see it"),
        ("DUPLICATE_OF", {}, "duplicate_of", "Name the other case"),
        ("DUPLICATE_OF", {"duplicate_of": "404404"}, "duplicate_of", "no case 404404"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_at_its_field(
    login, reviewer, enqueued, fields, answer_, changes, field, says
):
    case = make_case()
    queue.claim(case, by=reviewer)
    page = login(reviewer).post(at("case_answer", case), fields(case, answer=answer_) | changes)
    assert page.status_code == 400
    assert list(page.context["form"].errors) == [field]
    assert says in page.context["form"].errors[field][0]
    assert Case.objects.get().state == "open"
