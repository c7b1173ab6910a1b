"""The second person and the lead on the case page: who is blind, who compares."""

import pytest
from django.urls import reverse

from moderation.models import Case, Decision, Entry, Review
from moderation.review import decisions, queue
from tests.moderation.review.making import (
    make_case,
    settled,
)

from .case_pages import at, text

pytestmark = pytest.mark.django_db

SECRET = "eel-grass at noon"


def test_the_second_reviewer_is_blind(login, reviewer, second_reviewer):
    case = make_case()
    settled(case, reviewer, "REMOVE_OTHER", reason=SECRET, harm_class="abuse_related")
    client = login(second_reviewer)
    for path in (at("case", case), at("case", case) + "?page=1"):
        before = text(client.get(path))
        assert_blind(before, case, reviewer)
    assert client.post(reverse("moderation:queue_next")).url == at("case", case)
    page = client.get(at("case", case))
    assert_blind(text(page), case, reviewer)
    assert page.context["form"].initial["harm_class"] == "csam"
    assert "If the two of you agree" in text(page)
    assert "level-now" in text(page)
    assert "all 0" not in text(page)


def assert_blind(body, case, first):
    for hidden in (
        SECRET,
        first.username,
        first.person.pseudonym,
        "answer_given",
        "Removed",
        "uarantine",
        "checked",
        "selected>Abuse related",
    ):
        assert hidden not in body, hidden


@pytest.mark.parametrize("near", [True, False])
def test_the_second_page_does_not_depend_on_the_first_answer(
    login, reviewer, second_reviewer, near
):
    keep, remove = make_case(near=near), make_case(near=near)
    settled(keep, reviewer, "KEEP")
    settled(remove, reviewer, "REMOVE_KNOWN")
    pages = []
    for case in (keep, remove):
        queue.claim(case, by=second_reviewer)
        page = login(second_reviewer).get(at("case", case))
        pages.append([(offer["locked"], offer["consequence"]) for offer in page.context["offers"]])
    assert pages[0] == pages[1]


def test_no_report_is_promised_for_a_case_without_a_link(login, reviewer):
    case = make_case(entries=2)
    client = login(reviewer)
    queue.claim(case, by=reviewer)
    assert "drafts 1 report to Internet Watch Foundation." in text(client.get(at("case", case)))
    Entry.objects.update(url_key=None)
    body = text(client.get(at("case", case)))
    assert "Once removed: no report, as no entry has a link." in body
    assert "drafts 1 report" not in body


def test_a_lead_sees_both_answers_of_a_dispute(login, reviewer, second_reviewer, lead):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN", reason=SECRET)
    case = settled(case, second_reviewer, "KEEP", reason="another ship")
    queue.claim(case, by=lead)
    page = login(lead).get(at("case", case))
    body = text(page)
    for words in (SECRET, "another ship", reviewer.person.pseudonym):
        assert words in body
    consequences = {offer["code"]: offer["consequence"] for offer in page.context["offers"]}
    assert consequences["REMOVE_KNOWN"].startswith("Removes 1 entry in 1 revision")
    assert consequences["KEEP_LIST_ERROR"].startswith("Keeps 1 entry")
    other = text(login(reviewer).get(at("case", case)))
    assert "another ship" not in other
    assert "This case waits for a lead." in other


def test_a_lead_who_may_be_second_is_blind(login, reviewer, lead):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN", reason=SECRET)
    assert SECRET not in text(login(lead).get(at("case", case)))


def test_the_closed_case_tells_all(login, reviewer, second_reviewer):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN", reason=SECRET)
    case = settled(case, second_reviewer, "REMOVE_KNOWN")
    body = text(login(second_reviewer).get(at("case", case)))
    assert SECRET in body
    assert "closed: removal confirmed" in body
    assert body.count("Both say: the match is right.") == 2  # with the decision, in the history
    assert Decision.objects.get().get_verdict_display() in body


