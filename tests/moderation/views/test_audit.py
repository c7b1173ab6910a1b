"""The audit page: filters, pages by number, what changed, and the check of the chain."""

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from moderation.models import Case, ChainCheck, CustodyEvent
from moderation.models.custody import in_groups
from moderation.models.person import pseudonym_of
from moderation.tasks import check_chain
from moderation.views import custody_words
from tests.moderation.review.making import make_case, settled

from . import rows

pytestmark = pytest.mark.django_db
URL = "/audit/"


def add(action, subject, by=None, **fields):
    with transaction.atomic():
        return CustodyEvent.objects.append(action, subject, by=by, **fields)


def shown(answer):
    return [event.seq for event in answer.context["events"]]


def text(answer):
    return " ".join(answer.content.decode().split())


@pytest.fixture
def events(operator, reviewer):
    scan, other = rows.scan(rows.revision("a")), rows.scan(rows.revision("b"))
    add("scan_started", scan, by=operator, after={"kind": "hash_only"})
    add("scan_paused", scan, by=operator, before={"state": "running"}, after={"state": "paused"})
    add("scan_started", other)
    add("answer_given", rows.hash_list(), by=reviewer, reason="looked twice")
    return scan, other


def test_nothing_yet(login, auditor):
    assert "No events yet" in text(login(auditor).get(URL))


def test_newest_first_with_what_changed(login, auditor, operator, events):
    answer = login(auditor).get(URL)
    assert shown(answer) == [4, 3, 2, 1]
    assert "running → paused" in text(answer)
    assert "looked twice" in text(answer)
    assert pseudonym_of(operator) in text(answer)
    assert operator.username not in text(answer)


def test_filters(login, auditor, operator, events):
    scan, _ = events
    client = login(auditor)
    assert shown(client.get(URL, {"action": "scan_started"})) == [3, 1]
    assert shown(client.get(URL, {"object": "scan"})) == [3, 2, 1]
    assert shown(client.get(URL, {"object": f"scan:{scan.pk}"})) == [2, 1]
    assert shown(client.get(URL, {"actor": pseudonym_of(operator).lower()})) == [2, 1]
    assert shown(client.get(URL, {"actor": "system"})) == [3]
    answer = client.get(URL, {"action": "nothing"})
    assert shown(answer) == []
    assert "No event fits" in text(answer)


@pytest.mark.parametrize("before", ["", "x", "-1", "9" * 40, "1e3", "٣"])
def test_a_bad_page_is_the_first_one(login, auditor, events, before):
    answer = login(auditor).get(URL, {"before": before})
    assert answer.status_code == 200


def test_pages_keep_the_filter(login, auditor):
    scan = rows.scan(rows.revision())
    for _ in range(53):
        add("scan_started", scan)
    client = login(auditor)
    first = client.get(URL, {"action": "scan_started"})
    assert shown(first) == list(range(53, 3, -1))
    assert "?action=scan_started&amp;before=4" in text(first)
    second = client.get(URL, {"action": "scan_started", "before": 4})
    assert shown(second) == [3, 2, 1]
    assert ">Newest<" in text(second)
    assert ">Older<" not in text(second)


@pytest.fixture
def worker(monkeypatch, settings, tmp_path):
    """A worker that does what it is given at once."""
    settings.EVIDENCE_URL = tmp_path.as_uri()
    monkeypatch.setattr("moderation.tasks.check_chain.delay", check_chain)


def check(client):
    return text(client.post(reverse("moderation:verify_chain"), follow=True))


def test_an_intact_chain(login, auditor, events, worker):
    page = check(login(auditor))
    assert "intact, 4 events" in page
    head = CustodyEvent.objects.get(seq=4)
    assert in_groups(bytes(head.hash).hex()) in page
    assert "data-poll" not in page


def test_a_changed_event_is_found(login, auditor, events, worker, caplog):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE moderation_custodyevent DISABLE TRIGGER USER")
        cursor.execute("UPDATE moderation_custodyevent SET actor = 'P-OTHER' WHERE seq = 2")
        cursor.execute("ALTER TABLE moderation_custodyevent ENABLE TRIGGER USER")
    for page in (check(login(auditor)), text(login(auditor).get("/"))):
        assert "The chain is broken at event 2." in page
        assert 'class="message message-error" role="alert"' in page
    assert [each.levelname for each in caplog.records if "broken" in each.message] == ["ERROR"]


