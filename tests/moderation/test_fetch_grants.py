"""Scans that fetch are started by dated grants alone: given by an operator to a list manager, never
to oneself, ended by the clock, and opening nothing without a legal basis."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.db.models import F
from django.test import Client
from django.utils import timezone

from moderation.models import CustodyEvent, FetchGrant, LegalBasis, Revision, Scan
from moderation.people import fetch_granting, granting
from moderation.permissions import ROLES, SCAN_FETCH
from moderation.scanning import planning
from tests.moderation.views import rows

pytestmark = pytest.mark.django_db
Login = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderation.tasks.enqueue_scan.delay", lambda *_: None)


@pytest.fixture
def bare(list_manager: User) -> User:
    """A list manager whose grant has ended."""
    FetchGrant.objects.all().update(
        starts_at=timezone.now() - timedelta(days=80), ends_at=timezone.now() - timedelta(seconds=1)
    )
    return list_manager


@pytest.fixture
def revision() -> Revision:
    rows.hash_list()
    LegalBasis.objects.create(
        basis="Order 7", officer="Ada", until=timezone.now() + timedelta(days=9)
    )
    return rows.revision()


def start(client: Client, revision: Revision) -> Any:
    return client.post(f"/datasets/{revision.pk}/scan/", {"kind": "content"})


def test_the_role_alone_starts_none(login: Login, bare: User, revision: Revision) -> None:
    client = login(bare)
    page = client.get(f"/datasets/{revision.pk}/").content.decode()
    assert "need a grant of fetching" in page
    assert start(client, revision).status_code == 400
    with pytest.raises(planning.ScanRefused, match="grant of fetching"):
        planning.start(revision, by=bare, fetch=True)
    assert not Scan.objects.exists()
    assert client.post(f"/datasets/{revision.pk}/scan/", {"kind": "hash_only"}).status_code == 302


def test_a_grant_lets_them(login: Login, bare: User, operator: User, revision: Revision) -> None:
    answer = login(operator).post(f"/team/{bare.pk}/fetching/", {"days": 30}, follow=True)
    assert "In force" in answer.content.decode()
    assert start(login(bare), revision).status_code == 302
    assert Scan.objects.get().kind == Scan.Kind.CONTENT
    given = CustodyEvent.objects.get(action="fetching_granted")
    grant = FetchGrant.objects.live().get()
    assert (given.object_type, given.object_id) == ("user", str(bare.pk))
    assert given.after == {"grant": grant.pk, "until": grant.ends_at.isoformat()}
    assert given.actor == operator.person.pseudonym


def test_an_operator_gives_and_has_none(login: Login, operator: User, revision: Revision) -> None:
    assert [name for name, held in ROLES.items() if SCAN_FETCH in held] == ["list_manager"]
    assert start(login(operator), revision).status_code == 400
    assert "does not include scans that fetch" in (
        login(operator).get(f"/datasets/{revision.pk}/").content.decode()
    )


def test_it_ends_by_the_clock_and_at_once_by_hand(
    login: Login, list_manager: User, operator: User, revision: Revision
) -> None:
    assert FetchGrant.objects.let(list_manager)
    grant = FetchGrant.objects.get()
    client = login(operator)
    for said in ("ended at once", "had ended already"):
        page = client.post(f"/team/fetching/{grant.pk}/withdraw/", follow=True)
        assert said in page.content.decode()
    assert not FetchGrant.objects.let(list_manager)
    assert start(login(list_manager), revision).status_code == 400
    assert CustodyEvent.objects.filter(action="fetching_withdrawn").count() == 1


def test_without_a_legal_basis_it_opens_nothing(
    login: Login, list_manager: User, revision: Revision
) -> None:
    LegalBasis.objects.update(ended_at=timezone.now())
    answer = start(login(list_manager), revision)
    assert answer.status_code == 400
    assert "no legal basis is recorded" in answer.content.decode()


def test_going_on_with_one_is_fetching_too(
    login: Login, list_manager: User, operator: User, revision: Revision
) -> None:
    scan = planning.start(revision, by=list_manager, fetch=True)
    planning.pause(scan, by=operator)
    page = login(operator).post(f"/scans/{scan.pk}/resume/", follow=True)
    assert "grant of fetching" in page.content.decode()
    assert Scan.objects.get().state == Scan.State.PAUSED
    login(list_manager).post(f"/scans/{scan.pk}/resume/")
    assert Scan.objects.get().state == Scan.State.RUNNING


def test_nobody_gives_one_to_themselves(login: Login, person: Callable[..., User]) -> None:
    both = person("bo", "operator", "list_manager")
    with pytest.raises(PermissionDenied):
        fetch_granting.give(both, by=both, days=1)
    with pytest.raises(PermissionDenied):
        fetch_granting.withdraw(FetchGrant.objects.get(person=both), by=both)
    client = login(both)
    assert client.post(f"/team/{both.pk}/fetching/", {"days": 1}).status_code == 403
    assert "Let them fetch" not in client.get(f"/team/{both.pk}/").content.decode()
    grant = FetchGrant.objects.get(person=both)
    with pytest.raises(IntegrityError), transaction.atomic():
        FetchGrant.objects.filter(pk=grant.pk).update(given_by=both)


def test_a_lead_grants_previews_and_no_fetching(
    login: Login, lead: User, list_manager: User
) -> None:
    assert login(lead).post(f"/team/{list_manager.pk}/fetching/", {"days": 1}).status_code == 403
    with pytest.raises(PermissionDenied):
        fetch_granting.give(list_manager, by=lead, days=1)


@pytest.mark.parametrize("days", [0, 91])
def test_how_long(login: Login, bare: User, operator: User, days: int) -> None:
    assert login(operator).post(f"/team/{bare.pk}/fetching/", {"days": days}).status_code == 400
    with pytest.raises(granting.GrantRefused, match="1 to 90 days"):
        fetch_granting.give(bare, by=operator, days=days)
    with pytest.raises(IntegrityError), transaction.atomic():
        FetchGrant.objects.update(ends_at=F("starts_at") + timedelta(days=91))


def test_only_whose_role_has_such_scans(operator: User, reviewer: User) -> None:
    with pytest.raises(granting.GrantRefused, match="Only a list manager"):
        fetch_granting.give(reviewer, by=operator, days=1)


def test_a_role_that_is_gone_takes_it_along(list_manager: User) -> None:
    list_manager.groups.clear()
    assert not FetchGrant.objects.let(User.objects.get(pk=list_manager.pk))


def test_a_command_in_somebodys_name_needs_it_too(bare: User, revision: Revision) -> None:
    with pytest.raises(CommandError, match="grant of fetching"):
        call_command("scan", str(revision), "--fetch", "--by", bare.username)


def test_its_end_is_told_ahead(login: Login, list_manager: User) -> None:
    assert "Yours, running out" not in login(list_manager).get("/").content.decode()
    FetchGrant.objects.update(ends_at=timezone.now() + timedelta(days=3))
    assert "Yours, running out" in login(list_manager).get("/").content.decode()
    assert "scans that download pictures" in login(list_manager).get("/account/").content.decode()
