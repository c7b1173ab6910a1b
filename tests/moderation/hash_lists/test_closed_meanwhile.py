"""A case that people close while a load with withdrawals is under way is opened again by it."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from time import sleep

import pytest
from django.db import connection, transaction

from moderation import tasks
from moderation.hash_lists.loading import load
from moderation.hash_lists.withdrawals import cases_to_reopen
from moderation.models import Case, CustodyEvent, HashListVersion
from tests.moderation.review.making import answer, end_grace, settled

from .files import table
from .rows import flagged_case
from .test_withdrawals import known

pytestmark = pytest.mark.django_db(transaction=True)
KEEP, REMOVE = "KEEP_LIST_ERROR", "REMOVE_KNOWN"


def loaded(rows: list[tuple[int, str]], label: str) -> HashListVersion:
    try:
        done = load(io.BytesIO(table(rows).encode()), slug="demo", label=label, format="csv")
        return HashListVersion.objects.get(pk=done.version_id)
    finally:
        connection.close()


@contextmanager
def known_hashes_locked(pool: ThreadPoolExecutor) -> Iterator[None]:
    """Another connection lets nobody write known hashes, as a long load waits for its own."""
    held, go_on = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("LOCK TABLE moderation_knownhash IN SHARE ROW EXCLUSIVE MODE")
                held.set()
                assert go_on.wait(60)
        finally:
            connection.close()

    holding = pool.submit(hold)
    assert held.wait(20)
    try:
        yield
    finally:
        go_on.set()
        holding.result(20)


def until_one_waits() -> None:
    """Return once a load stands before the table of known hashes."""
    for _ in range(400):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks"
                " WHERE NOT granted AND relation = 'moderation_knownhash'::regclass"
            )
            if cursor.fetchone()[0]:
                return
        sleep(0.05)
    pytest.fail("the load never came to the known hashes")


def test_closed_while_the_load_runs(reviewer, second_reviewer):
    loaded([(1, "A"), (2, "A")], "1")
    case = settled(flagged_case(known(1)), reviewer, REMOVE)
    with ThreadPoolExecutor(2) as pool:
        with known_hashes_locked(pool):
            loading = pool.submit(loaded, [(2, "A")], "2")
            until_one_waits()  # its version is made, its values are not in
            case = settled(case, second_reviewer, REMOVE)
            assert case.state == Case.State.CLOSED
            assert not loading.done()
        version = loading.result(30)
    case.refresh_from_db()
    assert case.closed_at > version.loaded_at  # by the clock it would be missed
    tasks.rescan_due()
    case.refresh_from_db()
    assert case.state == Case.State.OPEN
    assert case.reopened_because == f"known_hash_withdrawn version {version.pk}"


def test_answered_before_the_load_and_settled_after_it(reviewer, second_reviewer):
    loaded([(1, "A"), (2, "A")], "1")
    case = settled(flagged_case(known(1)), reviewer, KEEP)
    review = answer(case, second_reviewer, KEEP)
    version = loaded([(2, "A")], "2")
    assert tasks.reopen_withdrawn(version) == 0  # still in work
    end_grace(review)
    tasks.settle_due()
    tasks.rescan_due()
    assert Case.objects.get().state == Case.State.OPEN


def test_answered_since_then_stays_closed(reviewer, second_reviewer):
    loaded([(1, "A"), (2, "A")], "1")
    case = settled(flagged_case(known(1)), reviewer, KEEP)
    version = loaded([(2, "A")], "2")
    settled(case, second_reviewer, KEEP)
    tasks.rescan_due()
    assert Case.objects.get().state == Case.State.CLOSED
    assert not cases_to_reopen(version).exists()


def test_a_version_replaced_before_anybody_looked_is_heeded(reviewer, second_reviewer):
    loaded([(1, "A"), (2, "A")], "1")
    case = settled(settled(flagged_case(known(1)), reviewer, KEEP), second_reviewer, KEEP)
    assert case.state == Case.State.CLOSED
    version = loaded([(2, "A")], "2")
    loaded([(2, "A"), (3, "A")], "3")
    for _ in range(2):
        tasks.rescan_due()
        case.refresh_from_db()
        assert case.reopened_because == f"known_hash_withdrawn version {version.pk}"
    assert CustodyEvent.objects.filter(action="case_reopened").count() == 1
    for person in (reviewer, second_reviewer):
        case = settled(case, person, KEEP)
    tasks.rescan_due()
    assert Case.objects.get().state == Case.State.CLOSED