def test_it_is_a_worker_that_checks(login, auditor, events, monkeypatch):
    """The request itself reads no chain; the page asks every two seconds how far it is."""
    asked = []
    monkeypatch.setattr("moderation.tasks.check_chain.delay", asked.append)
    monkeypatch.setattr(type(CustodyEvent.objects), "check_chain", None)
    client = login(auditor)
    for _ in range(2):  # a second press joins the one that runs
        page = check(client)
    assert "0 of 4 events" in page
    assert 'hx-trigger="every 2s"' in page
    running = ChainCheck.objects.get()
    assert (asked, running.requested_by) == ([running.pk], auditor)
    ChainCheck.objects.update(events=3)
    part = client.get(reverse("moderation:chain_status"))
    assert "3 of 4 events" in text(part)
    assert "<html" not in text(part)
    assert part["Cache-Control"] == "no-store"
    ChainCheck.objects.update(seen_at=timezone.now() - timedelta(minutes=6))
    part = text(client.get(reverse("moderation:chain_status")))
    assert "no sign of life" in part
    assert "data-poll" not in part


def test_without_a_queue_no_check_is_left_running(login, auditor, events, monkeypatch):
    def away(*_):
        raise OperationalError

    monkeypatch.setattr("moderation.tasks.check_chain.delay", away)
    assert "The queue does not answer" in check(login(auditor))
    assert ChainCheck.objects.get().state == "lost"


def test_no_check_yet_and_none_for_long(login, auditor, events, worker):
    client = login(auditor)
    for address in (URL, "/"):
        assert "Not checked yet" in text(client.get(address))
    check(client)
    ChainCheck.objects.update(finished_at=timezone.now() - timedelta(hours=49))
    for address in (URL, "/"):
        assert "The daily check has not run since" in text(client.get(address))


def test_only_who_audits_sees_the_status(login, operator, lead):
    for user in (operator, lead):
        assert login(user).get(reverse("moderation:chain_status")).status_code == 403
        assert "Not checked yet" not in text(login(user).get("/"))


def test_what_people_type_stays_text(login, auditor):
    add("scan_started", rows.scan(rows.revision()), reason="<script>alert(1)</script>")
    answer = login(auditor).get(URL, {"object": '"><script>x</script>'})
    assert "<script>" not in text(answer).replace("<script src=", "")


def test_the_page_shows_what_to_note_of_the_chain(login, auditor, events):
    words = text(login(auditor).get(URL))
    [said] = re.findall(r"verify_custody (--expect-events \d+ --expect-head [0-9a-f-]+)", words)
    call_command("verify_custody", *said.split())
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE moderation_custodyevent DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM moderation_custodyevent WHERE seq = 4")
    with pytest.raises(CommandError, match="not the one that was noted"):
        call_command("verify_custody", *said.split())


def test_who_may_answer_reads_nothing_of_a_case_in_work(
    login, person, auditor, reviewer, second_reviewer
):
    """The pair of roles is refused in the back room; a superuser holds both all the same."""
    both = person("bea", "reviewer", "auditor")
    User.objects.filter(pk=both.pk).update(is_superuser=True)
    case = make_case()
    about = {"object": f"case:{case.pk}"}
    settled(case, reviewer, "REMOVE_KNOWN", harm_class="csam")
    hidden = (reviewer.person.pseudonym, "answer_given")
    admin = "/admin/moderation/custodyevent/"
    for address, query in (
        (URL, about),
        (URL, {"actor": reviewer.person.pseudonym}),
        (admin, {}),
    ):
        words = login(User.objects.get(pk=both.pk)).get(address, query).content.decode()
        rows_shown = words.partition("<tbody")[2]
        for each in hidden:
            assert each not in rows_shown
    assert hidden[0] in text(login(auditor).get(URL, about))
    settled(case, second_reviewer, "REMOVE_KNOWN", harm_class="csam")
    assert Case.objects.get(pk=case.pk).state == "closed"
    for address in (URL, admin):
        assert hidden[0] in text(login(User.objects.get(pk=both.pk)).get(address))


