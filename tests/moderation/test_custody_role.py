"""The application's own role in the database: it adds to what must stand and changes none of it."""

from collections.abc import Iterator

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from config import env, roles, services
from moderation import checks
from moderation.models import CustodyEvent, Decision
from moderation.review import queue
from tests.moderation.review.making import make_case, settled

pytestmark = pytest.mark.django_db
ROLE = "breakwater_at_test"  # gone with the transaction of the test


@pytest.fixture
def application(db: None) -> Iterator[None]:
    """The rest of the test speaks to the database as the application does."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {ROLE}")
        roles.grant(connection, to=ROLE)
        cursor.execute(f"SET LOCAL ROLE {ROLE}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


@pytest.fixture
def decided(application: None, reviewer: User, second_reviewer: User) -> Decision:
    """A case that two people closed, every step of it taken in the application's role."""
    case = settled(settled(make_case(), reviewer, "REMOVE_KNOWN"), second_reviewer, "REMOVE_KNOWN")
    return case.decisions.get()


@pytest.mark.parametrize("table", roles.APPEND_ONLY)
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE {table} SET {column} = {column}",
        "UPDATE {table} SET {column} = {column} WHERE false",
        "DELETE FROM {table}",
        "TRUNCATE {table} CASCADE",
        "ALTER TABLE {table} DISABLE TRIGGER ALL",
        "ALTER TABLE {table} DISABLE TRIGGER USER",
        "DROP TABLE {table} CASCADE",
        "CREATE TRIGGER own BEFORE INSERT ON {table}"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
        "SELECT * FROM {table} FOR UPDATE",
    ],
)
def test_what_must_stand_is_refused_to_the_application(
    decided: Decision, table: str, sql: str
) -> None:
    column = "reason" if table == "moderation_custodyevent" else "verdict"
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL pgtrigger.ignore = '{all}'")  # not the triggers refuse it
        with pytest.raises(DatabaseError) as refused, transaction.atomic():
            cursor.execute(sql.format(table=table, column=column))
    assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege)
    assert Decision.objects.get() == decided
    assert CustodyEvent.objects.check_chain().intact


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE moderation_custodyevent SET reason = 'x'",
        "DELETE FROM moderation_custodyevent",
        "TRUNCATE moderation_custodyevent",
    ],
)
def test_it_is_refused_to_the_very_login_of_web_and_workers(reviewer: User, sql: str) -> None:
    """On a connection of its own; where one login is all there is, by the triggers."""
    queue.claim(make_case(), by=reviewer)
    here, login = connection.settings_dict, env.database(services.database_url())
    address = {
        "host": here["HOST"] or None,
        "port": here["PORT"] or None,
        "dbname": here["NAME"],
        "user": login["USER"] or None,
        "password": login["PASSWORD"] or None,
    }
    refused = (psycopg.errors.InsufficientPrivilege, psycopg.errors.RaiseException)
    with psycopg.connect(**address, autocommit=True) as application:
        assert application.execute("SELECT count(*) FROM moderation_custodyevent").fetchone() == (
            1,
        )
        with pytest.raises(refused):
            application.execute(sql)
    assert CustodyEvent.objects.check_chain().events == 1
    assert CustodyEvent.objects.check_chain().intact


def test_the_application_goes_on_adding(decided: Decision, reviewer: User) -> None:
    before = CustodyEvent.objects.count()
    make_case()
    assert queue.claim_next(by=reviewer) is not None
    assert CustodyEvent.objects.count() == before + 1
    assert CustodyEvent.objects.check_chain().intact


def test_who_could_change_it_is_told(application: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not roles.could_change(connection, ROLE)
    assert not roles.could_change(connection, "")
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
    assert roles.could_change(connection, "")
    monkeypatch.setattr(roles, "application", lambda: ROLE)
    assert checks.custody_stands(None, databases=["default"]) == []
    for right in ("UPDATE (reason)", "DELETE", "TRUNCATE", "TRIGGER"):
        with connection.cursor() as cursor:
            cursor.execute(f"GRANT {right} ON moderation_custodyevent TO {ROLE}")
            [warning] = checks.custody_stands(None, databases=["default"])
            assert "could change the chain of custody" in warning.msg
            cursor.execute(f"REVOKE {right} ON moderation_custodyevent FROM {ROLE}")
    assert not roles.could_change(connection, ROLE)


@pytest.mark.parametrize("right", ["SUPERUSER", "CREATEROLE"])
def test_a_role_that_could_take_the_right_is_told_too(application: None, right: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute(f"ALTER ROLE {ROLE} {right}")
    assert roles.could_change(connection, ROLE)


def test_a_member_of_the_owner_is_told_too(application: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute("CREATE ROLE breakwater_owner_at_test")
        cursor.execute("ALTER TABLE moderation_decision OWNER TO breakwater_owner_at_test")
        assert not roles.could_change(connection, ROLE)
        cursor.execute(f"GRANT breakwater_owner_at_test TO {ROLE}")
    assert roles.could_change(connection, ROLE)


def test_rights_given_by_hand_go_when_tables_are_made(application: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute(f"GRANT ALL ON moderation_custodyevent, moderation_decision TO {ROLE}")
    assert roles.could_change(connection, ROLE)
    roles.grant(connection, to=ROLE)
    assert not roles.could_change(connection, ROLE)


def test_verify_says_so_where_it_could(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(roles, "could_change", lambda connection, role: True)
    call_command("verify_custody")
    told = capsys.readouterr()
    assert told.err.strip() == roles.WARNING
    assert "intact" in told.out
