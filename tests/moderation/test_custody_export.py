"""Custody events in a file: what is asked for in full, the rest as digests; and any change to the
file is found without a database."""

import hashlib
import io
import json
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from moderation import chain
from moderation.evidence import custody_export
from moderation.models import CustodyEvent, Dataset

pytestmark = pytest.mark.django_db
URL = "/audit/export/"


def add(action, n=0, by=None):
    with transaction.atomic():
        dataset, _ = Dataset.objects.get_or_create(name="harbour")
        return CustodyEvent.objects.append(action, dataset, by=by, after={"n": n}, reason="läuft")


@pytest.fixture
def events(reviewer):
    return [add("odd" if n % 2 else "even", n, by=reviewer) for n in range(1, 10)]


def taken(auditor, **asked):
    found = custody_export.export(
        CustodyEvent.objects.filter(**asked), by=auditor, purpose="Order 7", filters={}
    )
    return list(found.lines())


def head():
    return bytes(CustodyEvent.objects.latest("seq").hash).hex()


def test_what_is_asked_for_is_there_and_of_the_rest_nothing(events, auditor):
    lines = taken(auditor, action="even")
    rows = [json.loads(line) for line in lines[1:]]
    told = [row["event"] for row in rows if "event" in row]
    assert [each["seq"] for each in told] == [2, 4, 6, 8, 10]
    assert told[0] == events[1].content()
    assert [row["seq"] for row in rows if "seq" in row] == [3, 5, 7, 9]
    left_out = [line for line, row in zip(lines[1:], rows, strict=True) if "seq" in row]
    assert not any(word in line for line in left_out for word in ("odd", events[0].actor, "at"))
    assert told[-1]["action"] == "custody_exported"
    assert told[-1]["after"] == {"filters": {}, "first": 2, "in_full": 4, "until": 9}
    assert told[-1]["reason"] == "Order 7"


