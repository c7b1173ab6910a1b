"""The chain of custody: append-only, and any change to it is found."""

import math
import string
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from moderation.models import CustodyEvent, Dataset
from moderation.models.custody import plain_words

pytestmark = pytest.mark.django_db


@pytest.fixture
def events(reviewer: User) -> list[CustodyEvent]:
    dataset = Dataset.objects.create(name="harbour")
    with transaction.atomic():
        return [
            CustodyEvent.objects.append(f"step_{n}", dataset, by=reviewer, after={"n": n})
            for n in range(5)
        ]


def test_a_fresh_chain_is_intact(events: list[CustodyEvent]) -> None:
    chain = CustodyEvent.objects.check_chain()

    assert chain.intact
    assert chain.events == 5
    assert chain.head == bytes(events[-1].hash).hex()


def _json() -> st.SearchStrategy[Any]:
    numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
    leaves = st.none() | st.booleans() | numbers | text
    return st.recursive(
        leaves, lambda each: st.lists(each, max_size=3) | st.dictionaries(text, each, max_size=3)
    )


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=st.dictionaries(st.text(string.ascii_letters), _json(), max_size=3))
@example(before={"sample_ratio": -0.0})
@example(before={"large": 1e16, "larger": -1e23, "largest": 1.7976931348623157e308})
@example(before={"small": 5e-324, "whole": 2.0, "in": [{"deep": -0.0}]})
def test_an_event_fits_its_hash_whatever_it_holds(reviewer: User, before: dict[str, Any]) -> None:
    """What the database keeps of a number or a text is what the hash is of."""
    with transaction.atomic():
        CustodyEvent.objects.append("step", reviewer, by=reviewer, before=before, after=before)
        assert CustodyEvent.objects.check_chain().intact


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_makes_no_event(reviewer: User, number: float) -> None:
    with pytest.raises(ValueError, match="not finite"), transaction.atomic():
        CustodyEvent.objects.append("step", reviewer, by=reviewer, after={"in": [number]})


def test_people_appear_under_their_pseudonym_and_role(
    events: list[CustodyEvent], reviewer: User
) -> None:
    assert events[0].actor == reviewer.person.pseudonym
    assert events[0].role == "reviewer"
    assert reviewer.username not in events[0].actor


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE moderation_custodyevent SET reason = 'x' WHERE seq = 3",
        "DELETE FROM moderation_custodyevent WHERE seq = 3",
    ],
)
def test_the_database_refuses_a_change(events: list[CustodyEvent], sql: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)

    assert CustodyEvent.objects.check_chain().intact


@pytest.mark.parametrize(
    ("sql", "broken_at"),
    [
        ("UPDATE moderation_custodyevent SET reason = 'x' WHERE seq = 3", 3),
        ("UPDATE moderation_custodyevent SET at = at + interval '1 s' WHERE seq = 1", 1),
        ("DELETE FROM moderation_custodyevent WHERE seq = 2", 3),
        (
            "UPDATE moderation_custodyevent SET seq = CASE seq WHEN 2 THEN 103 ELSE 102 END"
            " WHERE seq IN (2, 3); UPDATE moderation_custodyevent SET seq = seq - 100"
            " WHERE seq > 100",
            2,
        ),
    ],
)
def test_a_change_behind_the_trigger_is_found(
    events: list[CustodyEvent], sql: str, broken_at: int
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE moderation_custodyevent DISABLE TRIGGER USER")
        cursor.execute(sql)

    chain = CustodyEvent.objects.check_chain()

    assert not chain.intact
    assert chain.broken_at == broken_at


@pytest.mark.django_db(transaction=True)
def test_an_event_needs_the_transaction_of_its_step() -> None:
    dataset = Dataset.objects.create(name="harbour")

    with pytest.raises(transaction.TransactionManagementError):
        CustodyEvent.objects.append("alone", dataset, by=None)

    assert not CustodyEvent.objects.exists()


@pytest.mark.parametrize("table", ["moderation_custodyevent", "moderation_decision"])
def test_the_database_refuses_to_empty_the_tables(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL breakwater.may_truncate = ''")  # as outside the tests
        with pytest.raises(DatabaseError, match=f"Cannot truncate table {table}"):
            cursor.execute(f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("nothing", ["\u00ad", "\ufeff\u200b", "\u2060 \u200d"])
def test_plain_words_can_be_read(nothing):
    with pytest.raises(ValidationError, match="nothing in it to read"):
        plain_words(nothing)


@pytest.mark.parametrize("mark", ["\u202e", "\u202a", "\u2066"])
def test_plain_words_hold_no_mark_that_turns_text_around(mark):
    with pytest.raises(ValidationError, match="type it anew"):
        plain_words(f"keep {mark}gnihtyreve")
    plain_words("مرفأ \u200f(boat)")  # a mark that stands in for a letter of a direction


MD5, SHA1 = "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709"
WIDE = str.maketrans({chr(0x21 + n): chr(0xFF01 + n) for n in range(94)})


def groups(digits: str, size: int, between: str) -> str:
    return between.join(digits[at : at + size] for at in range(0, len(digits), size))


@pytest.mark.parametrize(
    "text",
    [
        MD5,
        SHA1.upper(),
        MD5.translate(WIDE),
        groups(MD5, 8, " "),
        groups(MD5, 2, ":"),
        groups(SHA1, 4, "-"),
        groups(SHA1, 5, "\u2013"),
        groups(MD5, 1, "\u200b"),
        groups(MD5, 4, "\u2060\u3164"),
        groups(MD5 * 2, 16, "\n"),
        f"It is a {groups(MD5, 8, ' ')} added 2026",
        "d41d8cd9-8f00-b204-e980-0998ecf8427e",
        "https://a.example/b",
        "www.a.example",
        "seen at example.com/pic.jpg today",
        "Example.COM:8080/a",
        "example.com/pic.jpg".translate(WIDE),
        "exam\u200bple.com/pic.jpg",
        "пример.рф/а.jpg",
    ],
)
def test_plain_words_have_no_link_or_hash_however_written(text):
    with pytest.raises(ValidationError, match="plain words"):
        plain_words(f"Looked at: {text}")


@pytest.mark.parametrize(
    "text",
    [
        "A near match of the same picture, cropped and/or resized, e.g./i.e. the 2nd one.",
        "Seen 2026-11-30 12:00, 2026-12-01 13:30, 2026-12-02 14:00 and 2026-12-03 15:00.",
        "2026-11-30 2026-12-01 2026-12-02 2026-12-03",
        "3 Dec 2026, 4 Dec 2026, 5 Dec 2026, 6 Dec 2026",
        "28 Feb 2026 28 Feb 2026 28 Feb 2026 28 Feb 2026",
        "A bad decade: Dad faced a dead cab, added a bed, fed a deaf cafe a beef facade.",
        "Cases 1021, 1022, 1023, 1024, 1025, 1026, 1027 and 1028 are alike.",
        "Distance 12 of 256, quality 100/100; list iwf, version 7.2/b.",
        "Order 7 of the court... and/or its annex. Ask Ada.",
        "the file queue.md says so",
    ],
)
def test_plain_words_are_dates_and_prose(text):
    plain_words(text)
