"""When a case is due: by its triage and the duty profile, from when it came, or came back."""

from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.utils import timezone

from moderation.models import Case, KnownHash
from moderation.review import decisions, queue, rounds, waiting
from moderation.scanning import priorities
from tests.moderation.review.making import add_entry, make_case, settled

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(days=40)
MINUTE = timedelta(minutes=1)


def graded(case, category="A"):
    """The case, with known hashes of this category of the IWF."""
    KnownHash.objects.filter(matches__flag__case=case).update(category=category)
    return case


def grown_old(case):
    """As if it had been opened, and rated, long ago."""
    Case.objects.filter(pk=case.pk).update(opened_at=timezone.now() - LONG_AGO)
    case.refresh_from_db()
    priorities.rate(case)
    assert case.due_at < timezone.now()
    return case


def due_in(case):
    """From now, whatever the database says."""
    return Case.objects.values_list("due_at", flat=True).get(pk=case.pk) - timezone.now()


def test_a_case_is_due_from_when_it_was_opened(settings):
    case = graded(make_case())
    priorities.rate(case)
    assert case.triage == "critical"
    assert case.due_at - case.opened_at == timedelta(hours=24)


def test_a_reopened_case_has_its_whole_time_again(reviewer, second_reviewer):
    case = grown_old(graded(make_case()))
    case = settled(settled(case, reviewer, "KEEP"), second_reviewer, "KEEP")
    case = decisions.reopen(case, because="new_facts")
    assert timedelta(hours=24) - MINUTE < due_in(case) <= timedelta(hours=24)
    priorities.rate(Case.objects.get())  # as the next scan does
    assert due_in(case) > timedelta(hours=24) - MINUTE


def test_a_woken_case_too(reviewer):
    case = grown_old(graded(make_case(near=True)))
    settled(case, reviewer, "CANNOT_TELL")
    assert waiting.wake(case.pk, because="waited")
    assert due_in(case) > timedelta(hours=24) - MINUTE


def test_what_a_lead_sends_back_never_left_and_keeps_its_date(reviewer, second_reviewer, lead):
    case = grown_old(graded(make_case()))
    case = settled(settled(case, reviewer, "REMOVE_KNOWN"), second_reviewer, "KEEP")
    held = queue.claim(case, by=lead)
    rounds.send_back(held, by=lead, token=held.lease_token, reason="mind the colour")
    assert due_in(case) < timedelta(0)


def test_a_higher_triage_brings_the_date_forward_all_the_same(reviewer, second_reviewer):
    case = graded(make_case(near=True, trust="standard"), "C")
    case = settled(settled(case, reviewer, "KEEP"), second_reviewer, "KEEP")
    case = decisions.reopen(case, because="new_facts")
    assert due_in(case) > timedelta(days=4)
    add_entry(case)
    graded(case)
    priorities.rate(Case.objects.get())
    assert due_in(case) <= timedelta(hours=24)


def test_a_reopened_case_has_the_priority_of_now_at_once(reviewer, second_reviewer):
    case = make_case(near=True)
    case = settled(settled(case, reviewer, "KEEP"), second_reviewer, "KEEP")
    add_entry(case, algorithm="pdq", distance=2)
    graded(case)
    Case.objects.update(priority=0.5)
    case = decisions.reopen(case, because="new_facts")
    now = Case.objects.get()
    priorities.rate(case)
    assert now.priority == pytest.approx(case.priority)
    assert now.priority > 8


def test_a_class_that_only_people_said_is_not_lost(reviewer, second_reviewer):
    """No mapping tells the class of these values: two people did."""
    case = make_case(harm_class="unknown")
    for person in (reviewer, second_reviewer):
        case = settled(case, person, "REMOVE_KNOWN", harm_class="csam")
    case = decisions.reopen(case, because="new_facts")
    assert Case.objects.get().harm_class == "csam"
    graded(case, "prohibited")  # until a list says one
    priorities.rate(Case.objects.get())
    assert Case.objects.get().harm_class == "non_photographic"


# --- the duty profile ----------------------------------------------------------------------------
def test_under_a_legal_duty_cases_are_due_sooner(settings):
    case = graded(make_case())
    times = {}
    for profile in settings.DUE_HOURS:
        settings.DUTY_PROFILE = profile
        priorities.rate(case)
        times[profile] = case.due_at - case.opened_at
    assert times == {"voluntary": timedelta(hours=24), "mandatory": timedelta(hours=12)}


def errors():
    return {error.id: error.msg for error in run_checks() if error.is_serious()}


def test_a_profile_that_does_not_exist_stops_the_start(settings):
    assert errors() == {}
    settings.DUTY_PROFILE = "sometimes"
    assert errors() == {"breakwater.E007": "DUTY_PROFILE must be voluntary or mandatory."}


def test_hours_that_cannot_pass_stop_the_start(settings):
    settings.DUE_HOURS = settings.DUE_HOURS | {
        "mandatory": settings.DUE_HOURS["mandatory"] | {"high": 0}
    }
    assert list(errors()) == ["breakwater.E008"]
    assert "mandatory, high" in errors()["breakwater.E008"]


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ("voluntary", "critical in 24 h, high in 48 h, unknown in 48 h, standard in 5 days"),
        ("mandatory", "critical in 12 h, high in 24 h, unknown in 24 h, standard in 48 h"),
    ],
)
def test_the_queue_says_when_cases_are_due_and_why(login, reviewer, settings, profile, says):
    settings.DUTY_PROFILE = profile
    page = " ".join(login(reviewer).get("/queue/").content.decode().split())
    assert f"{says}, other harm in 10 days." in page
    assert ("So soon because" in page) is (profile == "mandatory")
    assert ("no law makes it report" in page) is (profile == "voluntary")
