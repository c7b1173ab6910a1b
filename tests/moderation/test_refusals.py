"""What was refused to a person is an event: who, what about, what they tried and why not. It holds
no body, ticket or address, fills no chain, and tells the person nothing."""

import io
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image
from rest_framework.authtoken.models import Token

from moderation.evidence import refusing
from moderation.models import Case, CustodyEvent, Entry, Grant, LegalBasis, Reveal, Wellness
from moderation.review import exposure, queue
from reports import drafting, submitting
from tests.moderation.review.making import (
    add_entry,
    make_case,
    make_revision,
    record_basis,
    seal_copies,
    settled,
)
from tests.reports.making import confirmed_case, draft_of

pytestmark = pytest.mark.django_db
SESSION = "a-session"
TOKEN = r"\b[A-Za-z0-9]{64}\b"  # against forged forms: new on each page
Login = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _evidence(settings: Any, tmp_path: Any) -> None:
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()


def refused() -> list[tuple[str, str, str, str]]:
    """Object, what was tried, why, and who, of each refusal in its order."""
    events = CustodyEvent.objects.filter(action=refusing.ACTION).order_by("seq")
    return [
        (f"{e.object_type}:{e.object_id}", e.after.get("tried", ""), e.reason, e.actor)
        for e in events
    ]


@pytest.fixture
def entry() -> Entry:
    """Of a case with a near match, previews sealed, not made up: it needs a legal basis."""
    case = Case.objects.create(harm_class="csam", priority=8.0)
    made = add_entry(case, revision=make_revision(synthetic=False), algorithm="pdq", distance=12)
    rows = np.mgrid[0:480, 0:640][0] % 256
    file = io.BytesIO()
    Image.fromarray(rows.astype("uint8")).save(file, "PNG")
    return seal_copies(made, file.getvalue())


@pytest.fixture
def held(entry: Entry, reviewer: User) -> Case:
    record_basis()
    return queue.claim(Case.objects.get(), by=reviewer)


# --- looks and tickets ---------------------------------------------------------------------------
def test_a_locked_look(login: Login, entry: Entry, reviewer: User) -> None:
    case = Case.objects.get()
    form = {"entry": entry.pk, "level": 1}
    assert login(reviewer).post(f"/cases/{case.pk}/reveal/", form).status_code == 409
    who = reviewer.person.pseudonym
    assert refused() == [(f"case:{case.pk}", "preview_l1", "not_held", who)]
    assert not Reveal.objects.exists()
    assert CustodyEvent.objects.check_chain().intact


def test_a_limit_of_ones_own_is_not_told(held: Case, entry: Entry, reviewer: User) -> None:
    Wellness.objects.create(person=reviewer, day_limit=0)
    with pytest.raises(exposure.Locked, match="your limit"):
        exposure.reveal(held, entry, by=reviewer, level=1, session=SESSION)
    assert [why for _, _, why, _ in refused()] == ["not_now"]
    assert "limit" not in str(CustodyEvent.objects.last().content())


def test_a_ticket_that_opens_nothing(login: Login, held: Case, reviewer: User) -> None:
    client = login(reviewer)
    assert client.get("/previews/made-up-ticket/").status_code == 404
    who = reviewer.person.pseudonym
    assert refused() == [(f"user:{reviewer.pk}", "preview_ticket", "bad_ticket", who)]
    assert "made-up" not in str(CustodyEvent.objects.last().content())


def test_a_ticket_used_twice_names_the_case(held: Case, entry: Entry, reviewer: User) -> None:
    ticket = exposure.reveal(held, entry, by=reviewer, level=1, session=SESSION)
    assert exposure.open_ticket(ticket, by=reviewer, session=SESSION)
    with pytest.raises(exposure.NoTicket):
        exposure.open_ticket(ticket, by=reviewer, session=SESSION)
    assert [each[:3] for each in refused()] == [(f"case:{held.pk}", "preview_ticket", "bad_ticket")]


def end_basis(reviewer: User, entry: Entry) -> None:
    LegalBasis.objects.update(ended_at=Now())


def take_capability(reviewer: User, entry: Entry) -> None:
    group = Group.objects.get(name="reviewer")
    group.permissions.remove(group.permissions.get(codename="preview_l2"))


def end_grant(reviewer: User, entry: Entry) -> None:
    Grant.objects.filter(person=reviewer).update(withdrawn_at=Now())


