"""verify_custody: what is intact in itself may still not be what was noted."""

import io
import json
import logging

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from config.logs import IdsOnly
from moderation.models import CustodyEvent, Dataset
from moderation.tasks import check_chain

pytestmark = pytest.mark.django_db


@pytest.fixture
def heads():
    """The head after each of five events."""
    dataset = Dataset.objects.create(name="harbour")
    with transaction.atomic():
        events = [
            CustodyEvent.objects.append("step", dataset, by=None, after={"n": n}) for n in range(5)
        ]
    return [bytes(event.hash).hex() for event in events]


def said(**options):
    out = io.StringIO()
    call_command("verify_custody", json=True, stdout=out, **options)
    return json.loads(out.getvalue())


def cut(sql):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE moderation_custodyevent DISABLE TRIGGER USER")
        cursor.execute(sql)


def test_what_was_noted_still_holds_after_more_events(heads):
    for number, head in enumerate(heads, 1):
        assert said(expect_events=number, expect_head=head)["intact"]
    assert said(expect_head=heads[2])["intact"]
    assert said(expect_events=3)["intact"]
    assert said()["head"] == heads[-1]


@pytest.mark.parametrize(
    ("sql", "found_at"),
    [
        ("UPDATE moderation_custodyevent SET action = 'other' WHERE seq = 4", 4),
        ("DELETE FROM moderation_custodyevent WHERE seq = 2", 3),
        (
            "UPDATE moderation_custodyevent SET seq = 6 WHERE seq = 3;"
            " UPDATE moderation_custodyevent SET seq = 3 WHERE seq = 4;"
            " UPDATE moderation_custodyevent SET seq = 4 WHERE seq = 6",
            3,
        ),
    ],
    ids=["changed", "deleted", "reordered"],
)
def test_what_an_owner_of_the_tables_did_to_one_row_is_found(heads, sql, found_at):
    cut(sql)
    with pytest.raises(CommandError, match=f"The chain is broken at event {found_at}:"):
        said()


@pytest.mark.parametrize("sql", ["DELETE FROM moderation_custodyevent WHERE seq > 3"])
@pytest.mark.parametrize("noted", [("events",), ("head",), ("events", "head")])
def test_a_chain_cut_at_its_end_is_found(heads, sql, noted):
    cut(sql)
    assert said()["intact"]
    known = {"events": {"expect_events": 5}, "head": {"expect_head": heads[4]}}
    with pytest.raises(CommandError, match="not the one that was noted"):
        said(**{name: value for part in noted for name, value in known[part].items()})


def test_an_emptied_chain_is_found(heads):
    cut("DELETE FROM moderation_custodyevent")
    assert said()["intact"]
    with pytest.raises(CommandError, match="not the one that was noted"):
        said(expect_events=1)


def test_a_chain_written_anew_is_found(heads):
    cut("DELETE FROM moderation_custodyevent")
    with transaction.atomic():
        for n in range(9):
            CustodyEvent.objects.append("other", Dataset.objects.get(), by=None, after={"n": n})
    assert said(expect_events=5)["intact"]
    with pytest.raises(CommandError, match="not the one that was noted"):
        said(expect_events=5, expect_head=heads[4])


def test_nothing_yet(db):
    assert said(expect_events=0, expect_head="00" * 32) == {
        "events": 0,
        "head": "00" * 32,
        "intact": True,
    }


@pytest.mark.parametrize("head", ["", "12ab", "xy" * 32])
def test_a_head_that_is_none_is_refused(heads, head):
    with pytest.raises(CommandError, match="64 hex digits"):
        said(expect_head=head)


def test_the_terminal_reads_the_result_and_no_log_line(heads, caplog):
    out, err = io.StringIO(), io.StringIO()
    with caplog.at_level(logging.INFO):
        call_command("verify_custody", stdout=out, stderr=err)
    assert out.getvalue().splitlines() == [
        "The chain of custody is intact: 5 events.",
        f"head: {heads[-1]}",
    ]
    assert not err.getvalue()
    assert not caplog.records


def test_the_log_keeps_count_and_head_of_a_check_on_the_page(
    heads, caplog, auditor, login, monkeypatch, settings, tmp_path
):
    settings.EVIDENCE_URL = tmp_path.as_uri()
    monkeypatch.setattr("moderation.tasks.check_chain.delay", check_chain)
    with caplog.at_level(logging.INFO):
        login(auditor).post("/audit/verify/")
    [record] = [each for each in caplog.records if each.getMessage().startswith("custody chain")]
    assert IdsOnly().filter(record)
    number, head = record.getMessage().removeprefix("custody chain: ").split(" events, head ")
    assert (number, head.replace("-", "")) == ("5", heads[-1])
    assert said(expect_events=int(number), expect_head=head)["intact"]
