"""The operator's pages: a refused step changes nothing, and what browsers are told. Who may do what
stands in tests/access/table.txt."""

import pytest
from django.urls import reverse

from moderation.models import Case, CustodyEvent, HashList, KnownHash, Scan

from . import rows

pytestmark = pytest.mark.django_db

GET = {
    "datasets": ("list_manager", "operator", "lead"),
    "revision": ("list_manager", "operator", "lead"),
    "scans": ("list_manager", "operator", "lead"),
    "scan": ("list_manager", "operator", "lead"),
    "scan_progress": ("list_manager", "operator", "lead"),
    "hash_lists": ("list_manager", "operator", "lead", "reviewer"),
    "hash_list": ("list_manager", "operator", "lead", "reviewer"),
    "load_hash_list": ("list_manager",),
    "list_rules": ("list_manager",),
    "known_hash": ("list_manager", "operator", "lead", "reviewer"),
    "manifests": ("list_manager", "operator", "lead"),
    "download_manifest": ("operator", "lead"),
    "audit": ("auditor",),
}
POST = {
    "start_scan": ("list_manager", "operator"),
    "pause_scan": ("list_manager", "operator"),
    "resume_scan": ("list_manager", "operator"),
    "cancel_scan": ("list_manager", "operator"),
    "build_manifest": ("operator", "lead"),
    "switch_hash_list": ("list_manager",),
    "confirm_load": ("list_manager",),
    "disable_known_hash": ("list_manager",),
    "lift_known_hash": ("list_manager",),
    "release_known_hash": ("list_manager",),
    "verify_chain": ("auditor",),
    "set_legal_hold": ("lead",),
    "lift_legal_hold": ("lead",),
}
EVERYBODY = (
    "outsider",
    "reviewer",
    "lead",
    "reporter",
    "list_manager",
    "operator",
    "auditor",
)


@pytest.fixture
def address(settings, tmp_path):
    """The address of a page by its name, with rows behind it."""
    settings.EVIDENCE_URL = tmp_path.as_uri()
    revision = rows.revision()
    known = {
        "revision": revision.pk,
        "scan": rows.scan(revision).pk,
        "list": rows.hash_list().slug,
        "value": KnownHash.objects.first().pk,
        "manifest": rows.manifest(revision).pk,
        "case": Case.objects.create().pk,
    }
    needs = {
        "revision": "revision",
        "start_scan": "revision",
        "build_manifest": "revision",
        "scan": "scan",
        "scan_progress": "scan",
        "pause_scan": "scan",
        "resume_scan": "scan",
        "cancel_scan": "scan",
        "hash_list": "list",
        "switch_hash_list": "list",
        "list_rules": "list",
        "known_hash": "value",
        "disable_known_hash": "value",
        "lift_known_hash": "value",
        "release_known_hash": "value",
        "download_manifest": "manifest",
        "set_legal_hold": "case",
        "lift_legal_hold": "case",
    }

    def of(name: str) -> str:
        return reverse(f"moderation:{name}", args=[known[needs[name]]] if name in needs else [])

    return of


@pytest.mark.parametrize("name", POST)
@pytest.mark.parametrize("who", EVERYBODY)
def test_steps_are_refused_without_the_capability(request, login, address, name, who):
    if who in POST[name]:
        return
    answer = login(request.getfixturevalue(who)).post(address(name))
    assert answer.status_code == 403
    assert Scan.objects.get().state == "running"
    assert HashList.objects.get().enabled
    assert Case.objects.get().legal_hold_since is None
    refused = CustodyEvent.objects.get()  # that it was, and nothing else
    assert refused.action == "attempt_refused"


@pytest.mark.parametrize(("name", "who"), [(name, who[0]) for name, who in POST.items()])
def test_steps_refuse_get(request, login, address, name, who):
    assert login(request.getfixturevalue(who)).get(address(name)).status_code == 405


@pytest.mark.parametrize(("name", "who"), [(name, who[0]) for name, who in POST.items()])
def test_steps_refuse_a_form_of_another_site(request, address, name, who):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(request.getfixturevalue(who))
    answer = client.post(address(name))
    assert answer.status_code == 403
    assert "Please send that again" in answer.content.decode()


@pytest.mark.parametrize(("name", "who"), [(name, who[0]) for name, who in GET.items()])
def test_pages_are_strict_with_browsers(request, login, address, name, who):
    answer = login(request.getfixturevalue(who)).get(address(name))
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    body = answer.content.decode()
    assert " style=" not in body
    assert " onclick=" not in body
    assert "<script>" not in body
    assert "<style" not in body


@pytest.mark.parametrize(
    "name", ["revision", "scan", "hash_list", "known_hash", "download_manifest"]
)
def test_what_does_not_exist_is_404(login, operator, name):
    args = ["nothing"] if name == "hash_list" else [10**12]
    answer = login(operator).get(reverse(f"moderation:{name}", args=args))
    assert answer.status_code == 404
    assert "Nothing here" in answer.content.decode()
