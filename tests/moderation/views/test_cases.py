"""The case page: who may open it, what it shows and to whom, and what its buttons do."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from moderation import tasks
from moderation.models import Case, CustodyEvent, Decision, Entry, Flag, Match, Review
from moderation.review import answers, decisions, queue
from moderation.views import cases as views
from tests.moderation.review.making import (
    add_entry,
    answer,
    end_grace,
    end_lease,
    make_case,
    make_revision,
    settled,
    withdraw,
)

pytestmark = pytest.mark.django_db

POSTS = ["claim", "answer", "undo", "release", "renew", "reveal", "url", "caption"]
SECRET = "eel-grass at noon"


def at(name, case):
    return reverse(f"moderation:{name}", args=[case.pk])


def text(response):
    return response.content.decode()


@pytest.fixture
def enqueued(monkeypatch):
    """What the view hands to the broker; the broker itself has its own tests."""
    calls = []
    monkeypatch.setattr(
        views.settle_answer, "apply_async", lambda args, **options: calls.append((args, options))
    )
    return calls


@pytest.fixture
def fields():
    """The fields a held page would send."""

    def of(case, **changes):
        held = Case.objects.get(pk=case.pk)
        return {
            "token": held.lease_token,
            "edit_no": held.edit_no,
            "idempotency_key": "page-1",
            "answer": "REMOVE_KNOWN",
            "harm_class": "csam",
            "reason": "",
            "then": "stay",
        } | changes

    return of


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


def test_the_second_reviewer_is_blind(login, reviewer, second_reviewer):
    case = make_case()
    settled(case, reviewer, "REMOVE_OTHER", reason=SECRET, harm_class="abuse_related")
    client = login(second_reviewer)
    for path in (at("case", case), at("case", case) + "?page=1"):
        before = text(client.get(path))
        assert_blind(before, case, reviewer)
    assert client.post(reverse("moderation:queue_next")).url == at("case", case)
    page = client.get(at("case", case))
    assert_blind(text(page), case, reviewer)
    assert page.context["form"].initial["harm_class"] == "csam"
    assert "If the two of you agree" in text(page)
    assert "level-now" in text(page)
    assert "all 0" not in text(page)


def assert_blind(body, case, first):
    for hidden in (
        SECRET,
        first.username,
        first.person.pseudonym,
        "answer_given",
        "Removed",
        "uarantine",
        "checked",
        "selected>Abuse related",
    ):
        assert hidden not in body, hidden


@pytest.mark.parametrize("near", [True, False])
def test_the_second_page_does_not_depend_on_the_first_answer(
    login, reviewer, second_reviewer, near
):
    keep, remove = make_case(near=near), make_case(near=near)
    settled(keep, reviewer, "KEEP")
    settled(remove, reviewer, "REMOVE_KNOWN")
    pages = []
    for case in (keep, remove):
        queue.claim(case, by=second_reviewer)
        page = login(second_reviewer).get(at("case", case))
        pages.append([(offer["locked"], offer["consequence"]) for offer in page.context["offers"]])
    assert pages[0] == pages[1]


def test_no_report_is_promised_for_a_case_without_a_link(login, reviewer):
    case = make_case(entries=2)
    client = login(reviewer)
    queue.claim(case, by=reviewer)
    assert "drafts 1 report to Internet Watch Foundation." in text(client.get(at("case", case)))
    Entry.objects.update(url_key=None)
    body = text(client.get(at("case", case)))
    assert "Once removed: no report, as no entry has a link." in body
    assert "drafts 1 report" not in body


def test_a_lead_sees_both_answers_of_a_dispute(login, reviewer, second_reviewer, lead):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN", reason=SECRET)
    case = settled(case, second_reviewer, "KEEP", reason="another ship")
    queue.claim(case, by=lead)
    page = login(lead).get(at("case", case))
    body = text(page)
    for words in (SECRET, "another ship", reviewer.person.pseudonym):
        assert words in body
    consequences = {offer["code"]: offer["consequence"] for offer in page.context["offers"]}
    assert consequences["REMOVE_KNOWN"].startswith("Removes 1 entry in 1 revision")
    assert consequences["KEEP_LIST_ERROR"].startswith("Keeps 1 entry")
    other = text(login(reviewer).get(at("case", case)))
    assert "another ship" not in other
    assert "This case waits for a lead." in other


def test_a_lead_who_may_be_second_is_blind(login, reviewer, lead):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN", reason=SECRET)
    assert SECRET not in text(login(lead).get(at("case", case)))


def test_the_closed_case_tells_all(login, reviewer, second_reviewer):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN", reason=SECRET)
    case = settled(case, second_reviewer, "REMOVE_KNOWN")
    body = text(login(second_reviewer).get(at("case", case)))
    assert SECRET in body
    assert "closed: removal confirmed" in body
    assert body.count("Both say: the match is right.") == 2  # with the decision, in the history
    assert Decision.objects.get().get_verdict_display() in body


def test_agreement_in_the_verdict_alone_is_settled_by_a_lead(
    login, reviewer, second_reviewer, lead
):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    case = settled(case, second_reviewer, "REMOVE_SUSPECT")
    queue.claim(case, by=lead)
    page = login(lead).get(at("case", case))
    assert "The removal stands. You say under which answer and class" in text(page)
    offered = {offer["code"]: offer for offer in page.context["offers"]}
    assert offered["REMOVE_OTHER"]["consequence"].startswith("Settles it: removes 1 entry")
    assert [code for code in offered if not offered[code]["locked"]] == list(Review.REMOVALS)
    case = settled(case, lead, "REMOVE_SUSPECT")
    page = login(reviewer).get(at("case", case))
    assert page.context["agreement"] == (
        "Both removed, and a lead settled under which answer and class. First person: “Remove: "
        "the match is right”; second person: “Remove: reportable in our own judgement”; lead: "
        "“Remove: reportable in our own judgement”."
    )
    assert text(page).count(page.context["agreement"]) == 2


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (
            ("KEEP", "REMOVE_KNOWN", "KEEP"),
            "Two people differed and a lead decided. "
            "First person: “Keep: the known hash is wrong”; "
            "second person: “Remove: the match is right”; lead: “Keep: the known hash is wrong”.",
        ),
        (
            ("KEEP", "REMOVE_KNOWN", "REMOVE_SUSPECT"),
            "Two people differed and a lead decided. "
            "First person: “Keep: the known hash is wrong”; "
            "second person: “Remove: the match is right”; "
            "lead: “Remove: reportable in our own judgement”.",
        ),
        (
            ("REMOVE_KNOWN", "ESCALATE", "REMOVE_KNOWN"),
            "A lead was asked. First person: “Remove: the match is right”; "
            "second person: “Escalate to a lead”; lead: “Remove: the match is right”.",
        ),
    ],
)
def test_a_verdict_that_a_lead_reached_names_every_answer(
    login, reviewer, second_reviewer, lead, answers, told
):
    case = make_case()
    for user, code in zip((reviewer, second_reviewer, lead), answers, strict=True):
        case = settled(case, user, code)
    assert case.state == "closed"
    page = login(reviewer).get(at("case", case))
    assert page.context["agreement"] == told
    assert text(page).count(told) == 2  # with the decision, in the history
    assert "Both say" not in text(page)
    decisions.reopen(case, because="new_match")
    settled(case, lead, "REMOVE_KNOWN")
    last = settled(case, reviewer, "REMOVE_KNOWN")
    page = login(reviewer).get(at("case", last))
    assert page.context["agreement"] == "Both say: the match is right."
    assert text(page).count(told) == 1  # the round before, in the history


def test_after_an_escalation_a_lead_alone_asks_a_second_person(
    login, reviewer, second_reviewer, lead
):
    case = settled(settled(make_case(), reviewer, "ESCALATE"), lead, "KEEP")
    case = settled(case, second_reviewer, "KEEP")
    assert login(reviewer).get(at("case", case)).context["agreement"] == (
        "A lead was asked. First person: “Escalate to a lead”; "
        "lead: “Keep: the known hash is wrong”; second person: “Keep: the known hash is wrong”."
    )


def test_no_harm_class_stands_beside_a_keep(login, reviewer, second_reviewer):
    label = "Child sexual abuse material"
    case = make_case()
    queue.claim(case, by=reviewer)
    assert label in text(login(reviewer).get(at("case", case))).partition("data-answer")[0]
    case = settled(settled(case, reviewer, "KEEP"), second_reviewer, "KEEP")
    assert label not in text(login(reviewer).get(at("case", case)))


def test_a_lead_reads_why_a_case_was_escalated(login, reviewer, second_reviewer, lead):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    case = settled(case, second_reviewer, "ESCALATE", reason=SECRET)
    body = text(login(lead).get(at("case", case)))
    assert body.index("Why it is here") < body.index(SECRET)
    assert "Why it is here" not in text(login(reviewer).get(at("case", case)))


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


def test_the_comparison_opens_once_it_is_decided(login, reviewer, second_reviewer, lead):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN", reason=SECRET)
    case = settled(case, second_reviewer, "KEEP", reason="another ship")
    client = login(second_reviewer)
    assert SECRET not in text(client.get(at("case", case)))  # a lead may have it answered anew
    assert "Decided lately" not in text(client.get(reverse("moderation:my_cases")))
    settled(case, lead, "REMOVE_KNOWN")
    assert "Decided lately" in text(client.get(reverse("moderation:my_cases")))
    body = text(client.get(at("case", case)))
    assert "Your answer beside the others" in body
    assert body.index(SECRET) < body.index("another ship")
    assert "Every removal takes two people." in body
    assert "no picture" in body


def test_one_person_cannot_be_second(login, reviewer):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    client = login(reviewer)
    page = client.post(at("case_claim", case), follow=True)
    assert "already answered" in text(page)
    assert not Case.objects.leased_to(reviewer).exists()


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
