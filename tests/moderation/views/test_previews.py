"""Reveals and tickets: a deliberate act, one look, one person, one session, sixty seconds."""

import io
import re
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db.models.functions import Now
from django.urls import reverse
from PIL import Image

from moderation.evidence import store
from moderation.models import (
    Case,
    CustodyEvent,
    Entry,
    Grant,
    LegalBasis,
    Preview,
    Reveal,
)
from moderation.review import exposure, queue
from tests.moderation.review.making import (
    add_entry,
    answer,
    end_lease,
    make_case,
    make_revision,
    record_basis,
    seal_copies,
    settled,
)

pytestmark = pytest.mark.django_db
SESSION = "a-session"


@pytest.fixture(autouse=True)
def _evidence(settings, tmp_path):
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()


def picture() -> bytes:
    rows, columns = np.mgrid[0:480, 0:640]
    colours = np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=2)
    file = io.BytesIO()
    Image.fromarray(colours.astype("uint8")).save(file, "PNG")
    return file.getvalue()


def with_previews(entry: Entry) -> Entry:
    return seal_copies(entry, picture())


@pytest.fixture
def entry(db):
    make_case(near=True)
    return with_previews(Entry.objects.get())


@pytest.fixture
def held(entry, reviewer):
    return queue.claim(entry.flag.case, by=reviewer)


def reveal(case, entry, by, level=1, session=SESSION):
    return exposure.reveal(case, entry, by=by, level=level, session=session)


def post(client, case, entry, level=1, **extra):
    return client.post(
        reverse("moderation:case_reveal", args=[case.pk]),
        {"entry": entry.pk, "level": level},
        **extra,
    )


def ticket_in(page):
    return re.search(r'src="/previews/([^/]+)/"', page.content.decode()).group(1)


def test_a_reveal_shows_a_small_grey_picture_once(login, held, entry, reviewer):
    client = login(reviewer)
    page = post(client, held, entry)
    assert page.status_code == 200
    address = reverse("moderation:preview", args=[ticket_in(page)])
    shown = client.get(address)
    assert shown.status_code == 200
    assert shown["Content-Type"] == "image/png"
    assert shown["Cache-Control"] == "no-store"
    assert shown["Referrer-Policy"] == "no-referrer"
    assert shown["X-Content-Type-Options"] == "nosniff"
    with Image.open(io.BytesIO(shown.content)) as image:
        assert image.mode == "L"
        assert max(image.size) == exposure.SHOWN_SIDE
        small = np.asarray(image.resize((24, 18), Image.Resampling.BOX), dtype=int)
        again = np.asarray(
            image.resize((24, 18), Image.Resampling.BOX).resize(
                image.size, Image.Resampling.BICUBIC
            ),
            dtype=int,
        )
        assert small.std() > 5
        assert np.abs(again - np.asarray(image, dtype=int)).mean() < 6  # nothing finer than 24 px
    assert client.get(address).status_code == 404
    assert Reveal.objects.get().opened_at is not None
    actions = list(
        CustodyEvent.objects.filter(object_id=str(held.pk)).values_list("action", flat=True)
    )
    assert actions == ["case_claimed", "preview_revealed", "preview_opened", "attempt_refused"]


def test_the_fragment_is_the_stage_alone(login, held, entry, reviewer):
    page = post(login(reviewer), held, entry, headers={"HX-Request": "true"})
    assert b"<html" not in page.content
    assert b'data-level="1"' in page.content
    assert b"no-store" in page["Cache-Control"].encode()


def test_another_person_or_session_gets_404(login, held, entry, reviewer, second_reviewer):
    client = login(reviewer)
    address = reverse("moderation:preview", args=[ticket_in(post(client, held, entry))])
    assert login(second_reviewer).get(address).status_code == 404
    assert login(reviewer).get(address).status_code == 404  # the same person, another session
    assert client.get(address).status_code == 200


def test_roles_without_cases_get_no_preview(login, auditor, operator, outsider):
    address = reverse("moderation:preview", args=["x"])
    for user in (auditor, operator, outsider):
        assert login(user).get(address).status_code == 403
    assert login(auditor).post(address).status_code == 405


