"""Hold, hand over, skip, not for me and take over on the case page, and the page My cases."""

import pytest
from django.test import Client
from django.urls import reverse

from moderation.models import Case, CustodyEvent
from moderation.review import handing, queue
from moderation.review.passing import SkipReason
from tests.moderation.review.making import answer, end_lease, make_case, settled

pytestmark = pytest.mark.django_db
POSTS = ["hold", "hand_over", "skip", "not_for_me", "take_over", "assign"]
SENT = {
    "hold": {"hours": "4", "why": "Asked the liaison"},
    "hand_over": {"receiver": "", "note": "You know this harbour"},
    "skip": {"skip_reason": SkipReason.LANGUAGE.value},
    "not_for_me": {},
}
WRITTEN = {"answer": "REMOVE_KNOWN", "harm_class": "csam", "reason": "same boat"}


def at(name, case):
    return reverse(f"moderation:case_{name}", args=[case.pk])


def page_of(case):
    return reverse("moderation:case", args=[case.pk])


def text(response):
    return " ".join(response.content.decode().split())


@pytest.mark.parametrize("who", ["outsider", "auditor", "operator", "list_manager", "reporter"])
def test_without_the_capability_403(request, login, who):
    case = make_case()
    client = login(request.getfixturevalue(who))
    for name in POSTS:
        assert client.post(at(name, case)).status_code == 403
    assert client.get("/my-cases/").status_code == 403


@pytest.mark.parametrize("name", POSTS)
def test_steps_refuse_get_and_a_missing_csrf_token(login, lead, name):
    case = make_case()
    assert login(lead).get(at(name, case)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(lead)
    assert strict.post(at(name, case)).status_code == 403


@pytest.mark.parametrize(
    ("name", "ended", "kind"),
    [
        ("hold", "", "hold"),
        ("hand_over", "handed", ""),
        ("skip", "skipped", ""),
        ("not_for_me", "not_for_me", ""),
    ],
)
def test_each_step_once_and_too_late_the_second_time(login, reviewer, name, ended, kind):
    case = make_case()
    token = queue.claim(case, by=reviewer).lease_token
    client = login(reviewer)
    stale = client.post(at(name, case), SENT[name] | {"token": "another tab's"})
    assert stale.status_code == 409
    assert "open in another tab" in text(stale)
    done = client.post(at(name, case), SENT[name] | WRITTEN | {"token": token})
    assert done.url == ("/my-cases/" if name == "hold" else "/queue/")
    assert (case.reviews.get().ended, Case.objects.get().lease_kind) == (ended, kind)
    events = CustodyEvent.objects.count()
    again = client.post(at(name, case), SENT[name] | WRITTEN | {"token": token})
    assert again.status_code == 409
    assert "same boat" in text(again)  # nothing that was written is lost
    assert CustodyEvent.objects.exclude(action="case_viewed").count() == events


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("hold", {"why": ""}),
        ("hold", {"why": "see https://pictures.example/"}),
        ("hold", {"hours": "900"}),
        ("hand_over", {"note": ""}),
        ("hand_over", {"receiver": "999999"}),
        ("skip", {"skip_reason": "bored"}),
    ],
)
def test_what_is_wrong_is_said_and_what_was_written_stays(login, reviewer, name, wrong):
    case = make_case()
    token = queue.claim(case, by=reviewer).lease_token
    page = login(reviewer).post(at(name, case), SENT[name] | WRITTEN | wrong | {"token": token})
    assert page.status_code == 400
    assert "field-error" in text(page)
    assert "same boat" in text(page)
    aside = name.replace("_", "-")
    assert f'data-aside="{aside}" open>' in text(page)
    assert Case.objects.worked_on_by(reviewer).exists()


def test_the_limit_of_holds_is_said(login, reviewer, settings):
    settings.HOLDS_EACH = 1
    client = login(reviewer)
    for case in (make_case(), make_case()):
        token = queue.claim(case, by=reviewer).lease_token
        page = client.post(at("hold", case), SENT["hold"] | {"token": token})
    assert page.status_code == 400
    assert "as many cases on hold as one person may" in text(page)


