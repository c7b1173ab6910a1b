"""The cast: one person a role, and their logged-in clients."""

import gc
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client, TransactionTestCase

from moderation.models import Person
from moderation.people import fetch_granting, granting
from tests import emptying

PASSWORD = "calm-water-42"
LONG = ("tests/console/", "tests/journeys/", "tests/access/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, lest one process ends with it while the other has nothing."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def pytest_collection_finish() -> None:
    """Look for garbage only in what tests make, not over and over in all that was imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: emptying.empty())
        yield


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Make a user with roles; ``person("ada", "reviewer", "lead")``."""

    def make(name: str, *roles: str) -> User:
        user = User.objects.create_user(name, password=PASSWORD)
        user.groups.set(Group.objects.filter(name__in=roles))
        assert user.groups.count() == len(roles)
        Person.objects.get_or_create(user=user)
        if set(roles) & set(granting.WITH_CASES):
            granting.give_everything(user)
        fetch_granting.let_made_up(user)
        return user

    return make


@pytest.fixture
def reviewer(person: Callable[..., User]) -> User:
    return person("rhea", "reviewer")


@pytest.fixture
def second_reviewer(person: Callable[..., User]) -> User:
    return person("sven", "reviewer")


@pytest.fixture
def lead(person: Callable[..., User]) -> User:
    return person("lena", "lead")


@pytest.fixture
def reporter(person: Callable[..., User]) -> User:
    return person("remo", "reporter")


@pytest.fixture
def second_reporter(person: Callable[..., User]) -> User:
    return person("rita", "reporter")


@pytest.fixture
def list_manager(person: Callable[..., User]) -> User:
    return person("lima", "list_manager")


@pytest.fixture
def operator(person: Callable[..., User]) -> User:
    return person("otto", "operator")


@pytest.fixture
def auditor(person: Callable[..., User]) -> User:
    return person("aude", "auditor")


@pytest.fixture
def outsider(person: Callable[..., User]) -> User:
    return person("oona")


@pytest.fixture
def login() -> Callable[[User], Client]:
    """A client with that user's session."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make