def test_a_ticket_lives_sixty_seconds(held, entry, reviewer, settings):
    ticket = reveal(held, entry, reviewer)
    seconds = settings.TICKET_SECONDS
    Reveal.objects.update(issued_at=Now() - timedelta(seconds=seconds + 1))
    with pytest.raises(exposure.NoTicket):
        exposure.open_ticket(ticket, by=reviewer, session=SESSION)
    Reveal.objects.update(issued_at=Now() - timedelta(seconds=seconds - 5))
    assert exposure.open_ticket(ticket, by=reviewer, session=SESSION)


def test_a_ticket_ends_with_the_lease(held, entry, reviewer):
    ticket = reveal(held, entry, reviewer)
    end_lease(held)
    with pytest.raises(exposure.NoTicket):
        exposure.open_ticket(ticket, by=reviewer, session=SESSION)


def test_the_ticket_itself_is_not_kept(held, entry, reviewer):
    ticket = reveal(held, entry, reviewer)
    assert ticket.encode() not in bytes(Reveal.objects.get().ticket_digest)
    assert ticket not in str(list(CustodyEvent.objects.values_list("after", flat=True)))


def test_a_look_needs_the_lease(entry, reviewer, second_reviewer):
    case = entry.flag.case
    with pytest.raises(exposure.Locked, match="Take the case"):
        reveal(case, entry, reviewer)
    queue.claim(case, by=second_reviewer)
    with pytest.raises(exposure.Locked, match="Take the case"):
        reveal(case, entry, reviewer)
    assert not Reveal.objects.exists()


def test_a_look_needs_the_capability(held, entry, reviewer):
    reviewer.groups.first().permissions.remove(
        *reviewer.groups.first().permissions.filter(codename="preview_l2")
    )
    without = type(reviewer).objects.get(pk=reviewer.pk)
    assert reveal(held, entry, without, level=1)
    with pytest.raises(exposure.Locked, match="role"):
        reveal(held, entry, without, level=2)


@pytest.mark.parametrize("level", [0, 4, -1])
def test_there_are_no_other_levels(login, held, entry, reviewer, level):
    with pytest.raises(exposure.Locked):
        reveal(held, entry, reviewer, level=level)
    assert post(login(reviewer), held, entry, level).status_code == 404


def test_nothing_above_l0_without_a_legal_basis(reviewer):
    case = Case.objects.create()
    real = make_revision(synthetic=False)
    entry = with_previews(add_entry(case, revision=real, algorithm="pdq", distance=3))
    held = queue.claim(case, by=reviewer)
    with pytest.raises(exposure.Locked, match="legal basis"):
        reveal(held, entry, reviewer)
    basis = record_basis()
    assert reveal(held, entry, reviewer)
    LegalBasis.objects.filter(pk=basis.pk).update(until=Now() - timedelta(days=1))
    with pytest.raises(exposure.Locked, match="legal basis"):
        reveal(held, entry, reviewer)


def test_an_open_look_may_stay_no_longer_than_its_basis_and_grant(login, reviewer):
    case = Case.objects.create(harm_class="csam")
    real = make_revision(synthetic=False)
    entry = with_previews(add_entry(case, revision=real, algorithm="pdq", distance=3))
    basis, held = record_basis(), queue.claim(case, by=reviewer)
    client = login(reviewer)

    def level() -> int:
        renew = reverse("moderation:case_renew", args=[case.pk])
        asked = client.post(renew, {"token": held.lease_token}, headers={"Accept": "text/json"})
        return asked.json()["level"]

    ticket = ticket_in(post(client, held, entry))
    assert level() == 3
    Grant.objects.filter(person=reviewer).update(level=1)
    assert level() == 1
    LegalBasis.objects.filter(pk=basis.pk).update(ended_at=Now())
    assert level() == 0
    assert client.get(reverse("moderation:preview", args=[ticket])).status_code == 404
    assert "No legal basis" in post(client, held, entry).content.decode()


def test_the_daily_limit(login, held, entry, reviewer, settings):
    settings.EXPOSURE_PER_DAY = Decimal("0.2")
    for _ in range(2):
        reveal(held, entry, reviewer)
    with pytest.raises(exposure.Locked, match="limit"):
        reveal(held, entry, reviewer)
    page = post(login(reviewer), held, entry)
    assert page.status_code == 409
    assert "limit" in page.content.decode()
    assert "<img" not in page.content.decode()