def test_agreement_in_the_verdict_alone_is_settled_by_a_lead(
    login, reviewer, second_reviewer, lead
):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    case = settled(case, second_reviewer, "REMOVE_SUSPECT")
    queue.claim(case, by=lead)
    page = login(lead).get(at("case", case))
    assert "The removal stands. You say under which answer and class" in text(page)
    offered = {offer["code"]: offer for offer in page.context["offers"]}
    assert offered["REMOVE_OTHER"]["consequence"].startswith("Settles it: removes 1 entry")
    assert [code for code in offered if not offered[code]["locked"]] == list(Review.REMOVALS)
    case = settled(case, lead, "REMOVE_SUSPECT")
    page = login(reviewer).get(at("case", case))
    assert page.context["agreement"] == (
        "Both removed, and a lead settled under which answer and class. First person: “Remove: "
        "the match is right”; second person: “Remove: reportable in our own judgement”; lead: "
        "“Remove: reportable in our own judgement”."
    )
    assert text(page).count(page.context["agreement"]) == 2


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (
            ("KEEP", "REMOVE_KNOWN", "KEEP"),
            "Two people differed and a lead decided. "
            "First person: “Keep: the known hash is wrong”; "
            "second person: “Remove: the match is right”; lead: “Keep: the known hash is wrong”.",
        ),
        (
            ("KEEP", "REMOVE_KNOWN", "REMOVE_SUSPECT"),
            "Two people differed and a lead decided. "
            "First person: “Keep: the known hash is wrong”; "
            "second person: “Remove: the match is right”; "
            "lead: “Remove: reportable in our own judgement”.",
        ),
        (
            ("REMOVE_KNOWN", "ESCALATE", "REMOVE_KNOWN"),
            "A lead was asked. First person: “Remove: the match is right”; "
            "second person: “Escalate to a lead”; lead: “Remove: the match is right”.",
        ),
    ],
)
def test_a_verdict_that_a_lead_reached_names_every_answer(
    login, reviewer, second_reviewer, lead, answers, told
):
    case = make_case()
    for user, code in zip((reviewer, second_reviewer, lead), answers, strict=True):
        case = settled(case, user, code)
    assert case.state == "closed"
    page = login(reviewer).get(at("case", case))
    assert page.context["agreement"] == told
    assert text(page).count(told) == 2  # with the decision, in the history
    assert "Both say" not in text(page)
    decisions.reopen(case, because="new_match")
    settled(case, lead, "REMOVE_KNOWN")
    last = settled(case, reviewer, "REMOVE_KNOWN")
    page = login(reviewer).get(at("case", last))
    assert page.context["agreement"] == "Both say: the match is right."
    assert text(page).count(told) == 1  # the round before, in the history


def test_after_an_escalation_a_lead_alone_asks_a_second_person(
    login, reviewer, second_reviewer, lead
):
    case = settled(settled(make_case(), reviewer, "ESCALATE"), lead, "KEEP")
    case = settled(case, second_reviewer, "KEEP")
    assert login(reviewer).get(at("case", case)).context["agreement"] == (
        "A lead was asked. First person: “Escalate to a lead”; "
        "lead: “Keep: the known hash is wrong”; second person: “Keep: the known hash is wrong”."
    )


def test_no_harm_class_stands_beside_a_keep(login, reviewer, second_reviewer):
    label = "Child sexual abuse material"
    case = make_case()
    queue.claim(case, by=reviewer)
    assert label in text(login(reviewer).get(at("case", case))).partition("data-answer")[0]
    case = settled(settled(case, reviewer, "KEEP"), second_reviewer, "KEEP")
    assert label not in text(login(reviewer).get(at("case", case)))


def test_a_lead_reads_why_a_case_was_escalated(login, reviewer, second_reviewer, lead):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    case = settled(case, second_reviewer, "ESCALATE", reason=SECRET)
    body = text(login(lead).get(at("case", case)))
    assert body.index("Why it is here") < body.index(SECRET)
    assert "Why it is here" not in text(login(reviewer).get(at("case", case)))


def test_the_comparison_opens_once_it_is_decided(login, reviewer, second_reviewer, lead):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN", reason=SECRET)
    case = settled(case, second_reviewer, "KEEP", reason="another ship")
    client = login(second_reviewer)
    assert SECRET not in text(client.get(at("case", case)))  # a lead may have it answered anew
    assert "Decided lately" not in text(client.get(reverse("moderation:my_cases")))
    settled(case, lead, "REMOVE_KNOWN")
    assert "Decided lately" in text(client.get(reverse("moderation:my_cases")))
    body = text(client.get(at("case", case)))
    assert "Your answer beside the others" in body
    assert body.index(SECRET) < body.index("another ship")
    assert "Every removal takes two people." in body
    assert "no picture" in body


def test_one_person_cannot_be_second(login, reviewer):
    case = settled(make_case(), reviewer, "REMOVE_KNOWN")
    client = login(reviewer)
    page = client.post(at("case_claim", case), follow=True)
    assert "already answered" in text(page)
    assert not Case.objects.leased_to(reviewer).exists()
