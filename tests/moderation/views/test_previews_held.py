"""L3, held in view, and L2 as a drawing: who gets them, how often, and what stands on record."""

import io
from datetime import timedelta

import numpy as np
import pytest
from django.db.models.functions import Now
from django.urls import reverse
from PIL import Image

from moderation.models import Case, CustodyEvent, Entry, Grant, Preview, Reveal
from moderation.review import exposure, queue
from tests.moderation.review.making import make_case, settled
from tests.moderation.views.test_previews import SESSION, post, ticket_in, with_previews

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _evidence(settings, tmp_path):
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()


@pytest.fixture
def entry(db):
    make_case(near=True)
    return with_previews(Entry.objects.get())


@pytest.fixture
def held(entry, reviewer):
    return queue.claim(entry.flag.case, by=reviewer)


def look(client, case, entry):
    return client.post(reverse("moderation:case_look", args=[case.pk]), {"entry": entry.pk})


def reveal(case, entry, by, level=3, **more):
    return exposure.reveal(case, entry, by=by, level=level, session=SESSION, **more)


def opened(case, entry, by, level=3):
    ticket = reveal(case, entry, by, level)
    return exposure.open_ticket(ticket, by=by, session=SESSION)


def rested(by):
    looked = Reveal.objects.filter(reviewer=by, opened_at__isnull=False)
    looked.update(opened_at=Now() - timedelta(seconds=16))


def test_a_look_at_l3_is_one_ticket_for_one_picture(login, held, entry, reviewer):
    client = login(reviewer)
    answer = look(client, held, entry)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    shown = client.get(answer.json()["address"])
    assert shown["Content-Type"] == "image/png"
    assert shown["Cache-Control"] == "no-store"
    assert Image.open(io.BytesIO(shown.content)).mode == "L"
    assert client.get(answer.json()["address"]).status_code == 404
    assert Reveal.objects.get().level == 3
    told = CustodyEvent.objects.filter(action__startswith="preview_")
    assert [event.after["level"] for event in told] == [3, 3]


def test_l3_never_stands_in_a_page(login, held, entry, reviewer):
    assert post(login(reviewer), held, entry, 3).status_code == 404
    assert not Reveal.objects.exists()


def test_another_look_takes_its_time_by_the_server(login, held, entry, reviewer, settings):
    client = login(reviewer)
    client.get(look(client, held, entry).json()["address"])
    refused = look(client, held, entry)
    assert refused.status_code == 409
    whole = settings.L3_SECONDS + settings.L3_PAUSE_SECONDS
    assert whole - 3 <= refused.json()["wait"] <= whole
    assert "possible in" in refused.json()["refused"]
    rested(reviewer)
    assert look(client, held, entry).status_code == 200


def test_of_two_tickets_one_has_to_wait(held, entry, reviewer):
    first, second = reveal(held, entry, reviewer), reveal(held, entry, reviewer)
    assert exposure.open_ticket(first, by=reviewer, session=SESSION)
    with pytest.raises(exposure.NoTicket):
        exposure.open_ticket(second, by=reviewer, session=SESSION)
    rested(reviewer)
    assert exposure.open_ticket(second, by=reviewer, session=SESSION)


def test_the_other_levels_need_no_wait(held, entry, reviewer):
    assert opened(held, entry, reviewer)
    assert opened(held, entry, reviewer, level=2)


@pytest.mark.parametrize("most", [0, 1, 2])
def test_nobody_without_a_grant_of_level_3_gets_more_than_128_px(held, entry, reviewer, most):
    """Whatever they ask for: no sent picture holds more than 128 pixels a side of detail."""
    Grant.objects.update(level=most)
    sent = []
    for level in (1, 2, 3):
        for drawing in (False, True):
            try:
                ticket = reveal(held, entry, reviewer, level, drawing=drawing)
            except exposure.Locked:
                continue
            sent.append(exposure.open_ticket(ticket, by=reviewer, session=SESSION))
    assert len(sent) == {0: 0, 1: 1, 2: 3}[most]
    for png in sent:
        shown = Image.open(io.BytesIO(png))
        small = shown.resize((128, 96), Image.Resampling.BOX)
        again = small.resize(shown.size, Image.Resampling.BICUBIC)
        rest = np.asarray(shown, float) - np.asarray(again, float)
        assert np.abs(rest).mean() < 4