def test_l2_is_refused_on_exact_matches_of_trusted_lists(reviewer, second_reviewer, lead):
    case = make_case()
    entry = with_previews(Entry.objects.get())
    held = queue.claim(case, by=reviewer)
    assert reveal(held, entry, reviewer, level=1)
    with pytest.raises(exposure.Locked, match="trusted list"):
        reveal(held, entry, reviewer, level=2)
    queue.release(held, by=reviewer, token=held.lease_token)
    case = settled(settled(case, reviewer, "REMOVE_KNOWN"), second_reviewer, "KEEP")
    assert case.state == "disputed"
    assert reveal(queue.claim(case, by=lead), entry, lead, level=2)


def test_l2_is_open_on_exact_matches_of_other_lists(reviewer):
    held = queue.claim(make_case(trust="standard"), by=reviewer)
    assert reveal(held, with_previews(Entry.objects.get()), reviewer, level=2)


def test_without_a_picture_the_step_says_so(reviewer):
    held = queue.claim(make_case(), by=reviewer)
    steps = exposure.levels(held, Entry.objects.get(), by=reviewer)
    assert [bool(step.locked) for step in steps] == [False, True, True, True]
    assert "never read" in steps[1].locked


def test_a_shredded_preview_is_locked(held, entry, reviewer):
    ticket = reveal(held, entry, reviewer)
    store.shred(entry.previews.get(level=1).sealed)
    with pytest.raises(exposure.Locked):
        reveal(held, entry, reviewer)
    assert ticket


def test_a_ticket_for_bytes_since_shredded_is_404(login, held, entry, reviewer):
    client = login(reviewer)
    address = reverse("moderation:preview", args=[ticket_in(post(client, held, entry))])
    store.shred(entry.previews.get(level=1).sealed)
    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "You need not look. A trusted list matches exactly"),
        ({"trust": "standard"}, "the list is not a trusted one"),
        ({"near": True}, "A near match says that two pictures look alike"),
    ],
)
def test_the_advice_is_true_of_the_case(login, reviewer, facts, said):
    case = make_case(**facts)
    body = login(reviewer).get(reverse("moderation:case", args=[case.pk])).content.decode()
    assert said in body
    assert body.count("You need not look. A trusted list") == (facts == {})


def test_views_are_counted_apart(login, held, entry, reviewer, second_reviewer, lead):
    client = login(reviewer)
    client.get(reverse("moderation:preview", args=[ticket_in(post(client, held, entry))]))
    reveal(held, entry, reviewer)  # a ticket never opened is no view
    queue.release(held, by=reviewer, token=held.lease_token)
    assert exposure.views(held, by=reviewer) == {"mine": 1, "all": 1}
    assert exposure.views(held, by=second_reviewer) == {"mine": 0, "all": 1}
    body = login(second_reviewer).get(reverse("moderation:case", args=[held.pk])).content.decode()
    assert "looked at this case 0 times." in body
    settled(held, reviewer, "ESCALATE")
    body = login(lead).get(reverse("moderation:case", args=[held.pk])).content.decode()
    assert "looked at this case 0 times, all people together 1 time." in body


def test_the_second_stage_starts_at_the_outline(login, held, entry, reviewer, second_reviewer):
    post(login(reviewer), held, entry, 2)
    queue.release(held, by=reviewer, token=held.lease_token)
    settled(held, reviewer, "REMOVE_KNOWN")
    queue.claim(held, by=second_reviewer)
    body = login(second_reviewer).get(reverse("moderation:case", args=[held.pk])).content.decode()
    assert 'data-level="0"' in body
    assert "<img" not in body


def test_an_answered_case_is_not_looked_at(login, entry, reviewer):
    case = entry.flag.case
    answer(case, reviewer, "ESCALATE")
    assert post(login(reviewer), case, entry).status_code == 409


@pytest.mark.parametrize("wrong", ["missing", "shredded"])
def test_a_preview_that_does_not_open_is_no_look(
    login, held, entry, reviewer, settings, tmp_path, wrong
):
    client = login(reviewer)
    address = reverse("moderation:preview", args=[ticket_in(post(client, held, entry))])
    kept = settings.EVIDENCE_URL
    if wrong == "missing":
        settings.EVIDENCE_URL = (tmp_path / "elsewhere").as_uri()
    else:
        store.shred(Preview.objects.get(entry=entry, level=1).sealed)
    assert client.get(address).status_code == 404
    assert Reveal.objects.get().opened_at is None
    assert not CustodyEvent.objects.filter(action="preview_opened").exists()
    settings.EVIDENCE_URL = kept
    assert client.get(address).status_code == (200 if wrong == "missing" else 404)