def test_anyone_can_recompute_it_by_what_is_written_down(events, auditor):
    """As the decision describes it, without our code."""
    opening, *lines = taken(auditor, action="even")
    previous = bytes.fromhex(json.loads(opening)["previous"])
    for line in lines:
        row = json.loads(line)
        if "event" in row:
            text = json.dumps(
                row["event"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
            )
            digest = hashlib.sha256(bytes.fromhex(row["salt"]) + text.encode()).digest()
        else:
            digest = bytes.fromhex(row["digest"])
        previous = hashlib.sha256(previous + digest).digest()
        assert previous.hex() == row["hash"]
    assert previous.hex() == head()


def test_a_file_is_proven_and_against_any_head_noted_within_it(events, auditor):
    lines = taken(auditor, action="even")
    found = chain.prove(lines)
    assert (found.first, found.last, found.in_full, found.noted) == (2, 10, 5, None)
    assert found.head == head()
    for event in CustodyEvent.objects.all():
        noted = {"events": event.seq, "head": bytes(event.hash).hex()}
        assert chain.prove(lines, **noted).noted
        assert chain.prove(lines, head=noted["head"]).noted
        assert not chain.prove(lines, events=event.seq, head="ab" * 32).noted
    assert not chain.prove(lines, events=11).noted


@pytest.mark.parametrize("at", range(10))
@pytest.mark.parametrize("kind", ["changed", "deleted", "repeated", "moved", "cut", "cut short"])
def test_whatever_is_done_to_one_line_is_found(events, auditor, at, kind):
    lines = taken(auditor, action="even")
    line = lines[at]
    changed = {
        "changed": [*lines[:at], _one_digit_else(line), *lines[at + 1 :]],
        "deleted": lines[:at] + lines[at + 1 :],
        "repeated": lines[: at + 1] + lines[at:],
        "moved": [*lines[:at], *lines[at + 1 : at + 2], line, *lines[at + 2 :]],
        "cut": lines[:at],
        "cut short": [*lines[:at], line[: len(line) // 2]],
    }[kind]
    if changed == lines:
        assert (kind, at) == ("moved", 9)  # the last has none behind it
        return
    with pytest.raises(chain.NotProven):
        chain.prove(changed)


def _one_digit_else(line):
    at = next(n for n in range(len(line) // 2, len(line)) if line[n].isdigit())
    return line[:at] + str((int(line[at]) + 1) % 10) + line[at + 1 :]


@pytest.mark.parametrize("at", [1, 2, 9])
@pytest.mark.parametrize(
    "more",
    [
        "{}\n",
        "\n",
        '{"digest":"' + "0" * 64 + '","hash":"' + "0" * 64 + '","seq":3}\n',
        '{"a":' * 5000 + "1" + "}" * 5000 + "\n",
        "nonsense\n",
        '{"hash":"\\ud800"}\n',
        "[1]\n",
    ],
)
def test_a_line_that_was_put_in_is_found(events, auditor, at, more):
    lines = taken(auditor, action="even")
    with pytest.raises(chain.NotProven):
        chain.prove([*lines[:at], more, *lines[at:]])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"hash":', '"hash": '),
        ('"salt":', '"salt":"","salt":'),
        ('"after":', '"reason":"never","after":'),
        ("äu", "\\u00e4u"),
        ('"event":', '"note":"seen","event":'),
    ],
)
def test_what_another_reader_could_read_in_another_way_is_found(events, auditor, old, new):
    lines = taken(auditor, action="even")
    assert old in lines[1]
    with pytest.raises(chain.NotProven, match="Line 2 "):
        chain.prove([lines[0], lines[1].replace(old, new, 1), *lines[2:]])


def test_an_event_taken_out_of_the_full_ones_is_found(events, auditor):
    """Its digest in its place leaves the chain whole; the export tells how many there are."""
    lines = taken(auditor, action="even")
    row = json.loads(lines[3])
    digest = chain.digest_of(row["event"], bytes.fromhex(row["salt"])).hex()
    place = {"seq": row["event"]["seq"], "digest": digest, "hash": row["hash"]}
    with pytest.raises(chain.NotProven, match="taken out"):
        chain.prove([*lines[:3], chain.written(place) + "\n", *lines[4:]])


def test_the_oldest_events_have_no_salt_and_stand_in_full(events, auditor):
    """Their hash covers their words, as it did before there were salts."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE moderation_custodyevent DISABLE TRIGGER USER")
    previous = chain.FIRST
    for event in CustodyEvent.objects.order_by("seq"):
        event.prev_hash = previous
        event.salt = event.salt if event.seq > 5 else b""
        event.hash = previous = event.computed_hash()
        if event.seq <= 5:
            text = chain.written(event.content()).encode()
            assert previous == hashlib.sha256(event.prev_hash + text).digest()
        event.save()
    assert CustodyEvent.objects.check_chain().intact
    lines = taken(auditor, action="even")
    told = [json.loads(line)["event"]["seq"] for line in lines[1:] if "event" in line]
    assert told == [2, 3, 4, 5, 6, 8, 10]
    assert chain.prove(lines).in_full == 7


def test_what_came_between_counting_and_the_export_is_left_out(events, auditor, monkeypatch):
    append = CustodyEvent.objects.append

    def later(*args, **kwargs):
        append("even", Dataset.objects.get(), by=None)
        return append(*args, **kwargs)

    monkeypatch.setattr(type(CustodyEvent.objects), "append", lambda _, *a, **k: later(*a, **k))
    lines = taken(auditor, action="even")
    assert "digest" in json.loads(lines[-2])
    assert chain.prove(lines).last == 11


def test_a_long_chain_is_read_in_parts(events, auditor, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(custody_export, "LINES_AT_ONCE", 4)
    found = custody_export.export(
        CustodyEvent.objects.filter(action="even"), by=auditor, purpose="x", filters={}
    )
    with django_assert_num_queries(1 + 2 * 3):
        lines = list(found.lines())
    assert chain.prove(lines).in_full == 5


def test_nothing_fits(events, auditor):
    with pytest.raises(custody_export.NotExported, match="nothing to take out"):
        taken(auditor, action="never")
    assert CustodyEvent.objects.count() == 9


def test_who_answers_cases_takes_nothing_out(events, person, lead):
    for who in (lead, person("bea", "reviewer", "auditor")):
        with pytest.raises(custody_export.NotExported):
            taken(who)
    assert CustodyEvent.objects.count() == 9


def sent(client, query="", **form):
    answer = client.post(f"{URL}?{query}", form)
    body = answer.getvalue().decode() if answer.streaming else answer.content.decode()
    return answer, body


def test_the_page_sends_the_file_and_shows_its_head(login, auditor, events, tmp_path):
    client = login(auditor)
    answer, body = sent(client, "action=even&within=week", purpose="Order 7")
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert answer["Content-Disposition"] == 'attachment; filename="custody-2-to-10.jsonl"'
    event = CustodyEvent.objects.latest("seq")
    assert (event.actor, event.reason) == (auditor.person.pseudonym, "Order 7")
    assert event.after["filters"] == {"action": "even", "within": "week"}
    page = " ".join(client.get("/audit/").content.decode().split())
    shown = page.partition("<dt>head</dt>")[2].partition("</dd>")[0].rpartition(">")[2]
    file = tmp_path / "file.jsonl"
    file.write_text(body)
    out = io.StringIO()
    call_command(
        "verify_custody", export=file, expect_events=10, expect_head=shown, json=True, stdout=out
    )
    assert json.loads(out.getvalue()) == {
        "events": 9,
        "first": 2,
        "last": 10,
        "in_full": 5,
        "head": head(),
        "intact": True,
        "noted": True,
    }
    file.write_text(body.replace('"n":4', '"n":5'))
    with pytest.raises(CommandError, match="Line 4 does not follow"):
        call_command("verify_custody", export=file)
    file.write_text(body)
    with pytest.raises(CommandError, match="The file is whole in itself, but"):
        call_command("verify_custody", export=file, expect_head="12" * 32)


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("", {}),
        ("", {"purpose": "see https://a.example/"}),
        ("since=yesterday", {"purpose": "Order 7"}),
        ("action=never", {"purpose": "Order 7"}),
    ],
)
def test_what_cannot_be_taken_out_leaves_no_event(login, auditor, events, query, form):
    answer, _ = sent(login(auditor), query, **form)
    assert answer.status_code == 400
    assert CustodyEvent.objects.count() == 9


def test_no_database_is_needed_to_check_a_file(events, auditor, tmp_path):
    """In a process of its own, where no database answers and none may be started."""
    file = tmp_path / "file.jsonl"
    file.write_text("".join(taken(auditor, action="even")))
    nowhere = "postgres://nobody@127.0.0.1:9/nothing"
    env = os.environ | {
        "BREAKWATER_DATA": str(tmp_path / "data"),
        "DATABASE_URL": nowhere,
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "DJANGO_SETTINGS_MODULE": "config.settings.development",
    }
    del env["PYTEST_CURRENT_TEST"]
    command = [sys.executable, "manage.py", "verify_custody", "--export", str(file)]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == [
        "The file is intact: 9 events, 2 to 10, 5 of them in full.",
        f"head: {head()}",
    ]
    file.write_text(file.read_text()[:-100])
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "Line 10 is not as it was written. The file proves nothing.\n"