def test_l3_needs_its_grant_when_it_is_shown_too(held, entry, reviewer):
    ticket = reveal(held, entry, reviewer)
    Grant.objects.update(level=2)
    with pytest.raises(exposure.NoTicket):
        exposure.open_ticket(ticket, by=reviewer, session=SESSION)


def test_l3_needs_the_capability(held, entry, reviewer):
    group = reviewer.groups.get()
    group.permissions.remove(group.permissions.get(codename="preview_l3"))
    without = type(reviewer).objects.get(pk=reviewer.pk)
    with pytest.raises(exposure.Locked, match="role"):
        reveal(held, entry, without)


def test_l3_is_refused_on_exact_matches_of_trusted_lists_unless_disputed(
    reviewer, second_reviewer, lead
):
    case = make_case()
    entry = with_previews(Entry.objects.get())
    held = queue.claim(case, by=reviewer)
    for level, drawing in ((2, False), (2, True), (3, False)):
        with pytest.raises(exposure.Locked, match="trusted list"):
            reveal(held, entry, reviewer, level, drawing=drawing)
    queue.release(held, by=reviewer, token=held.lease_token)
    case = settled(settled(case, reviewer, "REMOVE_KNOWN"), second_reviewer, "KEEP")
    assert case.state == "disputed"
    assert reveal(queue.claim(case, by=lead), entry, lead)


def test_what_was_scanned_before_has_no_l3_and_the_stage_says_so(login, held, entry, reviewer):
    Preview.objects.filter(level=3).delete()
    Preview.objects.filter(drawing=True).delete()
    steps = exposure.levels(held, entry, by=reviewer)
    assert [bool(step.locked) for step in steps] == [False, False, False, True, True]
    body = login(reviewer).get(reverse("moderation:case", args=[held.pk])).content.decode()
    assert body.count("scanned before Breakwater made this copy") == 2
    assert "data-hold-button" not in body


def test_locked_for_the_same_reason_l2_is_one_step(reviewer):
    held = queue.claim(make_case(), by=reviewer)
    steps = exposure.levels(held, with_previews(Entry.objects.get()), by=reviewer)
    assert [step.number for step in steps] == [0, 1, 2, 3]


def test_a_drawing_is_a_look_of_its_own_and_on_record(login, held, entry, reviewer):
    client = login(reviewer)
    page = client.post(
        reverse("moderation:case_reveal", args=[held.pk]),
        {"entry": entry.pk, "level": 2, "drawing": "on"},
    )
    png = client.get(reverse("moderation:preview", args=[ticket_in(page)])).content
    shown = np.asarray(Image.open(io.BytesIO(png)))
    assert (shown > 250).mean() > 0.5  # lines on white
    look_ = Reveal.objects.get()
    assert (look_.level, look_.drawing) == (2, True)
    told = CustodyEvent.objects.filter(action__startswith="preview_")
    assert [event.after["drawing"] for event in told] == [True, True]
    body = client.get(reverse("moderation:case", args=[held.pk])).content.decode()
    assert "line drawing, 128 px, of entry" in body


@pytest.mark.parametrize("level", [1, 3])
def test_only_l2_has_a_drawing(held, entry, reviewer, level):
    with pytest.raises(exposure.Locked, match="no such level"):
        reveal(held, entry, reviewer, level, drawing=True)


def test_who_may_not_open_cases_gets_no_look(login, held, entry, auditor):
    assert look(login(auditor), held, entry).status_code == 403


def test_a_look_needs_the_lease(login, entry, reviewer):
    answer = look(login(reviewer), Case.objects.get(), entry)
    assert answer.status_code == 409
    assert "Take the case" in answer.json()["refused"]