def test_on_hold_the_page_goes_on_with_it_and_others_read_it(login, reviewer, second_reviewer):
    case = make_case()
    token = queue.claim(case, by=reviewer).lease_token
    client = login(reviewer)
    client.post(at("hold", case), SENT["hold"] | WRITTEN | {"token": token})
    body = text(client.get(page_of(case)))
    assert 'On hold because: <bdi dir="auto">Asked the liaison' in body
    assert "Go on with it" in body
    theirs = login(second_reviewer).get(page_of(case))
    assert theirs.status_code == 200
    assert "Asked the liaison" not in text(theirs)
    assert reviewer.person.pseudonym not in text(theirs)
    back = client.post(at("claim", case), follow=True)
    assert "same boat" in text(back)
    assert back.context["held"]


def test_handed_over_to_a_named_person(login, reviewer, second_reviewer):
    case = make_case()
    token = queue.claim(case, by=reviewer).lease_token
    client = login(reviewer)
    assert second_reviewer.person.pseudonym in text(client.get(page_of(case)))
    sent = SENT["hand_over"] | WRITTEN | {"receiver": second_reviewer.pk, "token": token}
    client.post(at("hand_over", case), sent)
    theirs = login(second_reviewer)
    mine = text(theirs.get("/my-cases/"))
    assert "Handed to you" in mine
    assert "You know this harbour" in mine
    assert "1 on hold or handed to you" in text(theirs.get("/queue/"))
    taken = theirs.post(reverse("moderation:queue_next"), follow=True)
    assert taken.context["case"] == case
    assert 'Handed over with a note: <bdi dir="auto">You know this harbour' in text(taken)
    assert "same boat" not in text(taken)


def test_a_second_person_is_offered_no_names(login, reviewer, second_reviewer, lead):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    token = queue.claim(case, by=second_reviewer).lease_token
    client = login(second_reviewer)
    body = text(client.get(page_of(case)))
    assert 'name="receiver"' not in body
    for person in (reviewer, lead):
        assert person.person.pseudonym not in body
        sent = SENT["hand_over"] | {"receiver": person.pk, "token": token}
        assert client.post(at("hand_over", case), sent).status_code == 400
    told = client.post(at("hand_over", case), SENT["hand_over"] | {"token": token}, follow=True)
    assert "back in the queue, with your note" in text(told)
    assert Case.objects.get().leased_by is None


def test_a_lead_takes_over_from_the_page(login, reviewer, second_reviewer, lead):
    case = make_case()
    queue.claim(case, by=reviewer)
    assert "Take it over" not in text(login(second_reviewer).get(page_of(case)))
    assert login(second_reviewer).post(at("take_over", case)).status_code == 403
    client = login(lead)
    body = text(client.get(page_of(case)))
    assert "Take it over" in body
    assert reviewer.person.pseudonym not in body
    assert case.pk in [kept.case.pk for kept in client.get("/my-cases/").context["others"]]
    assert client.post(at("take_over", case), follow=True).context["held"]
    assert Case.objects.get().leased_by == lead


def test_what_a_lead_answered_they_cannot_take_over(login, reviewer, lead):
    case = settled(make_case(), lead, "REMOVE_KNOWN")
    queue.claim(case, by=reviewer)
    client = login(lead)
    assert "Take it over" not in text(client.get(page_of(case)))
    assert "already answered" in text(client.post(at("take_over", case), follow=True))


def test_the_script_sends_what_is_written_with_the_renewal(login, reviewer):
    case = make_case()
    token = queue.claim(case, by=reviewer).lease_token
    client, asks = login(reviewer), {"Accept": "application/json"}
    client.post(at("renew", case), WRITTEN | {"token": token}, headers=asks)
    client.post(at("renew", case), {"token": token}, headers=asks)
    end_lease(case)
    assert "same boat" in text(client.post(at("claim", case), follow=True))