@pytest.mark.parametrize("name", ["action", "object", "actor", "before"])
@pytest.mark.parametrize("value", ["\0", "case:\0", "\ud800", "9" * 40, "a" * 5000, "case:x:y"])
def test_nonsense_fits_nothing(login, auditor, events, name, value):
    query = urlencode({name: value}, errors="surrogatepass")
    answer = login(auditor).get(f"{URL}?{query}")
    assert answer.status_code == 200
    assert bool(shown(answer)) is (name == "before")


def test_codes_are_told_in_words_and_stay_to_be_found(login, auditor):
    known = rows.hash_list("quay")
    scan = rows.scan(rows.revision())
    versions = [known.current.pk, 987]
    add("hash_list_loaded", known.current, after={"rejected": {"flat_value": 1}, "new": 1200})
    add("scan_started", scan, after={"kind": "hash_only", "versions": versions, "only_due": False})
    add(
        "case_reopened",
        Case.objects.create(),
        before={"state": "closed"},
        after={"state": "open"},
        reason=f"known_hash_withdrawn version {known.current.pk}",
    )
    page = text(login(auditor).get(URL))
    for words in (
        "hash list loaded",
        "<code>hash_list_loaded</code>",
        ">quay, version 2026-01</a>",
        f'title="hashlistversion:{known.current.pk}"',
        "hash of nothing but zeros or ones, which says nothing: 1",
        "1,200",
        "quay, version 2026-01; version 987",
        "hash only",
        "only due</dt> <dd>no</dd>",
        "case opened again",
        "closed → open",
        "the list withdrew the value: quay, version 2026-01",
    ):
        assert words in page, words
    for raw in ("{&#x27;", "[", "flat_value", "hash_only", "known_hash_withdrawn"):
        assert raw not in page.partition("<tbody>")[2], raw


@pytest.mark.parametrize(
    ("filters", "seqs"),
    [
        ({"action": "scan started"}, [3, 1]),
        ({"action": "Scan_Started"}, [3, 1]),
        ({"object": "hash list"}, [4]),
    ],
)
def test_filters_take_words_too(login, auditor, events, filters, seqs):
    assert shown(login(auditor).get(URL, filters)) == seqs


def test_an_object_is_found_by_the_words_that_stand_for_it(login, auditor, events):
    scan, other = events
    known = rows.hash_list("tide")
    add("hash_list_loaded", known.current)
    client = login(auditor)
    for about, seqs in (
        (f"scan {scan.pk}", [2, 1]),
        (f"Scan  {scan.pk} ", [2, 1]),
        (f"scan:{other.pk}", [3]),
        (f"scan: {other.pk}", [3]),
        ("scan", [3, 2, 1]),
        ("hash list version", [5]),
        (f"hash list version {known.current.pk}", [5]),
        ("tide, version 2026-01", [5]),
    ):
        assert shown(client.get(URL, {"object": about})) == seqs, about
    for event in client.get(URL).context["events"]:
        assert event.seq in shown(client.get(URL, {"object": event.object_words}))


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (
            {"object": "29"},
            "All about: a number alone is not enough. Write of what, as in “case 29”.",
        ),
        ({"object": "boat 2"}, "All about: no event is about that kind."),
        ({"object": "scan 999999"}, "All about: there is no event about scan 999999."),
        ({"action": "boat"}, "Action: nothing of that name is recorded."),
        ({"actor": "P-BOAT"}, "By: no event is by that pseudonym."),
        ({"action": "scan_started", "actor": "P-BOAT"}, "By: no event is by that pseudonym."),
        ({"action": "scan_paused", "actor": "system"}, "no event fits them all"),
    ],
)
def test_where_nothing_fits_the_field_to_mend_is_named(login, auditor, events, filters, words):
    answer = login(auditor).get(URL, filters)
    assert shown(answer) == []
    assert words in text(answer)
    assert ("pseudonym" in answer.context["hint"]) is words.startswith("By")


