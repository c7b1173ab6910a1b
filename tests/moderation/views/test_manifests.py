"""Manifests: the list, building one, and the download byte for byte."""

import hashlib

import pytest
from django.urls import reverse

from moderation.datasets import removals
from moderation.evidence import store
from moderation.models import Manifest, Receipt, SealedObject

from . import rows

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _store(settings, tmp_path):
    settings.EVIDENCE_URL = tmp_path.as_uri()


def text(answer):
    return " ".join(answer.content.decode().split())


def notes(answer):
    return [(note.level_tag, str(note)) for note in answer.context["messages"]]


def build(client, revision):
    return client.post(reverse("moderation:build_manifest", args=[revision.pk]), follow=True)


def test_none_yet(login, operator):
    assert "No manifest yet" in text(login(operator).get("/manifests/"))


def test_the_list_says_who_built_and_who_applied(login, operator):
    manifest = rows.manifest(rows.revision(), by=operator)
    client = login(operator)
    assert "no receipt yet" in text(client.get("/manifests/"))
    Receipt.objects.create(manifest=manifest, rows_in=10, rows_out=9, removed=1, checksums={})
    assert "1 receipt, last" in text(client.get("/manifests/"))
    assert operator.username not in text(client.get("/manifests/"))


def test_build(login, operator, reviewer, second_reviewer):
    revision = rows.revision()
    rows.removal(revision, first=reviewer, second=second_reviewer)
    answer = build(login(operator), revision)
    [(level, words)] = notes(answer)
    assert (level, words.partition(".")[0]) == ("success", "Manifest 1 stands: 1 removal")
    assert "manage.py import_dataset DIR --dataset harbour --revision LABEL" in text(answer)
    assert (Manifest.objects.get().built_by, Manifest.objects.get().line_count) == (operator, 1)
    again = build(login(operator), revision)
    [(level, words)] = notes(again)
    assert level == "info"
    at = Manifest.objects.get().built_at
    assert words == (
        f"You built manifest 1 on {at:%d %b %Y at %H:%M} UTC: it lists them all. "
        "No other was built now."
    )


def test_of_two_who_build_at_once_the_second_is_told(
    login, operator, lead, reviewer, second_reviewer, monkeypatch
):
    revision = rows.revision()
    rows.removal(revision, first=reviewer, second=second_reviewer)
    seal = store.seal

    def meanwhile(*args):
        monkeypatch.setattr(store, "seal", seal)
        removals.build_manifest(revision, by=lead)
        return seal(*args)

    monkeypatch.setattr(store, "seal", meanwhile)
    answer = build(login(operator), revision)
    assert answer.redirect_chain == [(f"/datasets/{revision.pk}/", 302)]
    [(level, words)] = notes(answer)
    assert (level, words.partition(" on ")[0]) == ("info", "Somebody else built manifest 1")
    assert Manifest.objects.get().built_by == lead
    shredded = SealedObject.objects.get(kind=SealedObject.Kind.MANIFEST, manifest=None)
    assert shredded.wrapped_key is None


def test_of_two_who_build_at_once_what_came_between_is_built_again(
    login, operator, reviewer, second_reviewer, monkeypatch
):
    revision = rows.revision()
    rows.removal(revision, first=reviewer, second=second_reviewer)
    seal = store.seal

    def meanwhile(*args):
        rows.removal(revision, first=reviewer, second=second_reviewer)
        return seal(*args)

    monkeypatch.setattr(store, "seal", meanwhile)
    [(level, words)] = notes(build(login(operator), revision))
    assert (level, words.rpartition(": ")[2]) == ("error", "build it again.")
    assert not Manifest.objects.exists()


def test_with_nothing_to_remove_it_says_so(login, operator):
    answer = build(login(operator), rows.revision())
    assert [level for level, _ in notes(answer)] == ["error"]
    assert not Manifest.objects.exists()


def test_download_gives_the_sealed_bytes(login, operator):
    data = b'{"manifest": 1}\n{"signature": {}}\n'
    manifest = rows.manifest(rows.revision(), data)
    answer = login(operator).get(reverse("moderation:download_manifest", args=[manifest.pk]))
    assert answer.content == data
    assert hashlib.sha256(answer.content).hexdigest() == manifest.sha256
    assert answer["Content-Disposition"] == (
        'attachment; filename="harbour-v1-manifest-0001.jsonl"'
    )
    assert answer["Cache-Control"] == "no-store"


def test_a_lost_manifest_says_what_to_do(login, operator):
    manifest = rows.manifest(rows.revision())
    SealedObject.objects.update(wrapped_key=None)
    answer = login(operator).get(
        reverse("moderation:download_manifest", args=[manifest.pk]), follow=True
    )
    assert "restore the store from its backup" in notes(answer)[0][1]