def test_my_cases_say_when_there_are_none(login, reviewer, lead):
    body = text(login(reviewer).get("/my-cases/"))
    assert "You hold no case" in body
    assert "Held by others" not in body
    assert "Nobody else holds a case" in text(login(lead).get("/my-cases/"))


def test_my_cases_offer_undo(login, reviewer):
    review = answer(make_case(), reviewer, "REMOVE_KNOWN")
    page = login(reviewer).get("/my-cases/")
    assert list(page.context["answered"]) == [review]
    assert at("undo", review.case) in text(page)


def test_others_cases_are_listed_for_leads_alone(login, reviewer, second_reviewer, lead):
    case = make_case()
    held = queue.claim(case, by=reviewer)
    handing.hand_over(
        held, by=reviewer, token=held.lease_token, to=second_reviewer, note="n", draft={}
    )
    body = text(login(lead).get("/my-cases/"))
    assert f"Case {case.pk}" in body
    assert "handed over, not taken yet" in body
    assert second_reviewer.person.pseudonym not in body  # whose second person the lead may be
    assert "Held by others" not in text(login(reviewer).get("/my-cases/"))
    Case.objects.update(state="escalated")
    assert second_reviewer.person.pseudonym in text(login(lead).get("/my-cases/"))


def test_a_lead_assigns_from_the_page(login, reviewer, second_reviewer, lead):
    case = make_case()
    assert "Assign to" not in text(login(reviewer).get(page_of(case)))
    assert login(reviewer).post(at("assign", case)).status_code == 403
    client = login(lead)
    body = text(client.get(page_of(case)))
    assert "Assign to" in body
    for person in (reviewer, second_reviewer):
        assert f">{person.person.pseudonym}</option>" in body
    sent = {"receiver": reviewer.pk, "note": "You know this harbour"}
    done = client.post(at("assign", case), sent, follow=True)
    assert f"waits for {reviewer.person.pseudonym}, with your note" in text(done)
    assert "Assign to" not in text(done)
    mine = text(login(reviewer).get("/my-cases/"))
    assert "Handed to you" in mine
    assert "You know this harbour" in mine
    again = client.post(at("assign", case), sent | {"receiver": second_reviewer.pk}, follow=True)
    assert "Somebody holds this case by now" in text(again)


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"note": ""}, "This field is required"),
        ({"receiver": ""}, "This field is required"),
        ({"note": "see https://p.invalid/1"}, "link"),
        ({"receiver": "404404"}, "may not work on this case now"),
    ],
)
def test_what_is_wrong_with_an_assignment_is_said_at_its_field(login, reviewer, lead, sent, says):
    case = make_case()
    sent = {"receiver": reviewer.pk, "note": "n"} | sent
    page = login(lead).post(at("assign", case), sent)
    assert page.status_code == 400
    assert says in text(page)
    assert Case.objects.get().leased_by is None


def test_where_a_second_person_is_asked_no_name_is_offered(login, reviewer, second_reviewer, lead):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    client = login(lead)
    body = text(client.get(page_of(case)))
    assert "Assign to" not in body
    assert reviewer.person.pseudonym not in body
    for person in (reviewer, second_reviewer):  # told apart by nothing
        page = client.post(at("assign", case), {"receiver": person.pk, "note": "n"})
        assert page.status_code == 400
        assert person.person.pseudonym not in text(page)


def test_who_no_longer_holds_a_case_does_not_release_it(login, reviewer, second_reviewer):
    case = queue.claim(make_case(), by=reviewer)
    client = login(second_reviewer)
    answer = client.post(f"/cases/{case.pk}/release/", {"token": "forged"}, follow=True)
    assert f"You no longer hold case {case.pk}. Nothing was changed." in answer.content.decode()
    assert Case.objects.get().leased_by == reviewer