def stop(reviewer: User, entry: Entry) -> None:
    Wellness.objects.update_or_create(person=reviewer, defaults={"stopped_at": Now()})


def rest(reviewer: User, entry: Entry) -> None:
    """They looked at L3 of another case a moment ago."""
    Reveal.objects.create(
        case=make_case(near=True),
        entry=entry,
        reviewer=reviewer,
        level=3,
        ticket_digest=secrets.token_bytes(32),
        opened_at=Now(),
    )


def choose_less(reviewer: User, entry: Entry) -> None:
    Wellness.objects.update_or_create(person=reviewer, defaults={"highest": {"csam": 1}})


def match_exactly(reviewer: User, entry: Entry) -> None:
    """A trusted list comes to hold the very file."""
    other = add_entry(Case.objects.create(harm_class="csam"))
    match = other.flag.matches.get()
    match.pk = None
    match.flag = entry.flag
    match.save()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (end_basis, "no_legal_basis"),
        (take_capability, "no_permission"),
        (end_grant, "no_grant"),
        (stop, "not_now"),
        (rest, "not_now"),
        (choose_less, "not_now"),
        (match_exactly, "trusted_exact"),
    ],
)
def test_what_locks_a_level_locks_its_tickets(
    held: Case, entry: Entry, reviewer: User, change: Callable[[User, Entry], None], why: str
) -> None:
    ticket = exposure.reveal(held, entry, by=reviewer, level=2, session=SESSION)
    change(reviewer, entry)
    person = User.objects.get(pk=reviewer.pk)  # as the next request finds them
    with pytest.raises(exposure.NoTicket):
        exposure.open_ticket(ticket, by=person, session=SESSION)
    assert not CustodyEvent.objects.filter(action="preview_opened").exists()
    assert refused()[-1][:3] == (f"case:{held.pk}", "preview_ticket", why)


def test_the_last_look_of_a_limit_opens(
    held: Case, entry: Entry, reviewer: User, settings: Any
) -> None:
    """The ticket in hand is counted once: it does not lock itself."""
    settings.EXPOSURE_PER_DAY = settings.EXPOSURE_POINTS[1]
    ticket = exposure.reveal(held, entry, by=reviewer, level=1, session=SESSION)
    assert exposure.open_ticket(ticket, by=reviewer, session=SESSION)


# --- permissions ---------------------------------------------------------------------------------
def test_a_page_without_its_capability(login: Login, reviewer: User) -> None:
    assert login(reviewer).get("/audit/?object=case:29").status_code == 403
    who = reviewer.person.pseudonym
    assert refused() == [(f"user:{reviewer.pk}", "audit", "no_permission", who)]


def test_a_step_names_its_object(login: Login, reporter: User) -> None:
    case = make_case()
    form = {"reason": "let me through", "answer": "REMOVE_KNOWN"}
    assert login(reporter).post(f"/cases/{case.pk}/answer/", form).status_code == 403
    assert [each[:3] for each in refused()] == [(f"case:{case.pk}", "case_answer", "no_permission")]
    assert "let me through" not in str(CustodyEvent.objects.last().content())


def test_the_back_room(login: Login, reviewer: User) -> None:
    assert login(reviewer).get("/admin/", follow=True).status_code == 403
    assert [each[:3] for each in refused()] == [
        (f"user:{reviewer.pk}", "admin/login/", "no_permission")
    ]


def test_the_api(reviewer: User, client: Client) -> None:
    key = Token.objects.create(user=reviewer).key
    asked = {"algorithm": "md5", "value": secrets.token_hex(16)}
    headers = {"Authorization": f"Token {key}"}
    assert client.post("/api/v1/screen/", asked, headers=headers).status_code == 403
    assert [(why, who) for _, _, why, who in refused()] == [
        ("no_permission", reviewer.person.pseudonym)
    ]
    assert asked["value"] not in str(CustodyEvent.objects.last().content())


def test_nobody_is_no_person(client: Client) -> None:
    client.get("/audit/")
    client.post("/api/v1/screen/", {})
    assert refused() == []


# --- two people ----------------------------------------------------------------------------------
def test_a_second_answer_by_the_first_person(login: Login, reviewer: User) -> None:
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    login(reviewer).post(f"/cases/{case.pk}/claim/")
    assert [each[:3] for each in refused()] == [(f"case:{case.pk}", "case_claim", "same_person")]


