"""Trainings are recorded by somebody else, run out, and previews are granted on a valid one."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from moderation.models import CustodyEvent, Grant, Training
from moderation.people import granting, training

pytestmark = pytest.mark.django_db
TODAY = timezone.localdate()
DAY = timedelta(days=1)
FORM = {"what": "Looking less", "held_on": str(TODAY)}


@pytest.fixture
def untrained(reviewer):
    """A reviewer with a grant of cases, whose former trainings no longer count."""
    Grant.objects.filter(person=reviewer).update(ends_at=timezone.now() - timedelta(seconds=1))
    Training.objects.filter(person=reviewer).update(held_on=TODAY - 99 * DAY, until=TODAY - DAY)
    return reviewer


def grant(to, by, **how):
    how = {"classes": ["csam"], "level": 1, "days": 30, "wellbeing_checked": True} | how
    return granting.give(to, by=by, **how)


def test_previews_need_a_valid_training(untrained, lead):
    assert grant(untrained, lead, level=0).training is None
    with pytest.raises(granting.GrantRefused, match="valid training"):
        grant(untrained, lead)
    record = training.record(untrained, what="Looking less", held_on=TODAY, by=lead)
    given = grant(untrained, lead)
    assert given.training == record
    after = CustodyEvent.objects.latest("seq").after
    assert (after["training"], after["trained_on"]) == (record.pk, str(TODAY))
    assert after["wellbeing_checked"] is True


def test_a_grant_of_previews_ends_with_its_training(untrained, lead):
    training.record(untrained, what="A", held_on=TODAY, until=TODAY + 10 * DAY, by=lead)
    with pytest.raises(granting.GrantRefused, match="give at most 10 days"):
        grant(untrained, lead, days=12)
    given = grant(untrained, lead, days=10)
    assert given.ends_at.date() <= TODAY + 10 * DAY
    grant(untrained, lead, level=0, days=366)  # cases alone rest on no training


def test_the_training_that_counts_longest_is_the_one(untrained, lead):
    long = training.record(untrained, what="A", held_on=TODAY - 5 * DAY, by=lead)
    training.record(untrained, what="B", held_on=TODAY, until=TODAY + 30 * DAY, by=lead)
    assert training.best(untrained) == long
    assert grant(untrained, lead, days=90).training == long


@pytest.mark.parametrize(
    ("dates", "why"),
    [
        ({"held_on": TODAY + DAY}, "not taken place"),
        ({"held_on": TODAY - 400 * DAY}, "after today"),
        ({"held_on": TODAY, "until": TODAY}, "after today"),
        ({"held_on": TODAY, "until": TODAY + 800 * DAY}, "731 days at most"),
    ],
)
def test_what_is_refused(untrained, lead, dates, why):
    before = Training.objects.count()
    with pytest.raises(training.TrainingRefused, match=why):
        training.record(untrained, what="A", by=lead, **dates)
    assert Training.objects.count() == before


def test_nobody_records_their_own(lead, reviewer, untrained):
    with pytest.raises(PermissionDenied):
        training.record(lead, what="A", held_on=TODAY, by=lead)
    with pytest.raises(PermissionDenied):
        training.record(untrained, what="A", held_on=TODAY, by=reviewer)
    with pytest.raises(PermissionDenied):
        training.strike(Training.objects.get(person=lead), by=lead)


@pytest.mark.parametrize("wrong", ["own", "endless", "backwards"])
def test_the_database_refuses_the_same(lead, wrong):
    values = {
        "own": {"recorded_by": lead},
        "endless": {"until": TODAY + 900 * DAY},
        "backwards": {"until": TODAY - 400 * DAY},
    }[wrong]
    with pytest.raises(IntegrityError), transaction.atomic():
        Training.objects.filter(person=lead).update(**values)


def test_a_wrong_record_is_struck_out_and_ends_its_grants(login, lead, untrained):
    client, path = login(lead), f"/team/{untrained.pk}/"
    assert client.post(f"{path}training/", FORM).url == path
    record = training.best(untrained)
    assert record.until == TODAY + 365 * DAY  # nothing else was said
    given, other = grant(untrained, lead), grant(untrained, lead, level=0)
    assert "Looking less" in client.get(path).content.decode()
    assert client.post(f"/team/trainings/{record.pk}/strike/").url == path
    client.post(f"/team/trainings/{record.pk}/strike/")  # a second time changes nothing
    assert list(Grant.objects.live().filter(person=untrained)) == [other]
    assert "struck out" in client.get(path).content.decode()
    said = CustodyEvent.objects.filter(action__startswith="training_").order_by("seq")
    assert [event.action for event in said] == ["training_recorded", "training_struck"]
    assert said[1].after == {"training": record.pk, "grants": [given.pk]}
    assert "Looking less" not in str(said.values_list("after"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"what": ""},
        {"what": "see https://elsewhere.example"},
        {"held_on": "yesterday"},
        {"held_on": "0000-00-00"},
        {"until": "x"},
        {"until": str(TODAY - DAY)},
    ],
)
def test_a_wrong_form_records_nothing(login, lead, untrained, wrong):
    before = Training.objects.count()
    answer = login(lead).post(f"/team/{untrained.pk}/training/", FORM | wrong)
    assert answer.status_code == 400
    assert Training.objects.count() == before


@pytest.mark.parametrize("who", ["reviewer", "auditor", "list_manager"])
def test_only_who_grants_previews_records(request, login, second_reviewer, who):
    client = login(request.getfixturevalue(who))
    record = Training.objects.get(person=second_reviewer)
    assert client.post(f"/team/{second_reviewer.pk}/training/", FORM).status_code == 403
    assert client.post(f"/team/trainings/{record.pk}/strike/").status_code == 403


def test_what_runs_out_is_shown_in_good_time_to_both(login, lead, reviewer):
    words = "Trainings that count no more"
    assert words not in login(lead).get("/team/").content.decode()
    assert "Yours, running out" not in login(reviewer).get("/").content.decode()
    Training.objects.filter(person=reviewer).update(until=TODAY + 29 * DAY)
    assert words in login(lead).get("/team/").content.decode()
    assert "Yours, running out" in login(reviewer).get("/").content.decode()
    assert "Made-up training" in login(reviewer).get("/account/").content.decode()
    training.record(reviewer, what="A", held_on=TODAY, by=lead)
    assert words not in login(lead).get("/team/").content.decode()
    Training.objects.filter(person=reviewer, what="A").update(until=TODAY + 9 * DAY)
    User.objects.filter(pk=reviewer.pk).update(is_active=False)
    assert words not in login(lead).get("/team/").content.decode()


def test_a_grant_that_runs_out_is_shown_to_its_person(login, reviewer):
    Grant.objects.filter(person=reviewer).update(ends_at=timezone.now() + 13 * DAY)
    page = login(reviewer).get("/").content.decode()
    assert "Yours, running out" in page
    assert "Ask a lead or an operator in good time" in page
