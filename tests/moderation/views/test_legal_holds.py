"""The legal hold on the case page: who sees it, who sets and lifts it, and what it says."""

import pytest
from django.urls import reverse

from moderation.models import Case, CustodyEvent
from moderation.models.person import pseudonym_of
from moderation.review import queue
from tests.moderation.review.making import answer, make_case

pytestmark = pytest.mark.django_db
WHY = "Order 7 of the court."


def at(name, case):
    return reverse(f"moderation:{name}", args=[case.pk])


def post(client, name, case, reason=WHY, **options):
    return client.post(at(name, case), {"hold_reason": reason}, **options)


def text(response):
    return response.content.decode()


def events():
    return CustodyEvent.objects.filter(action__startswith="legal_hold")


def test_a_lead_sets_it_and_whoever_opens_the_case_reads_it(login, lead, reviewer):
    case = make_case()
    told = text(post(login(lead), "set_legal_hold", case, follow=True))
    assert "Legal hold set." in told
    assert at("lift_legal_hold", case) in told
    event = events().get()
    assert (event.action, event.object_type, event.object_id) == (
        "legal_hold_set",
        "case",
        str(case.pk),
    )
    assert (event.actor, event.role, event.reason) == (pseudonym_of(lead), "lead", WHY)
    since = Case.objects.get().legal_hold_since
    body = text(login(reviewer).get(at("case", case)))
    assert "Under legal hold" in body
    assert f"{since:%-d %b %Y, %H:%M} UTC" in body
    assert WHY in body
    # Who may be the second person learns nothing of who worked on the case.
    assert pseudonym_of(lead) not in body
    assert "legal-hold/" not in body


def test_a_lead_lifts_it(login, lead):
    case = make_case()
    client = login(lead)
    post(client, "set_legal_hold", case)
    told = text(post(client, "lift_legal_hold", case, "The order has ended.", follow=True))
    assert "Legal hold lifted." in told
    assert "Under legal hold" not in told
    assert list(events().values_list("action", "reason")) == [
        ("legal_hold_set", WHY),
        ("legal_hold_lifted", "The order has ended."),
    ]


def test_a_second_time_changes_nothing_and_says_so(login, lead):
    case = make_case()
    client = login(lead)
    assert "under no legal hold" in text(post(client, "lift_legal_hold", case, follow=True))
    post(client, "set_legal_hold", case)
    before = Case.objects.values().get()
    told = text(post(client, "set_legal_hold", case, "Another reason.", follow=True))
    assert "already was under legal hold" in told
    assert "Another reason." not in told
    assert Case.objects.values().get() == before
    assert events().count() == 1


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("", "This field is required."),
        ("   ", "This field is required."),
        ("x" * 301, "at most 300"),
        ("see https://pictures.example/a.jpg", "Leave links and hashes out"),
        ("about " + "ab" * 16, "Leave links and hashes out"),
    ],
)
@pytest.mark.parametrize("name", ["set_legal_hold", "lift_legal_hold"])
def test_it_needs_a_reason_in_plain_words(login, lead, name, reason, says):
    case = make_case()
    client = login(lead)
    if name == "lift_legal_hold":
        post(client, "set_legal_hold", case)
    before = Case.objects.values().get()
    refused = post(client, name, case, reason)
    assert refused.status_code == 400
    assert says in text(refused)
    assert Case.objects.values().get() == before
    assert events().count() == (name == "lift_legal_hold")


def test_whoever_works_on_the_case_is_not_disturbed(login, lead, reviewer):
    case = make_case()
    held = queue.claim(case, by=reviewer)
    post(login(lead), "set_legal_hold", case)
    now = Case.objects.get()
    assert (now.edit_no, now.lease_token) == (held.edit_no, held.lease_token)
    answer(case, reviewer, "REMOVE_KNOWN")
    assert Case.objects.get().legal_hold_reason == WHY


@pytest.mark.parametrize("name", ["set_legal_hold", "lift_legal_hold"])
def test_no_such_case(login, lead, name):
    address = reverse(f"moderation:{name}", args=[404])
    assert login(lead).post(address, {"hold_reason": WHY}).status_code == 404


def test_the_history_and_the_audit_say_it_in_words(login, lead, auditor):
    case = make_case(state="closed")
    client = login(lead)
    post(client, "set_legal_hold", case)
    body = text(client.get(at("case", case)))
    assert "a legal hold was set" in body
    audit = text(login(auditor).get(reverse("moderation:audit")))
    assert "legal hold set" in audit
    assert WHY in audit
