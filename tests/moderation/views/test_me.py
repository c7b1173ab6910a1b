"""Me: one's own figures and choices, for nobody else; and what a lead sees of it."""

from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from moderation.models import CustodyEvent, Wellness
from moderation.models.case import HarmClass
from moderation.review import queue
from tests.moderation.review.making import make_case
from tests.moderation.review.test_budget import looked

pytestmark = pytest.mark.django_db
FORMS = ("lower_limits", "choose_classes", "set_shift", "ask_reset", "break", "not_now")


def me(client, name="me", data=None, **more):
    address = reverse(f"moderation:{name}")
    return client.get(address) if data is None else client.post(address, data, **more)


def classes(**chosen):
    """The form of the classes as it stands, but for what is chosen."""
    return {f"most_{each}": 3 for each in HarmClass.values} | chosen


def test_the_page_tells_points_by_level(login, reviewer):
    make_case(near=True)
    looked(reviewer, 1, times=3)
    looked(reviewer, 2)
    body = me(login(reviewer)).content.decode()
    assert "3 looks, 0.3 points" in body
    assert "<strong>0.8</strong> of 20" in body
    assert "protect" not in body.lower()


def test_it_is_for_those_who_open_cases_and_forms_are_posted(login, reviewer, auditor, operator):
    for user in (auditor, operator):
        assert me(login(user)).status_code == 403
        assert me(login(user), "my_data").status_code == 403
        assert b"exposure-meter" not in login(user).get("/").content
    for name in FORMS:
        assert me(login(auditor), name, {}).status_code == 403
        if name != "break":
            assert me(login(reviewer), name).status_code == 405


def test_limits_are_lowered_and_a_higher_one_is_refused(login, reviewer):
    client = login(reviewer)
    assert me(client, "lower_limits", {"day": "5", "week": ""}).status_code == 302
    assert Wellness.objects.get().day_limit == 5
    refused = me(client, "lower_limits", {"day": "6"})
    assert refused.status_code == 400
    assert "can only be lowered" in refused.content.decode()
    assert me(client, "lower_limits", {"day": "-1"}).status_code == 400
    assert Wellness.objects.get().day_limit == 5


def test_classes_are_left_out_and_the_queue_says_so(login, reviewer):
    make_case(harm_class="other")
    client = login(reviewer)
    me(client, "choose_classes", classes(out_other="on", most_csam=1, drawing_csam="on"))
    own = Wellness.objects.get()
    assert (own.opted_out, own.highest, own.drawings) == (["other"], {"csam": 1}, ["csam"])
    body = client.get(reverse("moderation:queue")).content.decode()
    assert "You leave out: Other harm under local policy." in body
    assert me(client, "choose_classes", classes(most_csam=7)).status_code == 400
    me(client, "choose_classes", classes())
    assert Wellness.objects.get().opted_out == []


def test_nothing_of_it_stands_in_the_chain(login, reviewer):
    client = login(reviewer)
    before = CustodyEvent.objects.count()
    me(client, "lower_limits", {"day": "5"})
    me(client, "choose_classes", classes(out_other="on"))
    me(client, "set_shift", {"hours": "2"})
    me(client, "ask_reset", {})
    me(client, "not_now", {})
    assert CustodyEvent.objects.count() == before


def test_the_end_of_a_shift_is_set_and_taken_back(login, reviewer):
    client = login(reviewer)
    me(client, "set_shift", {"hours": "2.5"})
    left = Wellness.objects.get().shift_ends_at - timezone.now()
    assert 2.4 < left.total_seconds() / 3600 <= 2.5
    assert me(client, "set_shift", {"hours": "13"}).status_code == 400
    me(client, "set_shift", {"hours": ""})
    assert Wellness.objects.get().shift_ends_at is None


def test_a_lead_sees_that_somebody_asks_and_no_figure(login, reviewer, lead):
    make_case(near=True)
    looked(reviewer, 3, times=7)
    team = reverse("moderation:team")
    assert b"data-asking" not in login(lead).get(team).content
    client = login(reviewer)
    me(client, "lower_limits", {"day": "8"})
    me(client, "ask_reset", {})
    body = login(lead).get(team).content.decode()
    asking = body[body.index("data-asking") : body.index("</section>", body.index("data-asking"))]
    assert reviewer.person.pseudonym in asking
    assert "point" not in asking
    address = reverse("moderation:reset_exposure", args=[reviewer.pk])
    assert login(lead).post(address, {"reason": "see https://a.example"}).status_code == 302
    assert Wellness.objects.get().asked_at
    assert login(reviewer).post(address, {"reason": "Me"}).status_code == 403
    login(lead).post(address, {"reason": "We talked"})
    assert Wellness.objects.get().day_limit is None
    assert CustodyEvent.objects.get(action="exposure_reset").reason == "We talked"


def test_a_lead_does_not_see_their_own_asking_to_reset_it(login, lead):
    Wellness.objects.create(person=lead, asked_at=timezone.now(), day_limit=1)
    assert b"data-asking" not in login(lead).get(reverse("moderation:team")).content
    address = reverse("moderation:reset_exposure", args=[lead.pk])
    assert login(lead).post(address, {"reason": "Me"}).status_code == 403


def test_my_data_are_mine_alone(login, reviewer, second_reviewer):
    make_case(near=True)
    looked(reviewer, 2)
    looked(second_reviewer, 3, times=2)
    Wellness.objects.create(person=reviewer, opted_out=["other"], day_limit=Decimal(4))
    answer = me(login(reviewer), "my_data")
    assert "attachment" in answer["Content-Disposition"]
    assert "no-store" in answer["Cache-Control"]
    told = answer.json()
    assert [look["level"] for look in told["looks"]] == [2]
    assert told["limits"]["points_in_24_hours"] == "4"
    assert told["settings"]["left_out"] == ["other"]


def test_a_break_from_the_page_of_a_case_keeps_what_was_written(login, reviewer):
    case = queue.claim(make_case(), by=reviewer)
    client = login(reviewer)
    gone = me(client, "break", {"answer": "ESCALATE", "reason": "ask"}, follow=True)
    assert "A break" in gone.content.decode()
    queue.claim(case, by=reviewer)
    assert case.reviews.get(ended="").draft == {"answer": "ESCALATE", "reason": "ask"}


def test_people_to_talk_to_come_from_a_setting(login, reviewer, settings):
    assert "Nobody is named here yet" in me(login(reviewer)).content.decode()
    settings.PEOPLE_TO_TALK_TO = "The listening line, any hour\n<b>Kim</b>"
    body = me(login(reviewer)).content.decode()
    assert "The listening line, any hour" in body
    assert "<b>Kim" not in body


def test_the_suggestion_of_a_break_can_be_put_off(login, reviewer, settings):
    settings.CASES_TO_BREAK = 0
    client = login(reviewer)
    page = client.get(reverse("moderation:queue")).content
    assert b"data-break-prompt" in page
    assert me(client, "not_now", {}, headers={"HX-Request": "true"}).content == b""
