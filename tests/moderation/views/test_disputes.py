"""Disputes on the pages of a list, of a known hash and of their own; who may do what."""

import hashlib
import json

import pytest
from django.urls import reverse

from moderation.models import CustodyEvent, Dispute
from tests.moderation.review.making import make_case, settled

pytestmark = pytest.mark.django_db


def at(name, *args):
    return reverse(f"moderation:{name}", args=args)


def text(page):
    return " ".join(page.content.decode().split())


@pytest.fixture
def dispute(reviewer, second_reviewer):
    settled(settled(make_case(), reviewer, "KEEP_LIST_ERROR"), second_reviewer, "KEEP_LIST_ERROR")
    return Dispute.objects.select_related("known_hash__hash_list").get()


def test_it_stands_on_the_pages_of_its_list_and_value(login, dispute, list_manager):
    client = login(list_manager)
    for page in (
        client.get(at("hash_list", dispute.known_hash.hash_list.slug)),
        client.get(at("known_hash", dispute.known_hash_id)),
        client.get("/"),
    ):
        assert "ispute" in text(page)
    assert at("dispute", dispute.pk) in text(client.get(at("known_hash", dispute.known_hash_id)))
    assert "a decision of two people" in text(client.get(at("known_hash", dispute.known_hash_id)))


def test_a_reviewer_reads_it_and_does_nothing(login, dispute, reviewer):
    client = login(reviewer)
    page = client.get(at("dispute", dispute.pk))
    assert "A list manager tells the owner" in text(page)
    slug = dispute.known_hash.hash_list.slug
    for address in (
        at("tell_owner", dispute.pk),
        at("end_dispute", dispute.pk),
        at("export_disputes", slug),
    ):
        assert client.post(address).status_code == 403
        assert login(reviewer).get(address).status_code in (403, 405)


def test_the_file_for_the_owner_names_values_and_no_case(login, dispute, list_manager):
    known = dispute.known_hash
    page = login(list_manager).post(at("export_disputes", known.hash_list.slug))
    assert "attachment" in page["Content-Disposition"]
    assert "no-store" in page["Cache-Control"]
    (told,) = json.loads(page.content)["disputes"]
    assert told["value"] == bytes(known.value).hex()
    assert "case" not in page.content.decode()
    dispute.refresh_from_db()
    assert (dispute.state, dispute.told_how) == ("told", "export")
    event = CustodyEvent.objects.last()
    assert event.action == "dispute_told"
    assert event.file_sha256 == hashlib.sha256(page.content).hexdigest()
    assert bytes(known.value).hex() not in str(event.after)


def test_told_by_hand_and_ended(login, dispute, list_manager):
    client = login(list_manager)
    client.post(at("tell_owner", dispute.pk))
    page = client.get(at("dispute", dispute.pk))
    assert "by hand, on another channel" in text(page)
    assert client.post(at("end_dispute", dispute.pk), {"outcome": "maybe"}).status_code == 400
    said = {"outcome": "rejected", "note": "seen by two analysts"}
    page = client.post(at("end_dispute", dispute.pk), said, follow=True)
    assert "Cases open again: 1." in text(page)
    assert "The owner stands by the known hash." in text(page)
    page = client.post(at("end_dispute", dispute.pk), said, follow=True)
    assert "has ended meanwhile" in text(page)
    assert client.post(at("tell_owner", dispute.pk), follow=True)
    slug = dispute.known_hash.hash_list.slug
    page = client.post(at("export_disputes", slug), follow=True)
    assert "no running dispute" in text(page)
