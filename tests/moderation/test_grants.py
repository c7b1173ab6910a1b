"""Cases and previews open by dated grants alone, given by somebody else and ended by the clock."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from moderation.models import Case, CustodyEvent, Grant
from moderation.people import granting
from moderation.review import exposure, holding, listing, queue
from tests.moderation.review.making import make_case

pytestmark = pytest.mark.django_db
TODAY = timezone.localdate()
FORM = {"classes": ["csam"], "level": "1", "days": "30"}


@pytest.fixture
def bare(reviewer):
    """A reviewer whose grants have all ended."""
    Grant.objects.filter(person=reviewer).update(ends_at=timezone.now() - timedelta(seconds=1))
    return reviewer


def give(to, by, **how):
    how = {"classes": ["csam"], "level": 0, "days": 30} | how
    return granting.give(to, by=by, **how)


def renewed(to, by, **how):
    return give(to, by, wellbeing_checked=True, **how)


def test_without_a_grant_there_is_no_case(login, bare):
    case = make_case()
    client = login(bare)
    page = client.get("/queue/").content.decode()
    assert "You hold no grant now" in page
    assert f"/cases/{case.pk}/" not in page
    assert queue.claim_next(by=bare) is None
    assert client.get(f"/cases/{case.pk}/").status_code == 404
    assert client.post(f"/cases/{case.pk}/claim/").status_code == 404
    with pytest.raises(queue.NotYours, match="no grant for its harm class"):
        queue.claim(case, by=bare)


def test_next_and_the_queue_keep_to_the_classes(login, bare, operator):
    other = make_case(harm_class="adult_intimate", priority=99)
    case = make_case(harm_class="csam")
    give(bare, operator)
    figures = listing.figures(bare)
    assert (figures["yours"], figures["waiting"]) == (1, 1)
    assert listing.total({}, classes=queue.classes_of(bare)) == 1
    page = login(bare).get("/queue/").content.decode()
    assert f"/cases/{case.pk}/" in page
    assert f"/cases/{other.pk}/" not in page
    assert "You hold no grant" not in page
    assert queue.claim_next(by=bare) == case
    queue.release(case, by=bare, token=queue.claim(case, by=bare).lease_token)
    give(bare, operator, classes=["adult_intimate"])
    assert listing.figures(bare)["yours"] == 2
    assert queue.claim_next(by=bare) == other


def test_a_case_that_changes_its_class_is_counted_in_the_new_one(bare, operator):
    case = make_case(harm_class="unknown")
    give(bare, operator)
    assert listing.figures(bare)["yours"] == 0
    type(case).objects.filter(pk=case.pk).update(harm_class="csam")
    assert listing.figures(bare)["yours"] == 1


def test_the_case_in_hand_stays_open_when_the_time_of_the_grant_is_over(login, bare, operator):
    grant = give(bare, operator)
    case = make_case()
    queue.claim(case, by=bare)
    Grant.objects.filter(pk=grant.pk).update(ends_at=timezone.now())
    assert login(bare).get(f"/cases/{case.pk}/").status_code == 200


def test_a_withdrawn_grant_takes_the_case_out_of_hand(login, bare, operator):
    grant = give(bare, operator)
    case, kept = make_case(), make_case(harm_class="other")
    give(bare, operator, classes=["other"])
    holding.hold(
        queue.claim(kept, by=bare), by=bare, token=Case.objects.get(pk=kept.pk).lease_token,
        hours=1, reason="asked", draft={},
    )  # fmt: skip
    token = queue.claim(case, by=bare).lease_token
    client = login(bare)
    client.post(f"/cases/{case.pk}/renew/", {"token": token, "reason": "a boat"})
    granting.withdraw(grant, by=operator)
    fields = {"token": token, "edit_no": 0, "idempotency_key": "k", "answer": "REMOVE_KNOWN"}
    assert client.post(f"/cases/{case.pk}/answer/", fields).status_code == 404
    assert client.get(f"/cases/{case.pk}/").status_code == 404
    assert not case.reviews.exclude(answer="").exists()
    case.refresh_from_db()
    assert (case.leased_by, case.state) == (None, "open")
    assert case.reviews.get().draft == {"reason": "a boat"}
    kept.refresh_from_db()
    assert kept.leased_by == bare  # another grant covers it


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_previews_open_up_to_the_granted_level(bare, operator, level):
    renewed(bare, operator, level=level)
    case = make_case(near=True)
    queue.claim(case, by=bare)
    entry = case.flags.get().entry
    steps = {step.number: step.locked for step in exposure.levels(case, entry, by=bare)}
    for number in (1, 2, 3):
        assert (steps[number] == exposure.NOT_GRANTED) == (number > level)
    if level < 3:
        with pytest.raises(exposure.Locked, match="no grant"):
            exposure.reveal(case, entry, by=bare, level=level + 1, session="s")


def test_a_grant_of_one_class_opens_no_preview_of_another(bare, operator):
    renewed(bare, operator, level=2, classes=["other"])
    give(bare, operator, level=0, classes=["csam"])
    assert Grant.objects.level(bare, "other") == 2
    assert Grant.objects.level(bare, "csam") == 0


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"level": 1, "days": 91}, "1 to 90 days"),
        ({"level": 0, "days": 367}, "1 to 366 days"),
        ({"days": 0}, "1 to 366 days"),
        ({"classes": []}, "at least one"),
        ({"level": 1}, "wellbeing check"),
    ],
)
def test_what_is_refused(bare, operator, how, why):
    before = Grant.objects.count()
    with pytest.raises(granting.GrantRefused, match=why):
        give(bare, operator, **how)
    assert Grant.objects.count() == before
    assert not CustodyEvent.objects.exists()


def test_nobody_gives_to_themselves(lead):
    with pytest.raises(PermissionDenied):
        give(lead, lead)
    grant = Grant.objects.get(person=lead)
    with pytest.raises(PermissionDenied):
        granting.withdraw(grant, by=lead)


@pytest.mark.parametrize("who", ["reviewer", "reporter", "list_manager", "auditor", "outsider"])
def test_only_leads_and_operators_give(request, login, second_reviewer, who):
    person = request.getfixturevalue(who)
    with pytest.raises(PermissionDenied):
        give(second_reviewer, person)
    client, grant = login(person), Grant.objects.get(person=second_reviewer)
    looks_up_names = who == "auditor"
    for path in ("/team/", f"/team/{second_reviewer.pk}/"):
        assert client.get(path).status_code == (200 if looks_up_names else 403)
    assert client.post(f"/team/{second_reviewer.pk}/grant/", FORM).status_code == 403
    assert client.post(f"/team/grants/{grant.pk}/withdraw/").status_code == 403
    assert Grant.objects.live().filter(pk=grant.pk).exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"ends_at": F("starts_at") + timedelta(days=91)},
        {"ends_at": F("starts_at")},
        {"level": 0, "ends_at": F("starts_at") + timedelta(days=367)},
        {"given_by": F("person")},
        {"training": None},
        {"harm_classes": []},
    ],
)
def test_the_database_refuses_the_same(reviewer, wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.filter(person=reviewer).update(**wrong)


@pytest.mark.parametrize("who", ["lead", "operator"])
def test_giving_and_withdrawing_by_hand(request, login, bare, who):
    giver = request.getfixturevalue(who)
    client = login(giver)
    path = f"/team/{bare.pk}/"
    assert "this person finds no case and no report now" in client.get(path).content.decode()
    refused = client.post(f"{path}grant/", FORM)
    assert refused.status_code == 400
    assert "Renewing previews needs a wellbeing check" in refused.content.decode()
    assert client.post(f"{path}grant/", FORM | {"wellbeing_checked": "on"}).url == path
    assert f'<span class="roles">{who}</span>' in client.get(path).content.decode()
    grant = Grant.objects.live().get(person=bare)
    assert (grant.level, grant.harm_classes, grant.given_by) == (1, ["csam"], giver)
    page = client.get(path).content.decode()
    assert "Wellbeing check took place." in page
    assert client.post(f"/team/grants/{grant.pk}/withdraw/").url == path
    client.post(f"/team/grants/{grant.pk}/withdraw/")  # a second time changes nothing
    assert not Grant.objects.live().filter(person=bare).exists()
    given, withdrawn = CustodyEvent.objects.filter(object_id=str(bare.pk))
    assert (given.action, withdrawn.action) == ("grant_given", "grant_withdrawn")
    assert given.after["harm_classes"] == ["csam"]
    assert given.actor == withdrawn.actor == giver.person.pseudonym


def test_ones_own_page_has_no_form(login, lead):
    client = login(lead)
    page = client.get(f"/team/{lead.pk}/").content.decode()
    assert '<span class="roles">lead</span>' in page
    assert "somebody else gives and withdraws them" in page
    assert "Give the grant" not in page
    assert client.post(f"/team/{lead.pk}/grant/", FORM).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": ["everything"]},
        {"classes": []},
        {"level": "4"},
        {"level": ""},
        {"days": "-1"},
        {"days": "9" * 30},
    ],
)
def test_a_wrong_form_gives_nothing(login, operator, bare, wrong):
    form = FORM | {"wellbeing_checked": "on"} | wrong
    assert login(operator).post(f"/team/{bare.pk}/grant/", form).status_code == 400
    assert not Grant.objects.live().filter(person=bare).exists()


def test_a_lead_sees_pseudonyms_and_those_who_need_grants(login, lead, reviewer, reporter, auditor):
    page = login(lead).get("/team/").content.decode()
    assert reviewer.person.pseudonym in page
    assert reporter.person.pseudonym in page
    assert "rhea" not in page
    assert auditor.person.pseudonym not in page
    assert login(lead).get(f"/team/{auditor.pk}/").status_code == 404


def test_a_reporter_needs_a_grant_too_and_gets_no_previews(login, lead, reporter):
    client = login(reporter)
    assert "You hold no grant now" not in client.get("/reports/").content.decode()
    Grant.objects.filter(person=reporter).update(withdrawn_at=timezone.now())
    assert "You hold no grant now" in client.get("/reports/").content.decode()
    with pytest.raises(granting.GrantRefused, match="Only who opens cases has previews"):
        give(reporter, lead, level=1)
    give(reporter, lead)
    assert "You hold no grant now" not in client.get("/reports/").content.decode()


def test_what_runs_out_is_shown_to_the_giver(login, lead, operator, reviewer):
    for giver in (lead, operator):
        assert "None runs out" in login(giver).get("/").content.decode()
    Grant.objects.filter(person=reviewer).update(ends_at=timezone.now() + timedelta(days=13))
    for giver in (lead, operator):
        assert "Running out" in login(giver).get("/").content.decode()
        page = login(giver).get("/team/").content.decode()
        assert "Running out within 14 days" in page


def test_a_ticket_dies_with_the_grant(bare, operator):
    grant = renewed(bare, operator, level=1)
    case = make_case(near=True)
    queue.claim(case, by=bare)
    reveal = case.reveals.create(
        entry=case.flags.get().entry,
        reviewer=bare,
        level=1,
        ticket_digest=exposure._digest("ticket", "session"),
    )
    granting.withdraw(grant, by=operator)
    with pytest.raises(exposure.NoTicket):
        exposure.open_ticket("ticket", by=bare, session="session")
    reveal.refresh_from_db()
    assert reveal.opened_at is None