def test_a_lead_takes_over_what_they_answered(
    login: Login, lead: User, second_reviewer: User
) -> None:
    case = settled(make_case(), lead, "REMOVE_KNOWN")
    queue.claim(case, by=second_reviewer)
    login(lead).post(f"/cases/{case.pk}/take-over/")
    assert [each[:3] for each in refused()] == [
        (f"case:{case.pk}", "case_take_over", "same_person")
    ]


def test_a_case_that_somebody_else_holds_is_no_refusal(
    login: Login, reviewer: User, second_reviewer: User
) -> None:
    case = queue.claim(make_case(), by=second_reviewer)
    login(reviewer).post(f"/cases/{case.pk}/claim/")
    assert refused() == []


def test_ones_own_report(reviewer: User, second_reviewer: User, reporter: User) -> None:
    report = draft_of(confirmed_case(reviewer, second_reviewer))
    report = drafting.propose(report, by=reporter)
    with pytest.raises(submitting.SamePerson):
        submitting.approve(report, by=reporter)
    assert [each[:3] for each in refused()] == [(f"report:{report.pk}", "approve", "same_person")]


# --- what is not there ---------------------------------------------------------------------------
def test_outside_the_grants_and_nowhere_are_one_event(login: Login, reviewer: User) -> None:
    """To the person, to the chain, and in the work that it takes."""
    Grant.objects.filter(person=reviewer).update(harm_classes=["csam"])
    outside = make_case(pk=7_000_001, harm_class="adult_intimate").pk
    nowhere = outside + 1
    client = login(reviewer)
    client.get("/queue/")  # whatever a first request makes
    client.get(f"/cases/{nowhere + 1}/")
    work, bodies = [], []
    for number in (outside, nowhere):
        with CaptureQueriesContext(connection) as asked:
            page = client.get(f"/cases/{number}/")
        work.append(len(asked))
        bodies.append(re.sub(TOKEN, "", page.content.decode()).replace(str(number), ""))
        assert page.status_code == 404
    assert work[0] == work[1]
    assert len(set(bodies)) == 1
    assert [each[:3] for each in refused()][1:] == [
        (f"case:{outside}", "case", "not_found"),
        (f"case:{nowhere}", "case", "not_found"),
    ]


def test_a_number_that_no_row_can_have(login: Login, reviewer: User, auditor: User) -> None:
    assert login(reviewer).get(f"/cases/{10**30}/").status_code == 404
    assert refused() == []
    assert login(auditor).get("/audit/").status_code == 200


def test_a_page_that_is_none_is_no_event(login: Login, reviewer: User) -> None:
    assert login(reviewer).get("/nothing/of/the/kind/").status_code == 404
    assert refused() == []


# --- no flood ------------------------------------------------------------------------------------
def test_the_same_within_a_minute_is_one_event(
    login: Login, reviewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = login(reviewer)
    for _ in range(5):
        client.get("/audit/")
    assert len(refused()) == 1
    monkeypatch.setattr(refusing, "AGAIN", timedelta(0))  # a minute later
    client.get("/audit/")
    assert len(refused()) == 2


def test_nobody_fills_the_chain_by_trying_everything(
    login: Login, reviewer: User, second_reviewer: User
) -> None:
    client = login(reviewer)
    for number in range(3 * refusing.MOST):
        client.get(f"/cases/{10**6 + number}/")
    assert len(refused()) == refusing.MOST + 1
    assert refused()[-1][:3] == (f"user:{reviewer.pk}", "", refusing.MANY)
    login(second_reviewer).get("/audit/")  # of somebody else it is told all the same
    assert refused()[-1][3] == second_reviewer.person.pseudonym


# --- on the page ---------------------------------------------------------------------------------
def test_an_auditor_finds_them(login: Login, reporter: User, auditor: User) -> None:
    case = make_case()
    login(reporter).post(f"/cases/{case.pk}/answer/")
    page = login(auditor).get("/audit/?action=attempt+refused").content.decode()
    assert "attempt refused" in page
    assert "no permission" in page
    assert f"case {case.pk}" in page


def test_the_history_of_a_case_does_not_tell(login: Login, lead: User, reporter: User) -> None:
    case = settled(make_case(), lead, "ESCALATE")
    login(reporter).post(f"/cases/{case.pk}/answer/")
    assert len(refused()) == 1
    page = login(lead).get(f"/cases/{case.pk}/").content.decode()
    assert "answered" in page
    assert reporter.person.pseudonym not in page