def test_what_changed_in_a_case_is_told_in_words(login, auditor, reviewer, second_reviewer):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    settled(case, second_reviewer, "REMOVE_KNOWN")
    page = text(login(auditor).get(URL, {"object": f"case {case.pk}"}))
    first, second = case.reviews.all()
    decision = case.decisions.get()
    for words in (
        "<dt>answer</dt> <dd>Remove: the match is right</dd>",
        "<dt>harm class</dt> <dd>Child sexual abuse material</dd>",
        "<dt>as</dt> <dd>second person</dd>",
        f"<dt>review</dt> <dd>no. {second.pk}</dd>",
        f"<dt>reviews</dt> <dd>no. {first.pk}, no. {second.pk}</dd>",
        f"<dt>decision</dt> <dd>no. {decision.pk}</dd>",
    ):
        assert words in page, words
    assert "REMOVE_KNOWN" not in page


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        ([], "none"),
        ({}, "none"),
        ({"a_b": [1, 2]}, "a b: 1, 2"),
        ("2030-12-31T23:59:59+00:00", "2030-12-31 23:59 UTC"),
        ("THE T-1000", "THE T-1000"),
        ("image_parquet", "pictures in Parquet"),
    ],
)
def test_values_in_words(value, words):
    event = CustodyEvent(action="x", object_type="y", object_id="1", after={"some_name": value})
    assert custody_words.told(event, {}).changes == [("some name", None, words)]


def test_every_action_that_is_recorded_has_words():
    written = set()
    for folder in ("moderation", "reports"):
        for file in (Path(settings.BASE_DIR) / folder).rglob("*.py"):
            code = file.read_text()
            written |= set(re.findall(r"""(?:objects\.append|_record)\(\s*"([a-z_]+)\"""", code))
    assert len(written) > 30
    missing = written - custody_words.ACTIONS.keys()
    assert not missing, "say them in moderation/views/custody_words.py"


def test_filters_of_facts(login, auditor, reviewer, person, events):
    lead_too = person("lana", "lead", "reviewer")
    case = make_case()
    shown_at = {n: add("preview_opened", case, by=reviewer, after={"level": n}).seq for n in (1, 2)}
    exact = add("preview_opened", case, by=lead_too, after={"level": 3, "exact_match": True}).seq
    add("grant_given", reviewer, after={"level": 3})
    add("reports_exported", case, after={"whole": False})
    whole = add("reports_exported", case, after={"whole": True}).seq
    skipped = add("case_skipped", case, by=reviewer, reason="skipped_language").seq
    client = login(auditor)
    for filters, seqs in (
        ({"level": "3"}, [exact]),
        ({"level": "2"}, [exact, shown_at[2]]),
        ({"only": "exact"}, [exact]),
        ({"only": "links"}, [whole]),
        ({"role": "lead"}, [exact]),
        ({"reason": "skipped_"}, [skipped]),
        ({"within": "day", "level": "3"}, [exact]),
        ({"since": "2999-01-01"}, []),
        ({"until": "2001-01-01"}, []),
        ({"since": "2001-01-01", "level": "3"}, [exact]),
    ):
        assert shown(client.get(URL, filters)) == seqs, filters


def test_all_about_a_case_a_list_and_a_person(login, auditor, reviewer, operator, events):
    case, known = make_case(), rows.hash_list("reef")
    seqs = [
        add("case_viewed", case, by=reviewer).seq,
        add("report_drafted", events[0], after={"case": case.pk}).seq,
    ]
    value = known.known_hashes.first()
    of_list = [
        add("hash_list_changed", known, by=operator).seq,
        add("hash_list_loaded", known.current).seq,
        add("known_hash_disabled", value, after={"hash_list": known.pk}).seq,
    ]
    granted = add("grant_given", reviewer, by=operator).seq
    client, pseudonym = login(auditor), reviewer.person.pseudonym
    assert shown(client.get(URL, {"object": f"case {case.pk}"})) == seqs[::-1]
    assert shown(client.get(URL, {"object": f"hashlist:{known.pk}"})) == of_list[::-1]
    for person in (pseudonym, f"person {pseudonym}", f"user:{reviewer.pk}"):
        assert shown(client.get(URL, {"object": person})) == [granted, seqs[0], 4]


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "0001-01-01", "9999-12-31"])
def test_a_day_that_is_none_is_named(login, auditor, events, day):
    answer = login(auditor).get(URL, {"since": day})
    assert shown(answer) == []
    assert "From: " in answer.context["hint"]
