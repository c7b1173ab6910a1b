"""The rules of a list and its values on the pages: what they say, what they change, who may."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from moderation.hash_lists import values
from moderation.models import CustodyEvent, HashList, KnownHash
from tests.moderation.hash_lists.rows import flagged_case

from . import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def quay() -> HashList:
    return rows.hash_list("quay", values=2)


@pytest.fixture
def known(quay: HashList) -> KnownHash:
    return quay.known_hashes.first()


def page(answer) -> str:
    assert answer.status_code == 200
    return said(answer)


def said(answer) -> str:
    words = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return html.unescape(re.sub(r"\s+", " ", words))


def at(name: str, *args: object) -> str:
    return reverse(f"moderation:{name}", args=args)


def test_a_value_is_disabled_until_a_day_and_lifted_again(login, list_manager, known):
    client = login(list_manager)
    day = timezone.now().date() + timedelta(days=5)

    client.post(at("disable_known_hash", known.pk), {"note": "A test chart.", "until": str(day)})

    known.refresh_from_db()
    assert known.is_disabled()
    assert known.disabled_until == datetime.combine(day, datetime.min.time(), UTC)
    words = page(client.get(at("known_hash", known.pk)))
    assert "A test chart." in words
    assert list_manager.person.pseudonym in words
    listed = page(client.get(at("hash_list", "quay")))
    assert "A test chart." in listed
    assert list_manager.person.pseudonym in listed

    answer = client.post(at("lift_known_hash", known.pk), follow=True)

    assert "in force again" in page(answer)
    known.refresh_from_db()
    assert not known.is_disabled()
    assert "None. A list manager disables a value" in page(client.get(at("hash_list", "quay")))
    assert list(CustodyEvent.objects.values_list("action", flat=True)) == [
        "known_hash_disabled",
        "known_hash_enabled",
    ]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"note": ""}, "This field is required."),
        ({"note": "See https://harbour.example/a"}, "Leave links and hashes out"),
        ({"note": "A chart.", "until": "2001-01-01"}, "Choose a day to come."),
        ({"note": "A chart.", "until": "soon"}, "Enter a valid date."),
    ],
)
def test_what_was_wrong_with_disabling_is_said_beside_it(login, list_manager, known, sent, words):
    answer = login(list_manager).post(at("disable_known_hash", known.pk), sent)

    assert answer.status_code == 400
    assert words in said(answer)
    assert not KnownHash.objects.disabled().exists()


def test_a_withdrawn_value_is_not_disabled(login, list_manager, quay, known):
    known.removed_in = rows.version(quay)
    known.save()

    address = at("disable_known_hash", known.pk)
    answer = login(list_manager).post(address, {"note": "A chart."}, follow=True)

    assert "The supplier has withdrawn this value" in page(answer)
    assert not KnownHash.objects.disabled().exists()


def test_a_value_set_aside_waits_on_list_cards_and_overview(login, list_manager, quay, known):
    flagged_case(known)
    KnownHash.objects.filter(pk=known.pk).update(set_aside_at=timezone.now())
    client = login(list_manager)

    assert "1 value set aside: too many matches" in page(client.get("/"))
    assert "1 value to look at" in page(client.get(at("hash_lists")))
    assert "Set aside: too many matches" in page(client.get(at("hash_list", "quay")))
    words = page(client.get(at("known_hash", known.pk)))
    assert "Release the value" in words
    assert "Disable the value" in words

    client.post(at("release_known_hash", known.pk))

    known.refresh_from_db()
    assert (known.set_aside_at, known.released_at is None) == (None, False)
    assert "set aside" not in page(client.get("/"))
    assert "Release the value" not in page(client.get(at("known_hash", known.pk)))


def test_the_page_of_a_value_shows_a_prefix_and_counts_and_no_step_to_others(
    login, reviewer, known
):
    flagged_case(known)
    flagged_case(known, number=2, state="closed")

    body = login(reviewer).get(at("known_hash", known.pk)).content.decode()

    value = bytes(known.value).hex()
    assert value[:8] in body
    assert value[:12] not in body
    assert "<form" not in body.split("<main")[1].split("</main>")[0]
    assert "2</dd>" in re.sub(r"\s+", "", body)


def test_a_value_is_found_by_its_number(login, reviewer, known):
    client = login(reviewer)

    assert client.get(at("find_known_hash"), {"number": known.pk}).url == at("known_hash", known.pk)
    for number in ("", "0", "nine", "9" * 30, str(10**17)):
        answer = client.get(at("find_known_hash"), {"number": number}, follow=True)
        assert "No known hash of this number" in page(answer)


def test_the_rules_of_a_list_are_changed_and_recorded(login, list_manager, quay):
    client = login(list_manager)

    client.post(at("list_rules", "quay"), {"threshold": "24", "sample": "12.5"})

    quay.refresh_from_db()
    assert (quay.threshold, quay.sample_ratio) == (24, 0.125)
    event = CustodyEvent.objects.get()
    assert event.after == {"threshold": 24, "sample_ratio": 0.125}
    assert "12.5 % of matching entries" in page(client.get(at("hash_list", "quay")))
    form = client.get(at("list_rules", "quay")).context["form"]
    assert (form["threshold"].value(), form["sample"].value()) == (24, 12.5)

    client.post(at("list_rules", "quay"), {"threshold": "24", "sample": ""})
    quay.refresh_from_db()
    assert quay.sample_ratio is None
    assert "all matching entries" in page(client.get(at("hash_list", "quay")))


def test_a_share_of_minus_zero_is_zero(login, list_manager, quay):
    login(list_manager).post(at("list_rules", "quay"), {"threshold": "24", "sample": "-0"})
    quay.refresh_from_db()
    assert str(quay.sample_ratio) == "0.0"
    assert CustodyEvent.objects.check_chain().intact


@pytest.mark.parametrize(
    "sent",
    [
        {"threshold": "48", "sample": ""},
        {"threshold": "-1", "sample": ""},
        {"threshold": "24", "sample": "101"},
        {"threshold": "24", "sample": "-1"},
        {"threshold": "24", "sample": "nan"},
        {"threshold": "", "sample": "5"},
    ],
)
def test_rules_that_cannot_be_change_nothing(login, list_manager, quay, sent):
    answer = login(list_manager).post(at("list_rules", "quay"), sent)

    assert answer.status_code == 400
    quay.refresh_from_db()
    assert (quay.threshold, quay.sample_ratio) == (31, None)


def test_a_negative_list_says_so_and_has_no_sample(login, list_manager):
    rows.hash_list("calm", negative=True)
    client = login(list_manager)

    assert "Negative list" in page(client.get(at("hash_lists")))
    words = page(client.get(at("hash_list", "calm")))
    assert "known to be harmless" in words
    assert "Trust" not in words
    assert "sample" not in client.get(at("list_rules", "calm")).context["form"].fields
    # It is not one of the lists that a scan is started with, or that covers anything.
    revision = rows.revision()
    assert "calm" not in page(client.get(at("revision", revision.pk)))


def test_the_scan_page_says_what_was_passed_over(login, list_manager):
    scan = rows.scan(rows.revision(), state="finished", done=2)
    scan.shard_scans.update(exact=5, near=4, passed_over={"suppressed": 2, "unsampled": 1})

    words = page(login(list_manager).get(at("scan", scan.pk)))

    assert "suppressed by a negative list 4" in words
    assert "outside the sample of its list 2" in words
    assert "together are the 12 on flags and the 6 passed over" in words


def test_the_list_page_counts_what_was_passed_over(login, list_manager, quay):
    for shard in rows.revision().shards.all():
        rows.cover(shard, quay, passed_over={"disabled": 3})

    assert "value disabled here 6" in page(login(list_manager).get(at("hash_list", "quay")))


def test_an_auditor_reads_the_steps_in_words(login, auditor, list_manager, known):
    values.disable(known, by=list_manager, until=None, note="A test chart.")

    words = page(login(auditor).get(at("audit")))

    assert "known hash disabled" in words
    assert f"known hash {known.pk}" in words
    assert "A test chart." in words
