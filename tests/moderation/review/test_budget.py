"""Points for looks: counted, limited, stopped, lowered by the person and reset by a lead."""

import secrets
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from moderation.models import Case, CustodyEvent, Entry, Reveal, Wellness
from moderation.review import budget, exposure, queue
from tests.moderation.review.making import make_case, seal_copies
from tests.moderation.views.test_previews import SESSION, picture

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _evidence(settings, tmp_path):
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()


@pytest.fixture
def entry(db):
    made = make_case(near=True)
    return seal_copies(made.flags.get().entry, picture())


def looked(by, level=1, *, ago=timedelta(0), opened=True, times=1):
    """Looks in the log, at a time gone by."""
    case = Case.objects.first() or make_case(near=True)
    for _ in range(times):
        row = Reveal.objects.create(
            case=case,
            entry=Entry.objects.first(),
            reviewer=by,
            level=level,
            ticket_digest=secrets.token_bytes(32),
        )
        at = timezone.now() - ago
        Reveal.objects.filter(pk=row.pk).update(issued_at=at, opened_at=at if opened else None)


def locked(entry, by, level):
    steps = exposure.levels(entry.flag.case, entry, by=by)
    return next(step.locked for step in steps if step.number == level and not step.drawing)


def test_each_level_has_its_price_over_a_day_and_a_week(entry, reviewer, second_reviewer):
    looked(reviewer, 1, times=3)
    looked(reviewer, 2)
    looked(reviewer, 3, ago=timedelta(days=2))
    looked(reviewer, 3, ago=timedelta(days=8))
    looked(second_reviewer, 3)
    now = budget.standing(by=reviewer)
    assert (now.day, now.week) == (Decimal("0.8"), Decimal("1.8"))
    assert [(each.level, each.day, each.week) for each in now.used] == [
        (1, 3, 3),
        (2, 1, 1),
        (3, 0, 1),
    ]


def test_a_ticket_that_was_not_opened_costs_nothing_once_it_is_too_old(entry, reviewer):
    looked(reviewer, 3, opened=False)
    assert budget.standing(by=reviewer).day == 1
    Reveal.objects.update(issued_at=timezone.now() - timedelta(seconds=61))
    assert budget.standing(by=reviewer).day == 0


def test_a_level_is_locked_where_its_price_would_go_past_the_limit(entry, reviewer, settings):
    settings.EXPOSURE_PER_DAY = Decimal("1")
    held = queue.claim(entry.flag.case, by=reviewer)
    looked(reviewer, 2)
    looked(reviewer, 1)
    assert "24 hours" in locked(entry, reviewer, 2)
    assert not locked(entry, reviewer, 1)
    with pytest.raises(exposure.Locked, match="past your limit"):
        exposure.reveal(held, entry, by=reviewer, level=2, session=SESSION)
    settings.EXPOSURE_PER_DAY = settings.EXPOSURE_PER_WEEK = Decimal("20")
    looked(reviewer, 3, ago=timedelta(days=3), times=19)
    assert "7 days" in locked(entry, reviewer, 2)


def test_at_the_limit_all_is_shut_until_a_lead_resets_it(
    entry, reviewer, lead, settings, second_reviewer
):
    settings.EXPOSURE_PER_DAY = Decimal("0.1")
    held = queue.claim(entry.flag.case, by=reviewer)
    ticket = exposure.reveal(held, entry, by=reviewer, level=1, session=SESSION)
    exposure.open_ticket(ticket, by=reviewer, session=SESSION)
    Reveal.objects.update(issued_at=timezone.now() - timedelta(days=9))  # time alone opens nothing
    assert locked(entry, reviewer, 1) == budget.STOPPED
    with pytest.raises(budget.NotAsked):
        budget.reset(reviewer, by=lead, reason="We talked")
    assert budget.ask(by=reviewer)
    assert [each.person for each in budget.asking()] == [reviewer]
    for somebody in (reviewer, second_reviewer):
        with pytest.raises(PermissionDenied):
            budget.reset(reviewer, by=somebody, reason="We talked")
    budget.reset(reviewer, by=lead, reason="We talked")
    assert not locked(entry, reviewer, 1)
    assert not budget.asking()
    event = CustodyEvent.objects.get(action="exposure_reset")
    assert (event.object_id, event.reason, event.after) == (str(reviewer.pk), "We talked", {})


def test_a_lead_does_not_reset_their_own(entry, lead):
    Wellness.objects.create(person=lead, stopped_at=timezone.now(), asked_at=timezone.now())
    with pytest.raises(PermissionDenied):
        budget.reset(lead, by=lead, reason="Short of people")


def test_one_lowers_ones_own_limits_and_never_raises_them(entry, reviewer):
    budget.lower(by=reviewer, day=Decimal(5), week=None)
    assert budget.standing(by=reviewer).day_limit == 5
    for day, week in ((Decimal(6), None), (Decimal(1), Decimal(100))):
        with pytest.raises(budget.NotLower):
            budget.lower(by=reviewer, day=day, week=week)
    assert budget.standing(by=reviewer).day_limit == 5
    budget.lower(by=reviewer, day=Decimal(0), week=None)
    assert locked(entry, reviewer, 1)


def test_ones_own_limit_opens_again_as_time_passes(entry, reviewer):
    held = queue.claim(entry.flag.case, by=reviewer)
    budget.lower(by=reviewer, day=Decimal("0.1"), week=None)
    exposure.reveal(held, entry, by=reviewer, level=1, session=SESSION)
    assert locked(entry, reviewer, 1)
    Reveal.objects.update(issued_at=timezone.now() - timedelta(hours=25))
    assert not locked(entry, reviewer, 1)


def test_a_reset_gives_the_installations_limits_again(entry, reviewer, lead, settings):
    assert not budget.ask(by=reviewer)  # nothing to reset
    budget.lower(by=reviewer, day=Decimal(1), week=Decimal(2))
    assert budget.ask(by=reviewer)
    budget.reset(reviewer, by=lead, reason="Asked for it")
    now = budget.standing(by=reviewer)
    assert (now.day_limit, now.week_limit) == (
        settings.EXPOSURE_PER_DAY,
        settings.EXPOSURE_PER_WEEK,
    )


def test_the_banner_comes_before_the_stop(entry, reviewer, settings):
    settings.EXPOSURE_PER_DAY = Decimal(1)
    looked(reviewer, 1, times=7)
    assert not budget.standing(by=reviewer).near
    looked(reviewer, 1)
    assert budget.standing(by=reviewer).near


def test_a_limit_below_the_price_of_a_look_says_that_time_does_not_help(entry, reviewer):
    queue.claim(entry.flag.case, by=reviewer)
    budget.lower(by=reviewer, day=Decimal("0.5"), week=None)
    assert locked(entry, reviewer, 1) == ""
    assert "lower than what this look costs" in locked(entry, reviewer, 3)
    budget.lower(by=reviewer, day=Decimal(0), week=None)
    assert "lower than what this look costs" in locked(entry, reviewer, 1)
    assert budget.standing(by=reviewer).spent


def test_points_read_as_people_write_them(entry, reviewer):
    looked(reviewer, 2, times=2)
    budget.lower(by=reviewer, day=Decimal("12.0"), week=Decimal("40.5"))
    now = budget.standing(by=reviewer)
    assert [str(each) for each in (now.day, now.day_limit, now.week_limit)] == ["1", "12", "40.5"]
